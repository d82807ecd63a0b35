/* SPDX-License-Identifier: MIT */
#include "daemon/ch_reboot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/field.h"
#include "vmm/audit.h"

#define FIRST_LOOK_MS 1000
#define LOOK_MS 5000 /* between two looks for an agent that no event tells of */

struct ch_reboot {
    struct vm *vm;
    struct ch_jobs *jobs;
    unsigned subscription;
    struct vm_timer timer;
    struct inventory_fetch *fetch;
    bool under_way; /* a job is; another reset makes it be done again */
};

static void look_in(struct ch_reboot *reboot, double ms)
{
    vm_timer_set(reboot->vm, &reboot->timer, clock_now_ms() + ms);
}

/* ---- the job ---- */

static void succeed(struct ch_job *job, uint64_t count)
{
    printf("the guest has rebooted: %" PRIu64 " of its vCPUs and DIMMs put online again\n", count);
    (void)fflush(stdout);
    ch_job_succeed(job, NULL);
}

static void on_online(struct ch_job *job, const struct batch_result *result)
{
    if (verdict_is_success(result->verdict))
        succeed(job, result->done);
    else
        ch_job_fail_batch(job, "after the guest's reboot not all could be put online", result);
}

static bool is_offline(const struct audit_finding *finding)
{
    return finding->ours && finding->can_clean &&
           (finding->kind == AUDIT_CPU_OFFLINE || finding->kind == AUDIT_MEMORY_OFFLINE);
}

static void put_online(struct ch_job *job, const struct audit *audit)
{
    struct batch_request request = {
        .goal = BATCH_LIST,
        .each = {.type = OPERATION_CPU_ADD, .timeout_ms = job->timeout_ms},
    };
    size_t i;

    job->items = calloc(audit->count + 1, sizeof(*job->items));
    if (job->items == NULL) {
        ch_job_fail(job, CH_FAILED, "after the guest's reboot nothing could be put online",
                    "out of memory", "it is tried again");
        return;
    }
    for (i = 0; i < audit->count; i++) {
        if (is_offline(&audit->findings[i]))
            job->items[request.count++] = audit->findings[i].item;
    }
    request.items = job->items;
    if (request.count > 0)
        ch_job_batch(job, &request, on_online);
    else
        succeed(job, 0);
}

static void on_looked(struct ch_job *job, const struct inventory *inventory)
{
    struct audit *audit = inventory->guest.connected ? audit_new(job->vm, inventory) : NULL;

    if (audit != NULL)
        put_online(job, audit);
    else
        ch_job_fail(job, CH_FAILED, "after the guest's reboot it could not be looked at",
                    inventory->guest.connected ? "out of memory" : inventory->guest.reason,
                    "it is tried again");
    audit_free(audit);
}

static void run(struct ch_job *job)
{
    ch_job_look(job, AUDIT_PARTS, on_looked);
}

static void on_done(void *user, bool success)
{
    struct ch_reboot *reboot = user;

    reboot->under_way = false;
    if (!success)
        look_in(reboot, LOOK_MS);
}

/* ---- the wait for the agent ---- */

static void on_agent(void *user, struct inventory *inventory, const struct error *failure)
{
    const struct ch_job_options options = {
        .name = "reboot", .changes = true, .run = run, .done = on_done, .user = user};
    struct ch_reboot *reboot = user;

    reboot->fetch = NULL;
    if (failure != NULL)
        return; /* QEMU has gone */
    if (inventory->guest.connected) {
        reboot->under_way = true;
        ch_jobs_add(reboot->jobs, &options);
    } else {
        look_in(reboot, LOOK_MS);
    }
    inventory_free(inventory);
}

static void look(void *user)
{
    struct ch_reboot *reboot = user;

    if (reboot->under_way)
        look_in(reboot, LOOK_MS);
    else if (reboot->fetch == NULL)
        reboot->fetch = inventory_fetch(reboot->vm, INVENTORY_AGENT, LOOK_MS,
                                        INVENTORY_AGENT_SILENCE_MS, on_agent, reboot, NULL);
}

/* The agent's port is opened when it starts; which port is the agent's is not told. */
static void on_event(void *user, const struct qmp_event *event)
{
    struct ch_reboot *reboot = user;

    if (event == NULL || !vm_has_agent(reboot->vm))
        return;
    if (strcmp(event->name, "RESET") == 0)
        look_in(reboot, FIRST_LOOK_MS);
    else if (reboot->timer.armed && strcmp(event->name, "VSERPORT_CHANGE") == 0 &&
             field_bool(event->data, "open", false))
        look_in(reboot, 0);
}

struct ch_reboot *ch_reboot_new(struct vm *vm, struct ch_jobs *jobs)
{
    struct ch_reboot *reboot = calloc(1, sizeof(*reboot));

    if (reboot == NULL)
        return NULL;
    reboot->vm = vm;
    reboot->jobs = jobs;
    reboot->timer.fired = look;
    reboot->timer.user = reboot;
    reboot->subscription = qmp_client_subscribe(vm_qmp(vm), on_event, reboot);
    if (reboot->subscription != 0)
        return reboot;
    free(reboot);
    return NULL;
}

void ch_reboot_free(struct ch_reboot *reboot)
{
    if (reboot == NULL)
        return;
    inventory_fetch_cancel(reboot->fetch);
    vm_timer_stop(reboot->vm, &reboot->timer);
    qmp_client_unsubscribe(vm_qmp(reboot->vm), reboot->subscription);
    free(reboot);
}
