/* SPDX-License-Identifier: MIT */
/* The matrix of what is taken back. */
#include "base/cleanup.h"
#include "tests/matrix/matrix.h"

static void put_cpu(struct sim *sim, struct operation_request *request)
{
    (void)request;
    sim->kvm = true; /* under emulation a vCPU's removal is blocked as dangerous */
    sim_put_cpu(sim, "c");
}

static void put_dimm(struct sim *sim, struct operation_request *request)
{
    (void)request;
    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
}

static void put_disk(struct sim *sim, struct operation_request *request)
{
    (void)request;
    sim_put_disk(sim, "d", "SERIAL", 3);
}

static void refuse(struct sim *sim)
{
    sim->guest.eject[1] = (struct sim_ost){3, 0x82};
}

static void keep_cpu(struct sim *sim, struct operation_request *request)
{
    put_cpu(sim, request);
    refuse(sim);
}

static void keep_dimm(struct sim *sim, struct operation_request *request)
{
    put_dimm(sim, request);
    refuse(sim);
}

static void freeze_with_dimm(struct sim *sim, struct operation_request *request)
{
    put_dimm(sim, request);
    sim->guest.ignores_eject = true;
}

static void leave_backend(struct sim *sim, struct operation_request *request)
{
    (void)request;
    sim_leave_backend(sim, "b");
}

static void leave_node(struct sim *sim, struct operation_request *request)
{
    (void)request;
    sim_leave_node(sim, "n");
}

#define REMOVAL(what, name) {.type = OPERATION_##what##_REMOVE, .id = name}

static const struct matrix_case cases[] = {
    {"cpu-remove", REMOVAL(CPU, "c"), .prepare = put_cpu, .usual = VERDICT_REMOVED},
    {"cpu-remove without an agent", REMOVAL(CPU, "c"), .prepare = put_cpu, .no_agent = true,
     .usual = VERDICT_REMOVED},
    {"cpu-remove that is refused", REMOVAL(CPU, "c"), .prepare = keep_cpu,
     .usual = VERDICT_REFUSED},
    {"dimm-remove", REMOVAL(DIMM, "m"), .prepare = put_dimm, .usual = VERDICT_REMOVED},
    {"dimm-remove without an agent", REMOVAL(DIMM, "m"), .prepare = put_dimm, .no_agent = true,
     .usual = VERDICT_REMOVED},
    {"dimm-remove that is refused", REMOVAL(DIMM, "m"), .prepare = keep_dimm,
     .usual = VERDICT_REFUSED},
    {"dimm-remove from a frozen guest", REMOVAL(DIMM, "m"), .prepare = freeze_with_dimm,
     .usual = VERDICT_PENDING},
    {"disk-remove", REMOVAL(DISK, "d"), .prepare = put_disk, .usual = VERDICT_REMOVED},
    {"disk-remove without an agent", REMOVAL(DISK, "d"), .prepare = put_disk, .no_agent = true,
     .usual = VERDICT_REMOVED},
    {"backend-remove", REMOVAL(BACKEND, "b"), .prepare = leave_backend, .usual = VERDICT_REMOVED},
    {"node-remove", REMOVAL(NODE, "n"), .prepare = leave_node, .usual = VERDICT_REMOVED},
};

int main(int argc, char **argv)
{
    (void)argc;
    return matrix_run(argv, cases, COUNT_OF(cases));
}
