/* SPDX-License-Identifier: MIT */
/* What the guest refused is removed again, by an operation inside the operation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/rig.h"

#define KINDS 2 /* those with an _OST */

static struct rig rig;

static struct sim *sim_that_refuses(void)
{
    struct sim *sim = sim_new();

    sim->guest.ost[0] = (struct sim_ost){1, 0x82};
    sim->guest.ignores = true;
    return sim;
}

/* Once, and nothing else is done meanwhile. */
static void test_once(void **state)
{
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        const struct operation_request request = rig_addition(type);
        struct sim *sim = sim_that_refuses();

        sim->guest.ost_delay_ms = 300; /* some looks long */
        rig_open(&rig, sim, true);
        assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_REFUSED);
        assert_int_equal(sim_count(sim, SIM_QMP, "device_del"), 1);
        assert_int_equal(rig.result->left_count, 0);
        assert_true(!sim->cpus[2].present && sim->dimm_count == 0);
        rig_close(&rig);
    }
}

/* When it can't be seen through, what may stand is named. */
static void test_lost_meanwhile(void **state)
{
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        const struct operation_request request = rig_addition(type);
        struct sim *sim = sim_that_refuses();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del",
                                      .action = FAULT_DIE});
        rig_open(&rig, sim, true);
        assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_REFUSED);
        assert_non_null(strstr(rig_left(&rig), rig_addition_id(type)));
        rig_close(&rig);
    }
}

static void free_at_removal(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    (void)sim;
    (void)side;
    if (strcmp(command, "device_del") != 0)
        return;
    operation_free(STEAL(rig.operation));
    rig.ends = 1; /* nobody will tell us */
}

/* Freed with it: nothing is heard of either, as the next operation's single end shows. */
static void test_freed_meanwhile(void **state)
{
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        const struct operation_request request = rig_addition(type);
        struct sim *sim = sim_that_refuses();

        rig_open(&rig, sim, true);
        sim->on_command = free_at_removal;
        (void)rig_operate(&rig, &request);
        assert_null(rig.operation);
        sim->on_command = NULL;
        (void)rig_operate(&rig, &request);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_lost_meanwhile),
        cmocka_unit_test(test_freed_meanwhile),
    };

    return cmocka_run_group_tests_name("operation, taken back", tests, NULL, NULL);
}
