/* SPDX-License-Identifier: MIT */
#include "vmm/verdict.h"

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const rung_names[] = {
    [RUNG_ACCEPTED] = "accepted",
    [RUNG_REALIZED] = "realized",
    [RUNG_ACKNOWLEDGED] = "acknowledged",
    [RUNG_ONLINE] = "online",
};

_Static_assert(COUNT_OF(rung_names) == RUNGS_, "every rung has a name");

static const struct {
    const char *name;
    int exit_code;
} verdicts[] = {
    [VERDICT_ACCEPTED] = {"accepted", 0},
    [VERDICT_REALIZED] = {"realized", 0},
    [VERDICT_ACKNOWLEDGED] = {"acknowledged", 0},
    [VERDICT_ONLINE] = {"online", 0},
    [VERDICT_REMOVED] = {"removed", 0},
    [VERDICT_DONE] = {"done", 0},
    [VERDICT_UNCONFIRMED] = {"unconfirmed", 0},
    [VERDICT_REJECTED] = {"rejected", 4},
    [VERDICT_REFUSED] = {"refused", 5},
    [VERDICT_PENDING] = {"pending", 6},
    [VERDICT_BLOCKED] = {"blocked", 7},
    [VERDICT_UNPROVEN] = {"unproven", 8},
    [VERDICT_LOST] = {"lost", 9},
    [VERDICT_PARTIAL] = {"partial", 10},
    [VERDICT_INTERRUPTED] = {"interrupted", 130},
    [VERDICT_ERROR] = {"error", 1},
};

_Static_assert(COUNT_OF(verdicts) == VERDICTS_, "every verdict has a name and an exit code");
_Static_assert((int)VERDICT_ONLINE == (int)RUNG_ONLINE, "a rung is a verdict, too");

const char *rung_name(enum rung rung)
{
    return rung_names[rung];
}

bool rung_parse(const char *word, enum rung *ret)
{
    size_t i;

    for (i = 0; i < COUNT_OF(rung_names); i++) {
        if (strcmp(word, rung_names[i]) == 0) {
            *ret = (enum rung)i;
            return true;
        }
    }
    return false;
}

const char *verdict_name(enum verdict verdict)
{
    return verdicts[verdict].name;
}

int verdict_exit_code(enum verdict verdict)
{
    return verdicts[verdict].exit_code;
}

bool verdict_is_success(enum verdict verdict)
{
    return verdicts[verdict].exit_code == 0;
}
