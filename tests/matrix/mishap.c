/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/cleanup.h"
#include "tests/matrix/matrix.h"

#define NEVER_MS 20000 /* beyond every deadline */
#define HUGE_MIB 17    /* more than the most that is read */

/* Beside each action once, as it is by default. */
static const struct mishap more[] = {
    {.action = FAULT_ACTIONS},
    {.action = FAULT_ANSWER, .text = "[]"},
    {.action = FAULT_ANSWER, .text = "null"},
    {.action = FAULT_EOF, .number = 1},
    {.action = FAULT_SPLIT, .number = 7},
    {.action = FAULT_DELAY, .number = NEVER_MS},
    {.action = FAULT_LATE, .number = NEVER_MS},
    {.action = FAULT_DELAY, .number = 400, .onwards = true},
    {.action = FAULT_REJECT, .onwards = true},
    {.action = FAULT_GARBAGE, .onwards = true},
    {.action = FAULT_IGNORE, .onwards = true},
    {.action = FAULT_DROP, .onwards = true},
    {.action = FAULT_WRONG_TYPE, .onwards = true},
    {.action = FAULT_HANG_UP, .onwards = true},
};

size_t mishap_count(void)
{
    return FAULT_ACTIONS + COUNT_OF(more);
}

const struct mishap *mishap_at(size_t index)
{
    static struct mishap plain;

    if (index >= FAULT_ACTIONS)
        return &more[index - FAULT_ACTIONS];
    plain = (struct mishap){.action = (enum fault_action)index};
    plain.number = plain.action == FAULT_HUGE ? HUGE_MIB : 0;
    return &plain;
}

enum sim_side mishap_side(const struct mishap *mishap, const struct step *step)
{
    if (mishap->action == FAULT_ACTIONS)
        return SIM_ANY;
    if (mishap->action == FAULT_DIE || mishap->action == FAULT_DIE_AFTER)
        return SIM_QMP;
    return step->side;
}

/* What a deletion leaves behind could be asked for once more, but QEMU's reply to it is no worse;
 * and nobody wants to know of the tray of a drive whose medium is out. An error without an id
 * answers a command that QEMU could not read: when it comes out of the blue, it is taken for the
 * answer to the one that is under way. */
bool mishap_is_lie(const struct mishap *mishap, const struct step *step)
{
    if (mishap->action == FAULT_ANSWER)
        return strcmp(step->command, "object-del") == 0 ||
               strcmp(step->command, "blockdev-del") == 0 ||
               strcmp(step->command, "blockdev-close-tray") == 0;
    return step->kind == STEP_EVENT &&
           (mishap->action == FAULT_REJECT || mishap->action == FAULT_IDLESS_ERROR);
}

/* Neither side has lost anything, or time enough to matter. */
bool mishap_is_harmless(const struct mishap *mishap, const struct step *step)
{
    bool of_event = step->kind == STEP_EVENT;

    switch (mishap->action) {
    case FAULT_SPLIT:
    case FAULT_MERGE:
    case FAULT_REORDER:
        return true;
    case FAULT_DUPLICATE:
        return step->kind != STEP_GREETING;
    case FAULT_DELAY:
    case FAULT_LATE:
        return mishap->number == 0;
    case FAULT_EVENT_FIRST:
        return step->side == SIM_QMP; /* the agent has no events */
    case FAULT_FOREIGN_ID:
        return step->side == SIM_AGENT || of_event; /* and no ids */
    case FAULT_IGNORE:
    case FAULT_DROP:
    case FAULT_WRONG_TYPE:
        return of_event; /* they are hints, and no more */
    default:
        return false;
    }
}
