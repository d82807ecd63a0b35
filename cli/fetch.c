/* SPDX-License-Identifier: MIT */
#include "cli/fetch.h"

#include "base/clock.h"
#include "cli/report.h"

struct fetching {
    bool ended;
    struct inventory *inventory;
    struct error error;
};

static void on_fetched(void *user, struct inventory *inventory, const struct error *error)
{
    struct fetching *fetching = user;

    fetching->ended = true;
    fetching->inventory = inventory;
    if (inventory == NULL)
        fetching->error = *error;
}

static bool has_ended(void *user)
{
    return ((const struct fetching *)user)->ended;
}

struct inventory *fetch(struct invocation *invocation, unsigned parts, int *ret_exit_code)
{
    struct fetching fetching = {.ended = false};
    double timeout_ms = invocation->options.timeout_ms;
    struct inventory_fetch *under_way =
        inventory_fetch(invocation->session.vm, parts, timeout_ms,
                        clock_earlier_ms(INVENTORY_AGENT_SILENCE_MS, timeout_ms), on_fetched,
                        &fetching, &fetching.error);

    if (under_way != NULL &&
        session_run(&invocation->session, has_ended, NULL, &fetching, CLOCK_NEVER_MS) !=
            SESSION_DONE) {
        inventory_fetch_cancel(under_way);
        (void)error_set(&fetching.error, ERROR_CANCELLED, "run it again", "interrupted");
    }
    if (fetching.inventory == NULL)
        *ret_exit_code = report_failure(invocation, report_verdict(&fetching.error, true),
                                        &fetching.error);
    return fetching.inventory;
}
