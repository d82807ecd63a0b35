/* SPDX-License-Identifier: MIT */
#include "tests/bench/steps.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERED "\"id\": " /* as QEMU writes it; no event that an addition brings has one */

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "steps: %s\n", what);
    exit(1);
}

void steps_forget(struct steps *steps)
{
    steps->used = steps->count = steps->answers = 0;
}

static void note_sent(struct steps *steps, const char *json, size_t size)
{
    if (steps->count == 0 || steps->answers > 0) {
        if (steps->count == STEPS_MAX)
            die("too many");
        steps->pieces[steps->count++].answers = steps->answers;
        steps->answers = 0;
    }
    if (size > sizeof(steps->text) - steps->used)
        die("too long");
    memcpy(steps->text + steps->used, json, size);
    steps->used += size;
    steps->pieces[steps->count - 1].end = steps->used;
}

void steps_note(void *user, const char *channel, int sent, const char *json, size_t size_bytes)
{
    struct steps *steps = user;

    if (strcmp(channel, "qmp") != 0 || json == NULL)
        return;
    if (sent) {
        note_sent(steps, json, size_bytes);
    } else if (memmem(json, size_bytes, ANSWERED, strlen(ANSWERED)) != NULL) {
        steps->answers++;
        (void)snprintf(steps->last, sizeof(steps->last), "%.*s", (int)size_bytes, json);
    }
}

void steps_repeat(const struct steps *steps, struct floor *floor)
{
    size_t start = 0, length = strlen(steps->last), i;
    const char *last;

    for (i = 0; i < steps->count; i++) {
        if (steps->pieces[i].answers > 0)
            (void)floor_await(floor, ANSWERED, steps->pieces[i].answers);
        floor_say(floor, steps->text + start, steps->pieces[i].end - start);
        start = steps->pieces[i].end;
    }
    last = floor_await(floor, ANSWERED, steps->answers);
    if (strncmp(last, steps->last, length) != 0)
        die(last);
}
