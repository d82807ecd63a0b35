/* SPDX-License-Identifier: MIT */
#include "qmp/blocking.h"

#include "base/clock.h"
#include "qmp/codec.h"

struct turn {
    struct pollfd polled[BLOCKING_PUMPS_MAX];
    struct pump *pumps[BLOCKING_PUMPS_MAX];
    size_t count;
};

static void wait_for_something(struct turn *turn, double deadline_ms)
{
    size_t i;

    for (i = 0; i < turn->count; i++) {
        turn->polled[i].fd = pump_fd(turn->pumps[i]);
        turn->polled[i].events = pump_events(turn->pumps[i]);
        turn->polled[i].revents = 0;
        deadline_ms = clock_earlier_ms(deadline_ms, pump_deadline_ms(turn->pumps[i]));
    }
    if (clock_poll(turn->polled, (nfds_t)turn->count, deadline_ms) <= 0) {
        for (i = 0; i < turn->count; i++)
            turn->polled[i].revents = 0;
    }
}

bool blocking_run(struct pump *const pumps[], size_t count, blocking_condition_fn *condition,
                  void *user, double deadline_ms)
{
    struct turn turn = {.count = 0};
    size_t i, kept;

    for (i = 0; i < count && turn.count < BLOCKING_PUMPS_MAX; i++) {
        if (pumps[i] != NULL)
            turn.pumps[turn.count++] = pumps[i];
    }
    while (!condition(user)) {
        if (turn.count == 0 || clock_now_ms() >= deadline_ms)
            return false;
        wait_for_something(&turn, deadline_ms);
        for (i = 0, kept = 0; i < turn.count; i++) {
            if (pump_process(turn.pumps[i], turn.polled[i].revents) != PUMP_DEAD)
                turn.pumps[kept++] = turn.pumps[i];
        }
        turn.count = kept;
    }
    return true;
}

struct answer {
    bool given;
    json_t *value;
    struct error error;
};

static void keep_answer(void *user, const struct reply *reply)
{
    struct answer *answer = user;

    answer->given = true;
    answer->value = json_incref(reply->value);
    if (reply->error != NULL)
        answer->error = *reply->error;
}

static bool is_given(void *user)
{
    return ((const struct answer *)user)->given;
}

static json_t *await(struct pump *pump, struct answer *answer, struct error *error)
{
    (void)blocking_run(&pump, 1, is_given, answer, CLOCK_NEVER_MS);
    if (answer->value == NULL && error != NULL)
        *error = answer->error;
    return answer->value;
}

json_t *blocking_qmp(struct qmp_client *client, const char *command, json_t *arguments,
                     double timeout_ms, struct error *error)
{
    struct answer answer = {.given = false};
    const struct request request = {.command = command,
                                    .arguments = arguments,
                                    .timeout_ms = timeout_ms,
                                    .done = keep_answer,
                                    .user = &answer};

    if (qmp_client_submit(client, &request, error) < 0)
        return NULL;
    return await(qmp_client_pump(client), &answer, error);
}

json_t *blocking_agent(struct agent *agent, const char *command, json_t *arguments,
                       double timeout_ms, struct error *error)
{
    struct answer answer = {.given = false};
    const struct request request = {.command = command,
                                    .arguments = arguments,
                                    .timeout_ms = timeout_ms,
                                    .done = keep_answer,
                                    .user = &answer};

    if (agent_submit(agent, &request, error) < 0)
        return NULL;
    return await(agent_pump(agent), &answer, error);
}
