/* SPDX-License-Identifier: MIT */
/* The ladder of evidence and the words for where an operation ended on it. */
#ifndef VMM_VERDICT_H
#define VMM_VERDICT_H

#include <stdbool.h>

/* Each rung is proved by another source than the one below it. */
enum rung {
    RUNG_ACCEPTED,     /* QEMU took the commands */
    RUNG_REALIZED,     /* QEMU's own inventory shows the device */
    RUNG_ACKNOWLEDGED, /* the guest's firmware interface answered: _OST success */
    RUNG_ONLINE,       /* the guest itself shows it in use */
    RUNGS_             /* how many there are */
};

enum verdict {
    VERDICT_ACCEPTED, /* the first four are the rungs, in their order */
    VERDICT_REALIZED,
    VERDICT_ACKNOWLEDGED,
    VERDICT_ONLINE,
    VERDICT_REMOVED,
    VERDICT_DONE,
    VERDICT_UNCONFIRMED,
    VERDICT_REJECTED,
    VERDICT_REFUSED,
    VERDICT_PENDING,
    VERDICT_BLOCKED,
    VERDICT_UNPROVEN,
    VERDICT_LOST,
    VERDICT_PARTIAL,
    VERDICT_INTERRUPTED,
    VERDICT_ERROR,
    VERDICTS_
};

const char *rung_name(enum rung rung);

/* Reads "accepted" … "online". False when the word is none of them. */
bool rung_parse(const char *word, enum rung *ret);

const char *verdict_name(enum verdict verdict);

/* The command's exit code for it. VERDICT_ERROR gives 1; what failed may know better. */
int verdict_exit_code(enum verdict verdict);

/* online, removed, done, unconfirmed, or the level that was asked for. */
bool verdict_is_success(enum verdict verdict);

#endif
