/* SPDX-License-Identifier: MIT */
#include "tests/fake/oom_vm.h"

#include "base/clock.h"
#include "tests/fake/oom.h"

#define PATIENCE_MS 60000
#define RECORD "run" /* in fake_dir() */

void oom_vm_prepare(struct oom_vm *oom_vm, struct sim *sim)
{
    *oom_vm = (struct oom_vm){.sim = sim};
    sim->guest.forgives = true; /* one can't be closed without memory */
    oom_spare(&sim->qmp.pump);
    oom_spare(&sim->agent.pump);
}

struct vm *oom_vm_connect(struct oom_vm *oom_vm, struct error *error)
{
    const struct vm_options options = {.qmp_path = oom_vm->sim->qmp.path,
                                       .agent_path = oom_vm->sim->agent.path,
                                       .runtime_dir = fake_path(RECORD)};

    oom_vm->vm = vm_new(&options, error);
    return oom_vm->vm;
}

static bool is_ready(void *user)
{
    return qmp_client_is_ready(vm_qmp(((const struct oom_vm *)user)->vm));
}

void oom_vm_open(struct oom_vm *oom_vm, struct sim *sim)
{
    oom_vm_prepare(oom_vm, sim);
    if (oom_vm_connect(oom_vm, NULL) == NULL)
        fake_fail("no vm");
    oom_vm_drive(oom_vm, is_ready, oom_vm);
}

void oom_vm_drive(struct oom_vm *oom_vm, blocking_condition_fn *condition, void *user)
{
    struct pump *pumps[BLOCKING_PUMPS_MAX] = {NULL};
    size_t count = vm_pumps(oom_vm->vm, pumps);

    pumps[count++] = &oom_vm->sim->qmp.pump;
    pumps[count++] = &oom_vm->sim->agent.pump;
    if (!blocking_run(pumps, count, condition, user, clock_now_ms() + PATIENCE_MS))
        fake_fail("it does not come to an end");
}

void oom_vm_close(struct oom_vm *oom_vm)
{
    vm_free(oom_vm->vm);
    sim_end(oom_vm->sim);
    fake_empty(fake_path(RECORD));
}
