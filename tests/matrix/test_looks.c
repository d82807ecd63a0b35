/* SPDX-License-Identifier: MIT */
/* The matrix of what only looks: status, doctor, audit. */
#include "base/cleanup.h"
#include "vmm/status_json.h"
#include "tests/matrix/matrix.h"
#include "vmm/audit.h"
#include "vmm/doctor.h"

/* One of everything. */
static void fill(struct sim *sim, struct operation_request *request)
{
    (void)request;
    sim_put_cpu(sim, "c");
    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim_put_disk(sim, "d", "SERIAL", 3);
    sim_put_cdrom(sim, "cd0", NULL);
    sim_leave_backend(sim, "b");
}

static const struct matrix_case cases[] = {
    {"status", .parts = STATUS_PARTS, .prepare = fill, .usual = VERDICT_DONE},
    {"status without an agent", .parts = STATUS_PARTS, .prepare = fill, .no_agent = true,
     .usual = VERDICT_UNCONFIRMED},
    {"doctor", .parts = DOCTOR_PARTS, .prepare = fill, .usual = VERDICT_DONE},
    {"audit", .parts = AUDIT_PARTS, .prepare = fill, .usual = VERDICT_DONE},
};

int main(int argc, char **argv)
{
    (void)argc;
    return matrix_run(argv, cases, COUNT_OF(cases));
}
