/* SPDX-License-Identifier: MIT */
/*
 * The floor of an operation does the same steps, and what these are is taken from vmplug itself: a
 * run of the library is traced, and bare sockets say the same again to a fresh QEMU, each piece in
 * one write as soon as what had come before it has come: answers, and an _OST. So what is compared
 * is what vmplug costs beside QEMU and the guest: parsing, planning, evidence, the loop. Only for
 * what no event tells the agent is asked again and again; of this the last time counts, and the
 * floor asks, after the same pauses, until it is told the same. A program that asks nothing does
 * less than was asked for: it does not know which ids and places are free, what QEMU can't grow or
 * would die of, nor, afterwards, whether the device is there. That floor is printed beside it.
 */
#ifndef TESTS_BENCH_STEPS_H
#define TESTS_BENCH_STEPS_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/bench/floor.h"

#define STEPS_MAX 2048
#define STEPS_BYTES_MAX (1 << 19)

/* What is waited for. */
enum steps_kind { STEPS_QMP_ANSWERS, STEPS_AGENT_ANSWERS, STEPS_OSTS, STEPS_KINDS };

struct steps {
    char text[STEPS_BYTES_MAX]; /* all that was sent */
    size_t used;
    struct steps_piece {
        bool agent; /* one command of the agent's, else some of the monitor's */
        size_t start, end;           /* of its bytes in the text */
        unsigned heard[STEPS_KINDS]; /* in all, before it was sent */
        char *answer;                /* of the agent's */
    } pieces[STEPS_MAX];
    size_t count;
    unsigned heard[STEPS_KINDS];
    struct steps_piece *asked; /* of the agent, last */
    char last[1 << 16];        /* answer of the monitor's */
};

/* Of the monitor and the agent, from here on. */
void steps_forget(struct steps *steps);

/* A vmplug_trace_fn; user is a struct steps. */
void steps_note(void *user, const char *channel, int sent, const char *json, size_t size_bytes);

/* Does all of them, until the last answer has come; agent may be NULL where it had no part. Another
 * answer than was recorded there ends the program, if it is the monitor's last, or if the agent
 * stays with it. */
void steps_repeat(const struct steps *steps, struct floor *qmp, struct floor *agent);

#endif
