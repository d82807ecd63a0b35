/* SPDX-License-Identifier: MIT */
/* The matrix of what is added. */
#include "base/cleanup.h"
#include "tests/matrix/matrix.h"

static void take_image(struct sim *sim, struct operation_request *request)
{
    (void)sim;
    request->disk.file = fake_file("disk.raw", "", 0);
}

static void read_serials(struct sim *sim, struct operation_request *request)
{
    take_image(sim, request);
    sim->guest.tells_serials = false;
    sim->guest.has_vpd = true;
}

static void make_port(struct sim *sim, struct operation_request *request)
{
    take_image(sim, request);
    (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
}

static void refuse(struct sim *sim, struct operation_request *request)
{
    (void)request;
    sim->guest.ost[0] = (struct sim_ost){1, 0x82};
    sim->guest.ignores = true;
}

#define DIMM .dimm = {.bytes = 256 * SIM_MIB}

static const struct matrix_case cases[] = {
    {"cpu-add", {.type = OPERATION_CPU_ADD}, .usual = VERDICT_ONLINE},
    {"cpu-add without an agent", {.type = OPERATION_CPU_ADD}, .no_agent = true,
     .usual = VERDICT_UNCONFIRMED},
    {"cpu-add that is refused", {.type = OPERATION_CPU_ADD}, .prepare = refuse,
     .usual = VERDICT_REFUSED},
    {"dimm-add", {.type = OPERATION_DIMM_ADD, DIMM}, .usual = VERDICT_ONLINE},
    {"dimm-add as movable", {.type = OPERATION_DIMM_ADD,
                             .dimm = {.bytes = 256 * SIM_MIB, .movable = true}},
     .usual = VERDICT_ONLINE},
    {"dimm-add without an agent", {.type = OPERATION_DIMM_ADD, DIMM}, .no_agent = true,
     .usual = VERDICT_UNCONFIRMED},
    {"dimm-add that is refused", {.type = OPERATION_DIMM_ADD, DIMM}, .prepare = refuse,
     .usual = VERDICT_REFUSED},
    {"disk-add", {.type = OPERATION_DISK_ADD}, .prepare = take_image, .usual = VERDICT_ONLINE},
    {"disk-add by its page", {.type = OPERATION_DISK_ADD}, .prepare = read_serials,
     .usual = VERDICT_ONLINE},
    {"disk-add without an agent", {.type = OPERATION_DISK_ADD}, .prepare = take_image,
     .no_agent = true, .usual = VERDICT_UNCONFIRMED},
    {"disk-add to a port", {.type = OPERATION_DISK_ADD, .disk = {.bus = "virtio"}},
     .prepare = make_port, .usual = VERDICT_ONLINE},
};

int main(int argc, char **argv)
{
    (void)argc;
    return matrix_run(argv, cases, COUNT_OF(cases));
}
