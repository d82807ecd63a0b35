/* SPDX-License-Identifier: MIT */
/*
 * The floor of an operation does the same steps, and what these are is taken from vmplug itself: a
 * run of the library is traced, and a bare socket says the same again to a fresh QEMU, each piece
 * in one write as soon as the answers that came before it have come. So what is compared is what
 * vmplug costs beside QEMU: parsing, planning, evidence, the loop. A program that asks nothing does
 * less than was asked for: it does not know which ids and places are free, what QEMU can't grow or
 * would die of, nor, afterwards, whether the device is there. That floor is printed beside it.
 */
#ifndef TESTS_BENCH_STEPS_H
#define TESTS_BENCH_STEPS_H

#include <stddef.h>

#include "tests/bench/floor.h"

#define STEPS_MAX 2048
#define STEPS_BYTES_MAX (1 << 19)

struct steps {
    char text[STEPS_BYTES_MAX]; /* all that was sent */
    size_t used;
    struct {
        size_t end;       /* of its bytes in the text */
        unsigned answers; /* that had come before it was sent, since the piece before */
    } pieces[STEPS_MAX];
    size_t count;
    unsigned answers; /* since the last piece */
    char last[1 << 16]; /* answer */
};

/* Of the monitor, from here on. */
void steps_forget(struct steps *steps);

/* A vmplug_trace_fn; user is a struct steps. */
void steps_note(void *user, const char *channel, int sent, const char *json, size_t size_bytes);

/* Does all of them, until the last answer has come. Any other answer than was recorded there ends
 * the program. */
void steps_repeat(const struct steps *steps, struct floor *floor);

#endif
