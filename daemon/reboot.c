/* SPDX-License-Identifier: MIT */
#include "daemon/reboot.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "qmp/field.h"
#include "vmm/audit.h"
#include "vmm/verdict.h"

#define FIRST_LOOK_MS 1000
#define LOOK_MS 5000 /* between two looks for an agent that no event tells of */

struct reboot {
    struct vm *vm;
    struct vm_jobs *jobs;
    struct reboot_observer observer;
    unsigned subscription;
    struct vm_timer timer;
    struct inventory_fetch *fetch;
    struct vm_job job;
    struct batch_item *items; /* the job's */
    bool under_way; /* the job is; another reset makes it be done again */
};

static void look_in(struct reboot *reboot, double ms)
{
    vm_timer_set(reboot->vm, &reboot->timer, clock_now_ms() + ms);
}

/* ---- the job ---- */

static void tell(struct reboot *reboot, uint64_t count, const struct error *failure)
{
    free(reboot->items);
    reboot->items = NULL;
    reboot->under_way = false;
    if (failure != NULL)
        look_in(reboot, LOOK_MS);
    if (reboot->observer.end != NULL)
        reboot->observer.end(reboot->observer.user, count, failure);
}

static void end(struct reboot *reboot, uint64_t count, const struct error *failure)
{
    vm_job_end(&reboot->job);
    tell(reboot, count, failure);
}

static void on_failed(void *user, const struct error *error)
{
    tell(user, 0, error);
}

static void on_online(void *user, const struct batch_result *result)
{
    end(user, result->done, verdict_is_success(result->verdict) ? NULL : &result->error);
}

static bool is_offline(const struct audit_finding *finding)
{
    return finding->ours && finding->can_clean &&
           (finding->kind == AUDIT_CPU_OFFLINE || finding->kind == AUDIT_MEMORY_OFFLINE);
}

static int list_offline(struct reboot *reboot, const struct inventory *inventory,
                        struct batch_request *request, struct error *error)
{
    struct audit *audit = audit_new(reboot->vm, inventory);
    size_t i;

    reboot->items = audit != NULL ? calloc(audit->count + 1, sizeof(*reboot->items)) : NULL;
    for (i = 0; reboot->items != NULL && i < audit->count; i++) {
        if (is_offline(&audit->findings[i]))
            reboot->items[request->count++] = audit->findings[i].item;
    }
    request->items = reboot->items;
    audit_free(audit);
    return reboot->items != NULL ? 0 : error_set(error, ERROR_SYSTEM, "", "out of memory");
}

static int begin(const struct reboot *reboot, const struct batch_request *request,
                 struct error *error)
{
    const struct reboot_observer *observer = &reboot->observer;

    return observer->begin != NULL ? observer->begin(observer->user, request->count, error) : 0;
}

static void put_online(void *user, const struct inventory *inventory)
{
    struct reboot *reboot = user;
    struct batch_request request = {
        .goal = BATCH_LIST,
        .each = {.type = OPERATION_CPU_ADD, .timeout_ms = reboot->job.timeout_ms},
    };
    struct error error = ERROR_INIT;

    if (!inventory->guest.connected) {
        (void)error_set(&error, ERROR_CONNECT, "", "%s", inventory->guest.reason);
        end(reboot, 0, &error);
    } else if (list_offline(reboot, inventory, &request, &error) < 0) {
        end(reboot, 0, &error);
    } else if (request.count == 0) {
        end(reboot, 0, NULL);
    } else if (begin(reboot, &request, &error) < 0) {
        end(reboot, 0, &error);
    } else {
        vm_job_batch(&reboot->job, &request, on_online);
    }
}

static void run(void *user)
{
    struct reboot *reboot = user;

    vm_job_look(&reboot->job, AUDIT_PARTS, put_online);
}

static void on_stage(void *user, const struct operation_result *so_far,
                     const struct operation_stage *stage)
{
    const struct reboot_observer *observer = &((struct reboot *)user)->observer;

    if (observer->stage != NULL)
        observer->stage(observer->user, so_far, stage);
}

static void on_result(void *user, const struct operation_result *result)
{
    const struct reboot_observer *observer = &((struct reboot *)user)->observer;

    if (observer->result != NULL)
        observer->result(observer->user, result);
}

static void start_job(struct reboot *reboot)
{
    struct error error = ERROR_INIT;

    reboot->under_way = true;
    reboot->job = (struct vm_job){.name = "reboot",
                                  .changes = true,
                                  .run = run,
                                  .failed = on_failed,
                                  .stage = on_stage,
                                  .result = on_result,
                                  .user = reboot};
    if (vm_jobs_add(reboot->jobs, &reboot->job, &error) < 0)
        tell(reboot, 0, &error);
}

/* ---- the wait for the agent ---- */

static void on_agent(void *user, struct inventory *inventory, const struct error *failure)
{
    struct reboot *reboot = user;

    reboot->fetch = NULL;
    if (failure == NULL && inventory->guest.connected)
        start_job(reboot);
    else
        look_in(reboot, LOOK_MS); /* which ends with QEMU */
    inventory_free(inventory);
}

static void look(void *user)
{
    struct reboot *reboot = user;

    if (reboot->under_way)
        look_in(reboot, LOOK_MS);
    else if (reboot->fetch == NULL)
        reboot->fetch = inventory_fetch(reboot->vm, INVENTORY_AGENT, LOOK_MS,
                                        INVENTORY_AGENT_SILENCE_MS, on_agent, reboot, NULL);
}

/* The agent's port is opened when it starts; which port is the agent's is not told. */
static void on_event(void *user, const struct qmp_event *event)
{
    struct reboot *reboot = user;

    if (event == NULL || !vm_has_agent(reboot->vm))
        return;
    if (strcmp(event->name, "RESET") == 0)
        look_in(reboot, FIRST_LOOK_MS);
    else if (reboot->timer.armed && strcmp(event->name, "VSERPORT_CHANGE") == 0 &&
             field_bool(event->data, "open", false))
        look_in(reboot, 0);
}

struct reboot *reboot_new(struct vm *vm, struct vm_jobs *jobs,
                          const struct reboot_observer *observer)
{
    struct reboot *reboot = calloc(1, sizeof(*reboot));

    if (reboot == NULL)
        return NULL;
    reboot->vm = vm;
    reboot->jobs = jobs;
    reboot->observer = *observer;
    reboot->timer.fired = look;
    reboot->timer.user = reboot;
    reboot->subscription = qmp_client_subscribe(vm_qmp(vm), on_event, reboot);
    if (reboot->subscription != 0)
        return reboot;
    free(reboot);
    return NULL;
}

void reboot_free(struct reboot *reboot)
{
    if (reboot == NULL)
        return;
    inventory_fetch_cancel(reboot->fetch);
    vm_timer_stop(reboot->vm, &reboot->timer);
    qmp_client_unsubscribe(vm_qmp(reboot->vm), reboot->subscription);
    free(reboot);
}
