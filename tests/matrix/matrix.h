/* SPDX-License-Identifier: MIT */
/*
 * Every operation x every fault x every step of its dialogue with QEMU and the guest's agent: each
 * is one cell, in which one operation runs against a simulated machine that misbehaves once, or
 * from then on. What the result then says is compared with what the machine holds (oracle.h). Time
 * is simulated (tests/fake/jump.h), so that a cell takes as long as its work.
 *
 *     MATRIX='dimm-add: qmp 12' tests/matrix/test_adds
 *
 * runs the cells whose name contains the words, and shows the dialogue of each.
 */
#ifndef TESTS_MATRIX_MATRIX_H
#define TESTS_MATRIX_MATRIX_H

#include "tests/fake/rig.h"

struct matrix_case {
    const char *name;
    struct operation_request request;
    unsigned parts; /* of an inventory: no operation, but a look */
    bool no_agent;
    void (*prepare)(struct sim *sim, struct operation_request *request); /* may be NULL */
    enum verdict usual; /* when nothing goes wrong */
};

/* Runs all cells and prints how many, and those that failed. Returns main()'s status. */
int matrix_run(char **argv, const struct matrix_case *cases, size_t count);

/* ---- what goes wrong ---- */

struct mishap {
    enum fault_action action; /* FAULT_ACTIONS: the guest's kernel panics */
    double number;
    const char *text;
    bool onwards; /* not once, but from there on */
};

size_t mishap_count(void);
const struct mishap *mishap_at(size_t index);

enum step_kind { STEP_COMMAND, STEP_GREETING, STEP_EVENT };

/* A step of the dialogue. */
struct step {
    enum sim_side side;
    enum step_kind kind;
    unsigned number;   /* of such on this side, from 0 */
    char command[64];  /* or "greeting", "event" */
};

/* Who is to blame: QEMU, the agent, or for SIM_ANY the guest. */
enum sim_side mishap_side(const struct mishap *mishap, const struct step *step);

/* QEMU says of its own deeds what is not so. Nothing beside that word shows it, and so the result
 * is not held against what QEMU has. */
bool mishap_is_lie(const struct mishap *mishap, const struct step *step);

/* Does it leave the end as it is? */
bool mishap_is_harmless(const struct mishap *mishap, const struct step *step);

#endif
