/* SPDX-License-Identifier: MIT */
#include "manifest/patch.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/limits.h"
#include "manifest/value.h"
#include "qmp/codec.h"

/* ---- merge patches ---- */

/* Merges into *target, which is the caller's own and may be NULL. False without memory. */
static bool merge(json_t **target, const json_t *patch)
{
    const char *key;
    json_t *value, *inner;

    if (!json_is_object(patch) || !json_is_object(*target)) {
        json_decref(*target);
        *target = json_is_object(patch) ? json_object() : json_deep_copy(patch);
    }
    if (!json_is_object(patch) || *target == NULL)
        return *target != NULL;
    json_object_foreach((json_t *)patch, key, value) {
        if (json_is_null(value)) {
            (void)json_object_del(*target, key);
            continue;
        }
        inner = json_incref(json_object_get(*target, key));
        if (!merge(&inner, value)) {
            json_decref(inner);
            return false;
        }
        if (json_object_set_new(*target, key, inner) < 0)
            return false;
    }
    return true;
}

static json_t *finish_merge(json_t *target, const json_t *patch, struct error *error)
{
    if (target != NULL && merge(&target, patch))
        return target;
    json_decref(target);
    (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
    return NULL;
}

json_t *patch_merge(const json_t *target, const json_t *patch, struct error *error)
{
    return finish_merge(json_deep_copy(target), patch, error);
}

/* Takes out of live what is in last and not in next. */
static void take_out(json_t *live, const json_t *last, const json_t *next)
{
    const char *key;
    json_t *value;

    if (!json_is_object(live) || !json_is_object(next))
        return;
    json_object_foreach((json_t *)last, key, value) {
        if (json_object_get(next, key) == NULL)
            (void)json_object_del(live, key);
        else
            take_out(json_object_get(live, key), value, json_object_get(next, key));
    }
}

json_t *patch_apply(const json_t *last, const json_t *next, const json_t *live,
                    struct error *error)
{
    json_t *target = json_deep_copy(live);

    take_out(target, last, next);
    return finish_merge(target, next, error);
}

/* ---- JSON patches: where an operation applies ---- */

struct operation {
    size_t index;
    const char *name;
    const char *path;
    const json_t *row;
    json_t *holder; /* {"": the value}, so that the value itself is the member of something, too */
    struct measure *written; /* by all operations so far */
    struct error *error;
};

/* What a pointer points at. */
struct target {
    char *text;      /* the pointer, cut into its parts */
    json_t *outer;   /* object or list */
    const char *key; /* in text */
    unsigned depth;  /* objects and lists around it, the holder not counted */
};

static void target_free(struct target *target)
{
    free(target->text);
}

#define AUTO_TARGET CLEANUP(target_free)

__attribute__((format(printf, 3, 4)))
static int refuse(const struct operation *operation, const char *fix, const char *why, ...)
{
    char words[160];
    va_list arguments;

    va_start(arguments, why);
    (void)vsnprintf(words, sizeof(words), why, arguments);
    va_end(arguments);
    return error_set(operation->error, ERROR_INVALID, fix, "patch[%zu]: %.20s %.120s: %s",
                     operation->index, operation->name, operation->path, words);
}

static int no_memory(const struct operation *operation)
{
    return error_set(operation->error, ERROR_SYSTEM, "", "out of memory");
}

/* Turns ~1 and ~0 into / and ~. False when something else is behind a ~. */
static bool unescape(char *part)
{
    char *to = part;

    for (; *part != '\0'; part++, to++) {
        *to = *part;
        if (*part != '~')
            continue;
        part++;
        if (*part != '0' && *part != '1')
            return false;
        *to = *part == '1' ? '/' : '~';
    }
    *to = '\0';
    return true;
}

/* Digits without a leading zero, below limit. */
static bool read_index(const char *key, size_t limit, size_t *ret)
{
    unsigned long long number;
    char *end;

    if (!isdigit((unsigned char)key[0]) || (key[0] == '0' && key[1] != '\0'))
        return false;
    number = strtoull(key, &end, 10); /* too large for it is too large for us */
    if (*end != '\0' || number >= limit)
        return false;
    *ret = (size_t)number;
    return true;
}

/* "-" is no item, but behind the last. */
static json_t *get(const json_t *outer, const char *key)
{
    size_t index;

    if (json_is_array(outer))
        return read_index(key, json_array_size(outer), &index) ? json_array_get(outer, index)
                                                               : NULL;
    return json_object_get(outer, key);
}

/* Finds what the last part of a pointer is in; that it is there, too, is not said. */
static int locate(const struct operation *operation, const char *pointer, struct target *target)
{
    char *rest, *part;

    if (pointer[0] != '\0' && pointer[0] != '/')
        return refuse(operation, "begin it with a /", "'%.80s' is no path", pointer);
    target->text = strdup(pointer);
    if (target->text == NULL)
        return no_memory(operation);
    target->outer = operation->holder;
    target->key = "";
    rest = pointer[0] == '/' ? target->text + 1 : NULL;
    while (rest != NULL) {
        part = strsep(&rest, "/");
        if (!unescape(part))
            return refuse(operation, "write ~0 for a ~ and ~1 for a /",
                          "'%.80s' has a ~ that stands for nothing", pointer);
        target->outer = get(target->outer, target->key);
        if (!json_is_object(target->outer) && !json_is_array(target->outer))
            return refuse(operation, "", "there is no object or list that could have a '%.60s'",
                          part);
        target->key = part;
        target->depth++;
    }
    return 0;
}

static int refuse_missing(const struct operation *operation, const struct target *target)
{
    if (json_is_array(target->outer))
        return refuse(operation, "", "the list has no item '%.60s', but %zu items", target->key,
                      json_array_size(target->outer));
    return refuse(operation, "", "there is no '%.60s'", target->key);
}

/* Locates what must be there. Returns it, still its outer one's; NULL: refused. */
static json_t *find(const struct operation *operation, const char *pointer, struct target *target)
{
    json_t *value;

    if (locate(operation, pointer, target) < 0)
        return NULL;
    value = get(target->outer, target->key);
    if (value == NULL)
        (void)refuse_missing(operation, target);
    return value;
}

/* ---- JSON patches: operations ---- */

/* Counts what is to be written, so that copies of copies come to an end. */
static int count_written(const struct operation *operation, const json_t *value, unsigned depth)
{
    struct measure measure = value_measure(value);

    operation->written->values += measure.values;
    operation->written->bytes += measure.bytes;
    if (operation->written->values > LIMITS_VALUES ||
        operation->written->bytes > LIMITS_TEXT_BYTES)
        return refuse(operation, "split the patch",
                      "this is more than %d values or %zu MiB of text", LIMITS_VALUES,
                      LIMITS_TEXT_BYTES >> 20);
    if (depth + measure.depth > LIMITS_DEPTH)
        return refuse(operation, "", "this is nested more than %d deep", LIMITS_DEPTH);
    return 0;
}

/* Adds a value, which it takes over, as `add` does: before an item, or in the place of a member. */
static int insert(const struct operation *operation, const char *pointer, json_t *value)
{
    AUTO_TARGET struct target target = {.text = NULL};
    AUTO_JSON json_t *owned = value;
    size_t size, index;

    if (owned == NULL)
        return no_memory(operation);
    if (locate(operation, pointer, &target) < 0 ||
        count_written(operation, owned, target.depth) < 0)
        return -1;
    if (json_is_object(target.outer))
        return json_object_set(target.outer, target.key, owned) < 0 ? no_memory(operation) : 0;
    size = json_array_size(target.outer);
    index = size;
    if (strcmp(target.key, "-") != 0 && !read_index(target.key, size + 1, &index))
        return refuse(operation, "write - for the end of the list",
                      "the list has no place '%.60s', but %zu items", target.key, size);
    return json_array_insert(target.outer, index, owned) < 0 ? no_memory(operation) : 0;
}

static void drop(const struct target *target)
{
    size_t index;

    if (json_is_object(target->outer))
        (void)json_object_del(target->outer, target->key);
    else if (read_index(target->key, json_array_size(target->outer), &index))
        (void)json_array_remove(target->outer, index);
}

/* The operation's member of this name; NULL: refused. */
static const json_t *operand(const struct operation *operation, const char *name)
{
    const json_t *value = json_object_get(operation->row, name);

    if (value == NULL)
        (void)refuse(operation, "", "has no \"%s\"", name);
    return value;
}

static const char *read_from(const struct operation *operation)
{
    const json_t *from = operand(operation, "from");

    if (from != NULL && !json_is_string(from))
        return refuse(operation, "", "its \"from\" is no string"), NULL;
    return json_string_value(from);
}

static int perform_add(const struct operation *operation)
{
    const json_t *value = operand(operation, "value");

    return value != NULL ? insert(operation, operation->path, json_deep_copy(value)) : -1;
}

static int perform_remove(const struct operation *operation)
{
    AUTO_TARGET struct target target = {.text = NULL};

    if (find(operation, operation->path, &target) == NULL)
        return -1;
    drop(&target);
    return 0;
}

static int perform_replace(const struct operation *operation)
{
    AUTO_TARGET struct target target = {.text = NULL};
    const json_t *value = operand(operation, "value");
    size_t index = 0;
    json_t *copy;

    if (value == NULL || find(operation, operation->path, &target) == NULL ||
        count_written(operation, value, target.depth) < 0)
        return -1;
    copy = json_deep_copy(value);
    if (json_is_object(target.outer)) {
        if (json_object_set_new(target.outer, target.key, copy) == 0)
            return 0;
    } else if (read_index(target.key, json_array_size(target.outer), &index) &&
               json_array_set_new(target.outer, index, copy) == 0) {
        return 0;
    }
    return no_memory(operation);
}

static int perform_copy(const struct operation *operation)
{
    AUTO_TARGET struct target target = {.text = NULL};
    const char *from = read_from(operation);
    const json_t *value = from != NULL ? find(operation, from, &target) : NULL;

    return value != NULL ? insert(operation, operation->path, json_deep_copy(value)) : -1;
}

static int perform_move(const struct operation *operation)
{
    AUTO_TARGET struct target target = {.text = NULL};
    const char *from = read_from(operation);
    json_t *value = from != NULL ? find(operation, from, &target) : NULL;
    size_t length = from != NULL ? strlen(from) : 0;

    if (value == NULL)
        return -1;
    if (strcmp(from, operation->path) == 0)
        return 0;
    if (strncmp(from, operation->path, length) == 0 && operation->path[length] == '/')
        return refuse(operation, "", "%.80s can't be moved into itself", from);
    json_incref(value);
    drop(&target);
    return insert(operation, operation->path, value);
}

static int perform_test(const struct operation *operation)
{
    AUTO_TARGET struct target target = {.text = NULL};
    const json_t *wanted = operand(operation, "value");
    AUTO_FREE char *text = NULL;
    const json_t *value;

    value = wanted != NULL ? find(operation, operation->path, &target) : NULL;
    if (value == NULL)
        return -1;
    if (json_equal(value, wanted) != 0)
        return 0;
    text = codec_dump(value, 0);
    return refuse(operation, "", "the value is another one: %.80s", text != NULL ? text : "");
}

static const struct {
    const char *name;
    int (*perform)(const struct operation *operation);
} kinds[] = {
    {"add", perform_add},   {"remove", perform_remove}, {"replace", perform_replace},
    {"move", perform_move}, {"copy", perform_copy},     {"test", perform_test},
};

static int perform(struct operation *operation)
{
    const char *name = json_string_value(json_object_get(operation->row, "op"));
    const char *path = json_string_value(json_object_get(operation->row, "path"));
    size_t i;

    operation->name = name != NULL ? name : "?";
    operation->path = path != NULL ? path : "?";
    if (name == NULL || path == NULL)
        return refuse(operation, "write {\"op\": \"replace\", \"path\": \"/spec/…\", …}",
                      "an operation is an object with the strings \"op\" and \"path\"");
    for (i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(name, kinds[i].name) == 0)
            return kinds[i].perform(operation);
    }
    return refuse(operation, "write add, remove, replace, move, copy or test",
                  "there is no such operation");
}

json_t *patch_json(const json_t *target, const json_t *operations, struct error *error)
{
    AUTO_JSON json_t *holder = json_object();
    struct measure written = {.values = 0};
    struct operation operation = {.holder = holder, .written = &written, .error = error};
    json_t *result;

    if (!json_is_array(operations)) {
        (void)error_set(error, ERROR_INVALID, "put the operations in [ and ]",
                        "a JSON patch is a list of operations");
        return NULL;
    }
    if (json_object_set_new(holder, "", json_deep_copy(target)) < 0)
        return no_memory(&operation), NULL;
    json_array_foreach(operations, operation.index, operation.row) {
        if (perform(&operation) < 0)
            return NULL;
    }
    result = json_incref(json_object_get(holder, ""));
    if (result == NULL)
        (void)error_set(error, ERROR_INVALID, "", "the patch leaves nothing");
    return result;
}
