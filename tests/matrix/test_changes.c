/* SPDX-License-Identifier: MIT */
/* The matrix of what changes: elastic memory, disks, and media. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/matrix/matrix.h"

#define IMAGE_BYTES 40960

static void make_port(struct sim *sim, struct operation_request *request)
{
    (void)request;
    (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
}

/* Of 1 GiB, of which the guest has a half. */
static void put_elastic(struct sim *sim, struct operation_request *request)
{
    struct sim_virtio_mem *device = sim_put_virtio_mem(sim, "v", SIM_DIMM_BASE, SIM_GIB);
    uint64_t block;

    (void)request;
    device->requested_bytes = device->bytes = SIM_GIB / 2;
    for (block = SIM_DIMM_BASE; block < SIM_DIMM_BASE + device->bytes;
         block += sim->guest.block_bytes)
        sim->guest.blocks[sim->guest.block_count++] =
            (struct sim_block){.index = block / sim->guest.block_bytes, .online = true};
}

static void put_disk(struct sim *sim, struct operation_request *request)
{
    (void)request;
    sim_put_disk(sim, "d", "SERIAL", 3);
}

static const char *make_image(const char *name, char letter)
{
    char bytes[IMAGE_BYTES];

    memset(bytes, letter, sizeof(bytes));
    return fake_file(name, bytes, sizeof(bytes));
}

static void put_empty_drive(struct sim *sim, struct operation_request *request)
{
    request->disk.file = make_image("new.iso", 'n');
    sim_put_cdrom(sim, "cd0", NULL);
}

static void put_drive(struct sim *sim, struct operation_request *request)
{
    request->disk.file = make_image("new.iso", 'n');
    sim_put_cdrom(sim, "cd0", make_image("old.iso", 'o'));
}

static void put_locked_drive(struct sim *sim, struct operation_request *request)
{
    put_drive(sim, request);
    sim->cdroms[0].locked = true;
}

static void put_yielding_drive(struct sim *sim, struct operation_request *request)
{
    put_locked_drive(sim, request);
    sim->guest.opens_trays = true;
}

#define RESIZE(size) {.type = OPERATION_VIRTIO_MEM_RESIZE, .id = "v", .dimm = {.bytes = size}}
#define DRIVE(what) {.type = OPERATION_CDROM_##what, .id = "cd0"}

static const struct matrix_case cases[] = {
    {"virtio-mem-add",
     {.type = OPERATION_VIRTIO_MEM_ADD, .dimm = {.bytes = SIM_GIB / 2}},
     .prepare = make_port, .usual = VERDICT_ONLINE},
    {"virtio-mem-add without an agent",
     {.type = OPERATION_VIRTIO_MEM_ADD, .dimm = {.bytes = SIM_GIB / 2}},
     .prepare = make_port, .no_agent = true, .usual = VERDICT_UNCONFIRMED},
    {"virtio-mem-resize up", RESIZE(SIM_GIB), .prepare = put_elastic, .usual = VERDICT_DONE},
    {"virtio-mem-resize down", RESIZE(0), .prepare = put_elastic, .usual = VERDICT_DONE},
    {"disk-resize", {.type = OPERATION_DISK_RESIZE, .id = "d", .bytes = 128 * SIM_MIB},
     .prepare = put_disk, .usual = VERDICT_DONE},
    {"disk-resize without an agent",
     {.type = OPERATION_DISK_RESIZE, .id = "d", .bytes = 128 * SIM_MIB},
     .prepare = put_disk, .no_agent = true, .usual = VERDICT_DONE},
    {"disk-throttle",
     {.type = OPERATION_DISK_THROTTLE, .id = "d", .limits = {.iops_set = true, .iops = 100}},
     .prepare = put_disk, .usual = VERDICT_DONE},
    {"cdrom-insert", DRIVE(INSERT), .prepare = put_empty_drive, .usual = VERDICT_DONE},
    {"cdrom-insert without an agent", DRIVE(INSERT), .prepare = put_empty_drive, .no_agent = true,
     .usual = VERDICT_DONE},
    {"cdrom-insert in place of another", DRIVE(INSERT), .prepare = put_drive,
     .usual = VERDICT_DONE},
    {"cdrom-insert into a locked drive", DRIVE(INSERT), .prepare = put_locked_drive,
     .usual = VERDICT_PENDING},
    {"cdrom-insert into a drive that yields", DRIVE(INSERT), .prepare = put_yielding_drive,
     .usual = VERDICT_DONE},
    {"cdrom-eject", DRIVE(EJECT), .prepare = put_drive, .usual = VERDICT_DONE},
    {"cdrom-eject of a drive that yields", DRIVE(EJECT), .prepare = put_yielding_drive,
     .usual = VERDICT_DONE},
};

int main(int argc, char **argv)
{
    (void)argc;
    return matrix_run(argv, cases, COUNT_OF(cases));
}
