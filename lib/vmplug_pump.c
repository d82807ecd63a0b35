/* SPDX-License-Identifier: MIT */
#include "vmplug/pump.h"

#include <limits.h>
#include <math.h>

#include "base/clock.h"
#include "qmp/blocking.h"

static const struct pump *inside(const struct vmplug_pump *pump)
{
    return (const struct pump *)pump;
}

int vmplug_pump_fd(const struct vmplug_pump *pump)
{
    return pump_fd(inside(pump));
}

short vmplug_pump_events(const struct vmplug_pump *pump)
{
    return pump_events(inside(pump));
}

double vmplug_pump_deadline_ms(const struct vmplug_pump *pump)
{
    return pump_deadline_ms(inside(pump));
}

int vmplug_pump_timeout_ms(const struct vmplug_pump *pump)
{
    double left_ms = pump_deadline_ms(inside(pump)) - clock_now_ms();

    if (isinf(left_ms))
        return -1;
    return left_ms <= 0 ? 0 : left_ms >= INT_MAX - 1 ? INT_MAX : (int)left_ms + 1;
}

int vmplug_pump_process(struct vmplug_pump *pump, short revents)
{
    return (int)pump_process((struct pump *)pump, revents);
}

void vmplug_pump_on_change(struct vmplug_pump *pump, void (*changed)(void *user), void *user)
{
    struct pump *inner = (struct pump *)pump;

    inner->changed = changed;
    inner->user = user;
}

struct condition {
    int (*holds)(void *user);
    void *user;
};

static bool holds(void *user)
{
    const struct condition *condition = user;

    return condition->holds(condition->user) != 0;
}

int vmplug_pump_run(struct vmplug_pump *const pumps[], size_t count, int (*condition)(void *user),
                    void *user, double timeout_ms)
{
    struct condition wrapped = {.holds = condition, .user = user};
    double deadline_ms = timeout_ms >= 0 ? clock_now_ms() + timeout_ms : CLOCK_NEVER_MS;

    return blocking_run((struct pump *const *)pumps, count, holds, &wrapped, deadline_ms);
}
