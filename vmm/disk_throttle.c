/* SPDX-License-Identifier: MIT */
/* How much a disk may do in a second. QEMU holds it back; the guest has no part in it. */
#include <string.h>

#include "vmm/drive.h"

/* What was not asked for stays. */
static struct qapi_limits choose(const struct operation_limits *wanted, struct qapi_limits limits)
{
    if (wanted->iops_set) {
        limits.iops = wanted->iops;
        limits.iops_rd = limits.iops_wr = 0;
    }
    if (wanted->bps_set) {
        limits.bps = wanted->bps;
        limits.bps_rd = limits.bps_wr = 0;
    }
    return limits;
}

/* All are mandatory. */
static json_t *arguments_for(const char *qdev, const struct qapi_limits *limits)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "id", qdev, "iops",
                     (json_int_t)limits->iops, "iops_rd", (json_int_t)limits->iops_rd, "iops_wr",
                     (json_int_t)limits->iops_wr, "bps", (json_int_t)limits->bps, "bps_rd",
                     (json_int_t)limits->bps_rd, "bps_wr", (json_int_t)limits->bps_wr);
}

static bool is_same(const struct qapi_limits *one, const struct qapi_limits *other)
{
    return memcmp(one, other, sizeof(*one)) == 0;
}

static int plan(struct operation *operation, struct error *error)
{
    const struct inventory_disk *disk = drive_find(operation, false, error);

    if (disk == NULL)
        return -1;
    operation->limits = choose(&operation->request.limits, disk->limits);
    operation_detail(operation, "iops", json_integer((json_int_t)operation->limits.iops));
    operation_detail(operation, "bps", json_integer((json_int_t)operation->limits.bps));
    if (!is_same(&operation->limits, &disk->limits))
        operation_add_step(operation, "block_set_io_throttle",
                           arguments_for(disk->qdev, &operation->limits), NULL, NULL, "");
    return 0;
}

static bool is_realized(struct operation *operation, const json_t *answer)
{
    struct qapi_block row;

    return drive_read(operation, answer, &row) && is_same(&row.limits, &operation->limits);
}

const struct operation_kind disk_throttle_kind = {
    .name = "disk-throttle",
    .top = VERDICT_DONE,
    .parts = INVENTORY_DISKS,
    .plan = plan,
    .realized_query = "query-block",
    .is_realized = is_realized,
};
