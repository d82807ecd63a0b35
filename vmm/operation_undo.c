/* SPDX-License-Identifier: MIT */
/*
 * The way back. Steps that QEMU took are undone one by one, newest first; a device that the guest
 * refused is removed by an operation of its own. Both have the time that is left, and when none is,
 * the grace: every command that undoes is sent even then, and what QEMU has not confirmed is named.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "vmm/operation_kind.h"

static void undo_next(struct operation *operation);

/* A step that QEMU had not answered may have failed: then there is nothing to undo, and object-del
 * or blockdev-del says so. */
static bool was_not_there(const struct error *error)
{
    return error->code == ERROR_REJECTED && (strstr(error->why, "not found") != NULL ||
                                             strstr(error->why, "Failed to find node") != NULL);
}

static void on_undone(void *user, const struct reply *reply)
{
    struct operation *operation = user;

    operation->asked = 0;
    if (reply->error != NULL && reply->error->code != ERROR_REJECTED &&
        reply->error->code != ERROR_TIMEOUT) {
        operation->steps_done++; /* what was being undone may stand, too */
        operation_leave_all(operation, false);
        operation_finish_failed(operation, reply->error);
        return;
    }
    if (reply->error != NULL && !was_not_there(reply->error))
        operation_add_left(operation, operation->steps[operation->steps_done].makes);
    undo_next(operation);
}

static enum verdict verdict_of_undone(struct operation *operation)
{
    if (operation->interrupted)
        return VERDICT_INTERRUPTED;
    if (operation->result.error.code == ERROR_SYSTEM) /* a step could not even be sent */
        return VERDICT_ERROR;
    if (!operation->late && !operation->hesitated)
        return VERDICT_REJECTED;
    if (operation->late && operation->result.left_count == 0)
        return VERDICT_ERROR;
    operation->result.awaiting =
        operation->late ? rung_name(RUNG_ACCEPTED) : verdict_name(operation->kind->top);
    return VERDICT_PENDING;
}

static void undo_next(struct operation *operation)
{
    struct operation_step *step;
    struct request request = {
        .timeout_ms = operation->deadline_ms + OPERATION_GRACE_MS - clock_now_ms(),
        .done = on_undone,
        .user = operation,
    };

    while (operation->steps_done > 0) {
        step = &operation->steps[--operation->steps_done];
        if (step->undo_command == NULL)
            continue;
        request.command = step->undo_command;
        request.arguments = STEAL(step->undo_arguments);
        operation->asked_peer = PEER_QMP;
        operation->asked = vm_submit(operation->vm, PEER_QMP, &request, NULL);
        if (operation->asked > 0)
            return;
        operation->asked = 0;
        operation_add_left(operation, step->makes);
    }
    if (verdict_of_undone(operation) != VERDICT_REJECTED || !operation_choose_again(operation))
        operation_finish(operation, verdict_of_undone(operation), NULL);
}

void operation_roll_back(struct operation *operation, const struct error *error)
{
    operation->state = OPERATION_ROLLING_BACK;
    operation->result.error = *error;
    if (operation->kind->advise != NULL && error->fix[0] == '\0')
        operation->kind->advise(&operation->result.error);
    undo_next(operation);
}

/* QEMU takes commands in turn: one that it has not answered can still be undone by the one that is
 * queued behind it. What has no such command may yet come to stand. When another client has made a
 * backend or node of that very name in between, the one that goes is its own: QEMU then rejects the
 * device that it adds next (one in use is not deleted), so nobody is told what is not so. */
void operation_roll_back_late(struct operation *operation, const struct error *error)
{
    const struct operation_step *step = &operation->steps[operation->steps_done];

    if (step->undo_command == NULL) {
        operation_finish_failed(operation, error);
        return;
    }
    operation->late = true;
    operation->steps_done++;
    operation_roll_back(operation, error);
}

/* ---- what the guest refused ---- */

/* Of a removal whose end nobody has seen, the device may be gone and its backend stand. */
static void on_taken_back(void *user, const struct operation_result *removal)
{
    struct operation *operation = user;
    size_t i;

    if (removal->verdict == VERDICT_PENDING || removal->verdict == VERDICT_LOST)
        operation_leave_all(operation, false);
    else if (removal->verdict != VERDICT_REMOVED)
        operation_add_left(operation, operation->result.id);
    for (i = 0; i < removal->left_count; i++)
        operation_add_left(operation, removal->left[i]);
    operation_finish(operation, VERDICT_REFUSED, NULL);
}

void operation_refused(struct operation *operation, const struct error *error)
{
    const struct operation_kind *kind = operation->kind;
    const struct operation_request request = {
        .type = kind->undo_type,
        .id = operation->result.id,
        .timeout_ms = operation->deadline_ms - clock_now_ms(), /* its own grace is ours */
    };
    const struct operation_observer observer = {.done = on_taken_back, .user = operation};

    if (!kind->has_undo_type || operation->request.resume) {
        operation_finish_standing(operation, VERDICT_REFUSED, error);
        return;
    }
    operation_stop_waiting(operation); /* the removal does, from here on */
    operation->state = OPERATION_ROLLING_BACK;
    operation->result.error = *error;
    operation->taking_back = operation_start(operation->vm, &request, NULL, &observer, NULL);
    if (operation->taking_back == NULL)
        operation_finish_standing(operation, VERDICT_REFUSED, error);
}
