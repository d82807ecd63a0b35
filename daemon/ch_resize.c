/* SPDX-License-Identifier: MIT */
/*
 * vm.resize: vCPUs first, then memory, then the balloon, each of which the guest answers for.
 *
 * A vCPU that the guest has been asked for, and has not given back, is asked for again before
 * anything else is done; as long as it keeps it, the answer is 429.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/ch_endpoints.h"
#include "daemon/ch_json.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define AGAIN_MS 2000   /* for a removal that stands */
#define BALLOON_MS 100  /* between two looks at it */
#define PAGE_BYTES 4096 /* what a balloon is made of, on most guests */

/* ---- the balloon ---- */

#define BALLOON "The balloon could not be resized"

static void on_balloon(void *user, const struct inventory *inventory);

static void look_at_balloon(void *user)
{
    struct ch_job *job = user;

    vm_job_look(&job->base, INVENTORY_MEMORY | INVENTORY_BALLOON, on_balloon);
}

static bool is_reached(const struct ch_job *job, const struct inventory *inventory)
{
    uint64_t have = inventory->memory.balloon_bytes, want = job->resize.target_bytes;

    return (have > want ? have - want : want - have) < PAGE_BYTES;
}

static void on_balloon(void *user, const struct inventory *inventory)
{
    struct ch_job *job = user;

    if (inventory->memory.balloon_known && is_reached(job, inventory))
        ch_job_succeed(job, NULL);
    else if (clock_now_ms() >= job->resize.deadline_ms)
        ch_job_fail(job, CH_FAILED, BALLOON,
                    "the guest has not followed in time, and may still do so",
                    "see memory_actual_size of vm.info");
    else
        vm_job_wait(&job->base, BALLOON_MS, look_at_balloon);
}

static void on_balloon_set(void *user, const json_t *value, const struct error *error)
{
    struct ch_job *job = user;

    (void)value;
    if (error != NULL)
        ch_job_fail_error(job, CH_FAILED, BALLOON, error);
    else
        look_at_balloon(job);
}

/* The request says what the balloon takes, QEMU wants to know what it leaves. */
static void set_balloon(void *user, const struct inventory *inventory)
{
    struct ch_job *job = user;
    const struct inventory_memory *memory = &inventory->memory;
    uint64_t total = memory->base_bytes;
    size_t i;

    for (i = 0; i < memory->device_count; i++)
        total += strcmp(memory->devices[i].kind, "dimm") == 0 ? memory->devices[i].bytes : 0;
    if (!memory->known || !memory->balloon_known) {
        ch_job_fail(job, CH_FAILED, BALLOON, "this QEMU has none, or the guest does not drive it",
                    "start QEMU with -device virtio-balloon-pci");
    } else if (job->resize.balloon_bytes >= total) {
        ch_job_fail(job, CH_FAILED, BALLOON, "it would take all of the guest's memory",
                    "ask for less");
    } else {
        job->resize.target_bytes = total - job->resize.balloon_bytes;
        job->resize.deadline_ms = clock_now_ms() + job->base.timeout_ms;
        vm_job_ask(&job->base, "balloon",
                   json_pack("{s:I}", "value", (json_int_t)job->resize.target_bytes),
                   on_balloon_set);
    }
}

static void resize_balloon(struct ch_job *job)
{
    if (job->resize.balloon_set)
        vm_job_look(&job->base, INVENTORY_MEMORY | INVENTORY_BALLOON, set_balloon);
    else
        ch_job_succeed(job, NULL);
}

/* ---- memory ---- */

static void on_memory(void *user, const struct batch_result *result)
{
    struct ch_job *job = user;

    if (verdict_is_success(result->verdict))
        resize_balloon(job);
    else
        ch_job_fail_batch(job,
                          job->resize.vcpus_set
                              ? "The memory could not be resized; the vCPUs are as was asked for"
                              : "The memory could not be resized",
                          result);
}

static void resize_memory(struct ch_job *job)
{
    const struct batch_request request = {
        .goal = BATCH_MEMORY,
        .target = job->resize.ram_bytes,
        .each = {.type = OPERATION_DIMM_ADD, .timeout_ms = job->base.timeout_ms},
    };

    if (job->resize.ram_set)
        ch_job_batch(job, &request, on_memory);
    else
        resize_balloon(job);
}

/* ---- vCPUs ---- */

#define VCPUS "The number of vCPUs could not be changed"

static void on_vcpus(void *user, const struct batch_result *result)
{
    struct ch_job *job = user;

    if (verdict_is_success(result->verdict))
        resize_memory(job);
    else
        ch_job_fail_batch(job, VCPUS, result);
}

static void resize_vcpus(struct ch_job *job)
{
    const struct batch_request request = {
        .goal = BATCH_CPUS,
        .target = job->resize.vcpus,
        .each = {.type = OPERATION_CPU_ADD, .timeout_ms = job->base.timeout_ms},
    };

    ch_job_batch(job, &request, on_vcpus);
}

static void on_settled(void *user, const struct batch_result *result)
{
    struct ch_job *job = user;

    if (job->any_pending)
        ch_job_fail(job, CH_TOO_MANY, VCPUS,
                    "the guest has been asked for a vCPU, and has not yet given it back",
                    "try again later");
    else if (result->verdict == VERDICT_INTERRUPTED || result->verdict == VERDICT_LOST)
        ch_job_fail_batch(job, VCPUS, result);
    else
        resize_vcpus(job); /* what came of each is seen from there */
}

/* Takes up the removals on record that nobody has seen the end of. How many there are. */
static size_t list_standing(struct ch_job *job, const json_t *record)
{
    const char *id;
    json_t *entry;
    size_t i, count = 0;

    json_array_foreach(record, i, entry) {
        id = field_string(entry, "id", "");
        if (strlen(id) >= OPERATION_ID_MAX ||
            strcmp(field_string(entry, "operation", ""),
                   operation_type_name(OPERATION_CPU_REMOVE)) != 0)
            continue;
        job->items[count].type = OPERATION_CPU_REMOVE;
        job->items[count].resume = true;
        (void)snprintf(job->items[count++].id, OPERATION_ID_MAX, "%s", id);
    }
    return count;
}

static void settle_vcpus(struct ch_job *job)
{
    AUTO_JSON json_t *record = record_list(vm_record(job->base.vm));
    struct batch_request request = {
        .goal = BATCH_LIST,
        .each = {.type = OPERATION_CPU_REMOVE,
                 .timeout_ms = clock_earlier_ms(AGAIN_MS, job->base.timeout_ms)},
    };

    job->items = calloc(json_array_size(record) + 1, sizeof(*job->items));
    if (record == NULL || job->items == NULL) {
        ch_job_fail(job, CH_FAILED, VCPUS, "out of memory", "try again later");
        return;
    }
    request.count = list_standing(job, record);
    request.items = job->items;
    if (request.count > 0)
        ch_job_batch(job, &request, on_settled);
    else
        resize_vcpus(job);
}

/* ---- all ---- */

void ch_resize_run(struct ch_job *job)
{
    struct ch_resize *resize = &job->resize;
    const json_t *body = job->options.body;
    struct error error = ERROR_INIT;

    if (ch_json_read_number(body, "desired_vcpus", UINT32_MAX, &resize->vcpus_set, &resize->vcpus,
                            &error) < 0 ||
        ch_json_read_number(body, "desired_ram", INT64_MAX, &resize->ram_set, &resize->ram_bytes,
                            &error) < 0 ||
        ch_json_read_number(body, "desired_balloon", INT64_MAX, &resize->balloon_set,
                            &resize->balloon_bytes, &error) < 0)
        ch_job_fail_error(job, CH_BAD_REQUEST, "The VM could not be resized", &error);
    else if (resize->vcpus_set)
        settle_vcpus(job);
    else
        resize_memory(job);
}
