/* SPDX-License-Identifier: MIT */
/*
 * The other end of what a pump talks to, in the test's own hands: it says and hears bytes, and the
 * pump is driven step by step, so that a test decides what has arrived when.
 */
#ifndef TESTS_FAKE_WIRE_H
#define TESTS_FAKE_WIRE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "qmp/request.h"
#include "qmp/pump.h"

struct wire {
    int fd;            /* the test's end; -1 once it hung up */
    struct pump *pump; /* set by the test */
    enum pump_result result; /* of the last step */
    char heard[1 << 16];
};

/* Makes a socket pair; returns the end that is to be given to what is under test. */
int wire_open(struct wire *wire);
void wire_close(struct wire *wire);

/* Says this and lets the pump take it in. */
void wire_say(struct wire *wire, const char *text);
void wire_say_bytes(struct wire *wire, const char *bytes, size_t size);

/* Says it without driving the pump. */
void wire_put(struct wire *wire, const char *text);

/* Hangs up; the pump notices when it is driven next. */
void wire_hang_up(struct wire *wire);

/* Drives the pump as long as there is something to do without waiting. */
void wire_pump(struct wire *wire);

/* Waits for the pump's own deadline, and drives it then. Fails the test when it has none or it is
 * more than ten seconds away. */
void wire_pass_deadline(struct wire *wire);

/* Everything that has been sent since the last time; valid until the next call. */
const char *wire_hear(struct wire *wire);

/* ---- how commands ended ---- */

struct outcome {
    unsigned count;  /* how often it was told */
    unsigned turn;   /* the how-manieth outcome this was */
    json_t *value;   /* valid until wire_close() */
    struct error error;
    void (*also)(void *user); /* called from inside, may be NULL */
    void *user;
};

/* A reply_fn; user is the outcome. */
void outcome_take(void *user, const struct reply *reply);

/* Fail the test unless it was told once, this number or an error of this code. */
void outcome_assert_value(const struct outcome *outcome, int value);
void outcome_assert_error(const struct outcome *outcome, enum error_code code);

#endif
