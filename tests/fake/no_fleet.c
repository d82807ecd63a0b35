/* SPDX-License-Identifier: MIT */
/* For tests of one VM: no fleet is there to take turns in. */
#include "daemon/fleet.h"
#include "tests/fake/fake.h"

void fleet_enter(struct fleet *fleet, struct fleet_turn *turn)
{
    (void)fleet;
    (void)turn;
    fake_fail("a turn was asked for");
}

void fleet_leave(struct fleet *fleet, struct fleet_turn *turn)
{
    (void)fleet;
    (void)turn;
    fake_fail("a turn was left");
}
