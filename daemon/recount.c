/* SPDX-License-Identifier: MIT */
#include "daemon/recount.h"

#include <stdlib.h>

#include "base/cleanup.h"

struct recount_look {
    struct recount *recount;
    ev_timer timer;
    struct vm_job job;
    bool again; /* something has changed since */
};

static void look_free(struct recount *recount)
{
    ev_timer_stop(recount->daemon->loop, &recount->look->timer);
    free(STEAL(recount->look));
}

static void on_failed(void *user, const struct error *error)
{
    (void)error;
    look_free(((struct recount_look *)user)->recount);
}

static void on_looked(void *user, const struct inventory *inventory)
{
    struct recount_look *look = user;
    struct recount *recount = look->recount;
    struct audit *audit = audit_new(look->job.vm, inventory);
    bool again = look->again;

    vm_job_end(&look->job);
    if (audit != NULL)
        recount_see(recount, inventory, audit);
    audit_free(audit);
    look_free(recount);
    if (again)
        recount_soon(recount);
}

static void run(void *user)
{
    struct recount_look *look = user;

    look->again = false;
    vm_job_look(&look->job, AUDIT_PARTS, on_looked);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct recount_look *look = timer->data;

    (void)loop;
    (void)events;
    look->job = (struct vm_job){.name = "recount", .run = run, .failed = on_failed, .user = look};
    if (vm_jobs_add(look->recount->jobs, &look->job, NULL) < 0)
        look_free(look->recount);
}

void recount_soon(struct recount *recount)
{
    struct recount_look *look = recount->look;

    if (look != NULL)
        look->again = true;
    if (look != NULL || recount->jobs == NULL)
        return;
    look = calloc(1, sizeof(*look));
    if (look == NULL)
        return;
    look->recount = recount;
    recount->look = look;
    ev_timer_init(&look->timer, on_timer, RECOUNT_MS / 1e3, 0);
    look->timer.data = look;
    ev_now_update(recount->daemon->loop);
    ev_timer_start(recount->daemon->loop, &look->timer);
}

void recount_see(struct recount *recount, const struct inventory *inventory,
                 const struct audit *audit)
{
    const struct inventory_memory *memory = &inventory->memory;
    struct metrics_vm now = {.requested_bytes = recount->wanted_bytes, .orphans = audit->count};

    if (now.requested_bytes == 0)
        now.requested_bytes = memory->base_bytes + memory->plugged_bytes;
    (void)inventory_memory_online(inventory, &now.online_bytes);
    metrics_saw(recount->daemon->metrics, &recount->seen, now);
}

void recount_attach(struct recount *recount, struct daemon *daemon, struct vm_jobs *jobs)
{
    recount->daemon = daemon;
    recount->jobs = jobs;
}

void recount_detach(struct recount *recount)
{
    if (recount->look != NULL)
        look_free(recount);
    recount->jobs = NULL;
    if (recount->daemon != NULL)
        metrics_saw(recount->daemon->metrics, &recount->seen, (struct metrics_vm){0});
}
