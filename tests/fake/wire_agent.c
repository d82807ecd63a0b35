/* SPDX-License-Identifier: MIT */
#include "tests/fake/wire_agent.h"

#include <inttypes.h>
#include <stdio.h>

#include "tests/fake/fake.h"

#define LONG_MS 60000

struct agent *wire_agent_begin_with(struct wire *wire, struct agent_options options)
{
    struct agent *agent;

    options.fd = wire_open(wire);
    agent = agent_new(&options, NULL);
    if (agent == NULL)
        fake_fail("there is no client for the agent");
    wire->pump = agent_pump(agent);
    return agent;
}

struct agent *wire_agent_begin(struct wire *wire)
{
    return wire_agent_begin_with(wire, (struct agent_options){.path = NULL});
}

void wire_agent_end(struct wire *wire, struct agent *agent)
{
    agent_free(agent);
    wire_close(wire);
}

int64_t wire_agent_submit_until(struct agent *agent, const char *command, double timeout_ms,
                                struct outcome *outcome)
{
    const struct request request = {
        .command = command, .timeout_ms = timeout_ms, .done = outcome_take, .user = outcome};

    return agent_submit(agent, &request, NULL);
}

int64_t wire_agent_submit(struct agent *agent, const char *command, struct outcome *outcome)
{
    return wire_agent_submit_until(agent, command, LONG_MS, outcome);
}

int64_t wire_agent_hear_sync(struct wire *wire)
{
    static const char format[] =
        "{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%" SCNd64 "}}\n%n";
    const char *heard = wire_hear(wire);
    int64_t number = 0;
    int used = 0;

    if ((unsigned char)heard[0] != 0xff || sscanf(heard + 1, format, &number, &used) != 1 ||
        heard[1 + used] != '\0' || used == 0 || number <= 0)
        fake_fail("heard no synchronisation, but: %s", heard);
    return number;
}

void wire_agent_say_sync(struct wire *wire, int64_t number)
{
    char text[128];

    (void)snprintf(text, sizeof(text), "\xff{\"return\": %" PRId64 "}\n", number);
    wire_say(wire, text);
}
