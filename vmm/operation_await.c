/* SPDX-License-Identifier: MIT */
/* A step that the guest has a say in: QEMU is asked until it can be taken. */
#include "base/clock.h"
#include "vmm/operation_kind.h"

static void on_answer(struct operation *operation, const json_t *value, const struct error *error)
{
    (void)error;
    if (operation->steps[operation->steps_done].is_due(operation, value))
        operation_send_step(operation);
    else
        operation_look_later(operation);
}

static void give_up(struct operation *operation)
{
    struct error error = ERROR_INIT;

    (void)error_set(&error, ERROR_TIMEOUT, operation->kind->refusal_fix, "%s within %.3g s",
                    operation->kind->hesitation, operation->request.timeout_ms / 1e3);
    operation->hesitated = true;
    operation_roll_back(operation, &error);
}

void operation_await_step(struct operation *operation)
{
    operation->state = OPERATION_AWAITING_STEP;
    vm_timer_stop(operation->vm, &operation->timer);
    if (operation->asked > 0)
        vm_cancel(operation->vm, operation->asked_peer, operation->asked);
    operation->asked = 0;
    if (operation->interrupted)
        operation_roll_back(operation, &operation->result.error);
    else if (clock_now_ms() >= operation->deadline_ms)
        give_up(operation);
    else
        operation_ask_qmp(operation, operation->kind->realized_query, on_answer);
}
