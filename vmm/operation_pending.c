/* SPDX-License-Identifier: MIT */
/* The time is over and the guest has not done its part: what is said of that. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "base/text.h"
#include "qmp/field.h"
#include "vmm/operation_kind.h"

#define STOPPED "stopped" /* by an event, which does not say why */

/* The lowest rung above the one reached that is still awaited. */
static enum rung awaited_rung(const struct operation *operation)
{
    if (!operation->reached[RUNG_REALIZED])
        return RUNG_REALIZED;
    return operation->goal;
}

/* Without _OST a refusal is known by QEMU's event, which Linux brings about only where it has to
 * put a part back that it had given away (linux:arch/powerpc/platforms/pseries/hotplug-memory.c,
 * dlpar_memory_remove_by_ic). Else QEMU keeps the request until the guest is reset. */
static const char *about_silence(const struct operation *operation)
{
    return operation->kind->removes && operation->kind->has_ost && !operation->before->has_ost
               ? "; a guest of this board may refuse without a word, and its next reset takes the "
                 "device away"
               : "";
}

/* What gets a VM in this state to run (QAPI RunState); NULL: it does, or nobody knows. */
static const char *way_to_run(const char *state)
{
    static const struct {
        const char *state, *way;
    } ways[] = {
        {"", NULL},
        {"running", NULL},
        {"suspended", "wake the guest with vmplug qmp system_wakeup"},
        {"inmigrate", "wait until its migration to here has ended"},
        {"finish-migrate", "wait until its migration has ended"},
        {"guest-panicked", "restart it with vmplug qmp system_reset and vmplug qmp cont"},
        {"internal-error", "restart it with vmplug qmp system_reset and vmplug qmp cont"},
        {"shutdown", "restart it with vmplug qmp system_reset and vmplug qmp cont"},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(ways); i++) {
        if (strcmp(state, ways[i].state) == 0)
            return ways[i].way;
    }
    return "let it run with vmplug qmp cont";
}

void operation_note_run_state(struct operation *operation, const char *event)
{
    static const struct {
        const char *event, *state;
    } changes[] = {
        {"STOP", STOPPED}, {"RESUME", "running"}, {"SUSPEND", "suspended"}, {"WAKEUP", "running"}};
    size_t i;

    for (i = 0; i < COUNT_OF(changes) && operation->before != NULL; i++) {
        if (strcmp(event, changes[i].event) == 0)
            text_copy(operation->before->machine.state, sizeof(operation->before->machine.state),
                      changes[i].state);
    }
}

void operation_finish_pending(struct operation *operation, const struct error *error)
{
    const char *awaited = operation_rung_name(&operation->result, awaited_rung(operation));
    const char *state = operation->before->machine.state, *way = way_to_run(state);
    char size[SIZE_TEXT_MAX], reached[SIZE_TEXT_MAX + 16] = "", idle[96] = "";
    struct error timeout = ERROR_INIT;
    uint64_t bytes;

    if (operation->kind->top != VERDICT_ONLINE)
        awaited = verdict_name(operation->kind->top);
    operation->result.awaiting = awaited;
    if (field_u64(operation->result.details, "reached_bytes", &bytes))
        (void)snprintf(reached, sizeof(reached), " (it has %s)", size_format(bytes, size));
    if (way != NULL)
        (void)snprintf(idle, sizeof(idle), ": the VM is %s, and its guest does nothing", state);
    (void)error_set(&timeout, ERROR_TIMEOUT, "", "%s was not %s within %.3g s%s, and the request "
                    "stands%s", operation->result.id, awaited, operation->request.timeout_ms / 1e3,
                    reached, idle);
    if (way != NULL)
        error_advise(&timeout, "%s, and take it up again with vmplug wait %s", way,
                     operation->result.id);
    else if (!operation->unrecorded)
        error_advise(&timeout, "take it up again with vmplug wait %s, or give it more time with "
                               "--timeout%s", operation->result.id, about_silence(operation));
    operation_finish_standing(operation, VERDICT_PENDING,
                              error != NULL && way == NULL ? error : &timeout);
}
