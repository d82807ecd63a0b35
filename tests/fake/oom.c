/* SPDX-License-Identifier: MIT */
#include "tests/fake/oom.h"

#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "tests/fake/fake.h"

#define HELD_MAX 65536

static bool on, lasting, struck;
static bool reading, starved; /* a text, and that has no memory */
static unsigned countdown; /* allocations until one fails; 0: none does */
static void *held[HELD_MAX]; /* what was allocated between oom_on() and oom_off() and not freed */
static size_t held_count;

/* ---- allocations; the linker knows these names ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *pointer);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *pointer);

/* To be broken at by a debugger: who asked for it is on the stack. */
__attribute__((noinline)) static void strike(void)
{
    struck = true;
}

static bool fails(void)
{
    if (!on || reading)
        return starved;
    if (struck && !lasting)
        return false;
    if (!struck && --countdown == 0)
        strike();
    return struck;
}

static void *hold(void *fresh)
{
    if (on && fresh != NULL && held_count == HELD_MAX)
        fake_fail("more is held than can be remembered");
    if (on && fresh != NULL)
        held[held_count++] = fresh;
    return fresh;
}

/* What is freed is mostly young. What is not known was allocated by a fake, or for it. */
static void let_go(const void *old)
{
    size_t i;

    for (i = held_count; i-- > 0;) {
        if (held[i] == old) {
            held[i] = held[--held_count];
            return;
        }
    }
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : hold(__real_malloc(size));
}

void *__wrap_calloc(size_t number, size_t size)
{
    return fails() ? NULL : hold(__real_calloc(number, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (fails())
        return NULL;
    let_go(old);
    return hold(__real_realloc(old, size));
}

void *__wrap_reallocarray(void *old, size_t number, size_t size)
{
    if (fails())
        return NULL;
    let_go(old);
    return hold(__real_reallocarray(old, number, size));
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : hold(__real_strdup(text));
}

void __wrap_free(void *pointer)
{
    let_go(pointer);
    __real_free(pointer);
}

__attribute__((constructor)) static void lead_jansson_here(void)
{
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
}

/* The reading of a text counts as one allocation: jansson's lexer does not notice each failure of
 * its own, and may run over the end of a string that lacks its quote. */
json_t *__real_json_loadb(const char *text, size_t size, size_t flags, json_error_t *problem);
json_t *__wrap_json_loadb(const char *text, size_t size, size_t flags, json_error_t *problem);

json_t *__wrap_json_loadb(const char *text, size_t size, size_t flags, json_error_t *problem)
{
    json_t *value;

    starved = fails();
    reading = true;
    value = __real_json_loadb(text, size, flags, problem);
    reading = starved = false;
    return value;
}

/* ---- fakes ---- */

#define SPARED_MAX 4

/* A fake's own way to process, behind the one that spares it. */
static struct {
    struct pump_ops ops; /* first: what the pump points at */
    const struct pump_ops *own;
} spared[SPARED_MAX];

static enum pump_result process_spared(struct pump *pump, short revents)
{
    bool was_on = on;
    enum pump_result result;
    size_t i;

    for (i = 0; pump->ops != &spared[i].ops;)
        i++;
    on = false;
    result = spared[i].own->process(pump, revents);
    on = was_on;
    return result;
}

void oom_spare(struct pump *pump)
{
    size_t i = 0;

    while (i < SPARED_MAX && spared[i].own != NULL && spared[i].own != pump->ops)
        i++;
    if (i == SPARED_MAX)
        fake_fail("too many kinds of fakes");
    spared[i].own = pump->ops;
    spared[i].ops = *pump->ops;
    spared[i].ops.process = process_spared;
    pump->ops = &spared[i].ops;
}

/* ---- runs ---- */

void oom_on(void)
{
    on = true;
}

void oom_off(void)
{
    on = false;
}

bool oom_struck(void)
{
    return struck;
}

static unsigned open_descriptors(void)
{
    DIR *stream = opendir("/proc/self/fd");
    unsigned number = 0;

    while (stream != NULL && readdir(stream) != NULL)
        number++;
    if (stream != NULL)
        (void)closedir(stream);
    return number;
}

static unsigned stride(void)
{
    const char *text = getenv("VMPLUG_OOM_STRIDE");
    int number = text != NULL ? atoi(text) : 1;

    return number > 0 ? (unsigned)number : 1;
}

static unsigned each(oom_body_fn *body, void *user, bool and_later)
{
    unsigned nth = 1, runs = 0, descriptors;

    lasting = and_later;
    do {
        on = false; /* a run may have failed between oom_on() and oom_off() */
        held_count = 0;
        descriptors = open_descriptors();
        countdown = nth;
        struck = false;
        body(user);
        on = false;
        if (held_count > 0)
            fake_fail("%zu allocations are left of a run in which number %u failed", held_count,
                      nth);
        if (open_descriptors() != descriptors)
            fake_fail("a descriptor is left of a run in which allocation %u failed", nth);
        nth += stride();
        runs++;
    } while (struck);
    return runs - 1;
}

unsigned oom_each(oom_body_fn *body, void *user)
{
    return each(body, user, false);
}

unsigned oom_each_lasting(oom_body_fn *body, void *user)
{
    return each(body, user, true);
}
