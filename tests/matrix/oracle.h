/* SPDX-License-Identifier: MIT */
/* What the simulated machine holds, and whether an operation's result told the truth about it. */
#ifndef TESTS_MATRIX_ORACLE_H
#define TESTS_MATRIX_ORACLE_H

#include "tests/fake/rig.h"

/* How an operation ended, and what is there afterwards. */
struct oracle_end {
    struct operation_result result; /* a copy, without details */
    double timeout_ms;
    bool connection_ended; /* to QEMU */
    bool recorded;         /* the request stands in the record */
    bool file_open;        /* in the guest */
    json_t *before, *after; /* oracle_look() */
};

/* What befell it. */
struct oracle_mishap {
    enum sim_side side; /* SIM_QMP, SIM_AGENT; SIM_ANY: the guest's end */
    bool harmless;      /* it may not change the end */
    bool lie;           /* the end may not be what QEMU has */
    enum verdict usual; /* when nothing goes wrong */
    const json_t *usual_after;
};

/* What QEMU and the guest have: {"qemu":{NAME:…},"guest":{NAME:…}}. A new reference. */
json_t *oracle_look(const struct sim *sim);

/* What the result should not have said, or not so late. NULL: all is well. One static buffer. */
const char *oracle_judge(const struct oracle_mishap *mishap, const struct oracle_end *end);

#endif
