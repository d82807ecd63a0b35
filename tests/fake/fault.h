/* SPDX-License-Identifier: MIT */
/*
 * Faults between what the simulated QEMU and its guest's agent say and the sockets that they say
 * it on. A fault is a message that it befalls (a command, by name and by how often it has come,
 * the greeting, or an event) and what then happens, by one table. What befalls a command befalls
 * its reply; fault_is_instead() says which leave it undone.
 *
 * As a line of a script:
 *
 *     qmp device_add#2 drop             the second device_add is carried out, its reply lost
 *     agent * delay 50                  every reply of the agent is 50 ms late
 *     any *#7 die                       the seventh command, to whichever side
 *     agent guest-set-vcpus#2+ reject X from the second on
 *     qmp greeting split 1              a byte a write
 *     qmp event ACPI_DEVICE_OST#1-2 ignore
 */
#ifndef TESTS_FAKE_FAULT_H
#define TESTS_FAKE_FAULT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "tests/fake/server.h"

#define FAULTS_MAX 64

enum sim_side { SIM_QMP, SIM_AGENT, SIM_ANY };

/* In the order of the table in fault_actions.c. */
enum fault_action {
    FAULT_REJECT,
    FAULT_ANSWER,
    FAULT_GARBAGE,
    FAULT_IDLESS_ERROR,
    FAULT_IGNORE,
    FAULT_HANG_UP,
    FAULT_DIE,
    FAULT_DROP,
    FAULT_HANG_UP_AFTER,
    FAULT_DIE_AFTER,
    FAULT_EOF,
    FAULT_DELAY,
    FAULT_LATE,
    FAULT_SPLIT,
    FAULT_MERGE,
    FAULT_REORDER,
    FAULT_DUPLICATE,
    FAULT_EVENT_FIRST,
    FAULT_FOREIGN_ID,
    FAULT_WRONG_TYPE,
    FAULT_BAD_UTF8,
    FAULT_LONE_SURROGATE,
    FAULT_NUL,
    FAULT_ESCAPED_NUL,
    FAULT_INT63,
    FAULT_INT64,
    FAULT_HUGE,
    FAULT_DEEP,
    FAULT_ACTIONS
};

struct fault {
    enum sim_side side;
    /* A command's name, "greeting", "event NAME" or "event *"; NULL or "*": any command. */
    const char *command;
    unsigned skip;  /* so many times it goes well before */
    unsigned times; /* then so often; 0: for ever */
    enum fault_action action;
    double number;          /* ms, bytes, MiB or levels; 0: the action's own */
    const char *text;       /* JSON or words; NULL: the action's own */
    const char *class_name; /* of FAULT_REJECT; NULL: GenericError */
};

struct faults {
    struct fault list[FAULTS_MAX];
    unsigned count;
    unsigned hits[FAULTS_MAX]; /* how often its message came, whether or not it went well */
    unsigned steps;            /* commands that came, to both sides */
    char *lines[FAULTS_MAX];   /* of fault_add_line(), owned */

    /* What lies on both sides of the faults, set by their owner. */
    struct server *servers[2];
    json_t *(*carry_out)(void *user, enum sim_side side, const json_t *command);
    void (*die)(void *user); /* closes both sockets */
    void *user;
};

/* A word of a script, such as "wrong-type", what its argument is ("" without one), and what it
 * does, in a line. The matrix of all faults goes from 0 to FAULT_ACTIONS. */
const char *fault_name(enum fault_action action);
const char *fault_argument(enum fault_action action);
const char *fault_does(enum fault_action action);

/* A command that it befalls is not carried out: all others do it, and spoil the reply. */
bool fault_is_instead(enum fault_action action);

/* The strings are borrowed. */
void fault_add(struct faults *faults, struct fault fault);

/* Adds a line of a script. An empty one and one that begins with # add nothing. Returns 0, or -1
 * with ERROR_INVALID. */
int fault_add_line(struct faults *faults, const char *line, struct error *error);

void fault_clear(struct faults *faults);

/* A command came: carries it out and answers, unless a fault has it otherwise. */
void fault_command(struct faults *faults, enum sim_side side, const json_t *command);

/* Sends the greeting, or an event. The message is taken over. */
void fault_greet(struct faults *faults, json_t *greeting);
void fault_emit(struct faults *faults, const char *event, json_t *message);

/* ---- between fault.c, which finds the fault, and fault_actions.c, which does it ---- */

struct fault_call {
    struct faults *faults;
    enum sim_side side;
    const struct fault *fault;
    json_t *id;     /* of the command, borrowed; NULL: it had none, or there is no command */
    json_t *message; /* what would be sent, owned; NULL when it was not carried out */
    bool delimited; /* a byte 0xFF goes before it */
};

/* Does it. */
void fault_act(struct fault_call *call);

/* Sends the message as one line, with what the chunk says of its time and pieces; of the line only
 * the first chunk.size bytes, unless that is 0. */
void fault_send(const struct fault_call *call, struct outbox_chunk chunk);

#endif
