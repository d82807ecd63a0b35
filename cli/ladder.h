/* SPDX-License-Identifier: MIT */
/*
 * An operation's rungs, for people. In a pipe a line appears as each is reached; on a terminal the
 * one that is awaited is shown, too, with its running time. With --json it prints nothing.
 */
#ifndef CLI_LADDER_H
#define CLI_LADDER_H

#include "cli/output.h"
#include "vmm/batch.h"

struct ladder {
    struct output *out;
    enum operation_type type;
    bool quiet_line; /* no live line: something else writes to the terminal, too */
    double started_ms;
    bool headed;     /* the device's name has been printed */
    bool drawn;      /* the live line is on the screen */
    bool ended;
    bool expects_ost; /* there is a rung "acknowledged" */
    enum verdict top; /* what the highest rung is called */
    bool reached[RUNGS_];
};

/* A device's turn begins. */
void ladder_begin(struct ladder *ladder);

void ladder_stage(struct ladder *ladder, const struct operation_result *so_far,
                  const struct operation_stage *stage);

/* Draws the live line anew. */
void ladder_tick(struct ladder *ladder);

/* How it ended, in plain words: what is missing, awaited, left. */
void ladder_result(struct ladder *ladder, const struct operation_result *result);

/* The same of several. what is said of them: "vCPU", "disk". */
void ladder_summary(struct ladder *ladder, const struct batch_result *result);

#endif
