/* SPDX-License-Identifier: MIT */
#include "tests/fake/wire_qmp.h"

#include <stdio.h>
#include <string.h>

#include "tests/fake/fake.h"

#define LONG_MS 60000

struct qmp_client *wire_qmp_begin_with(struct wire *wire, struct qmp_client_options options)
{
    struct qmp_client *client;

    options.fd = wire_open(wire);
    client = qmp_client_new(&options, NULL);
    if (client == NULL)
        fake_fail("there is no client for QMP");
    wire->pump = qmp_client_pump(client);
    return client;
}

struct qmp_client *wire_qmp_begin(struct wire *wire)
{
    return wire_qmp_begin_with(wire, (struct qmp_client_options){.path = NULL});
}

struct qmp_client *wire_qmp_begin_ready_with(struct wire *wire, struct qmp_client_options options)
{
    struct qmp_client *client = wire_qmp_begin_with(wire, options);

    wire_say(wire, WIRE_QMP_GREETING);
    wire_say(wire, WIRE_QMP_NEGOTIATED);
    if (strcmp(wire_hear(wire), WIRE_QMP_NEGOTIATION) != 0 || !qmp_client_is_ready(client))
        fake_fail("the client did not negotiate");
    return client;
}

struct qmp_client *wire_qmp_begin_ready(struct wire *wire)
{
    return wire_qmp_begin_ready_with(wire, (struct qmp_client_options){.path = NULL});
}

void wire_qmp_end(struct wire *wire, struct qmp_client *client)
{
    qmp_client_free(client);
    wire_close(wire);
}

int64_t wire_qmp_submit_until(struct qmp_client *client, const char *command, double timeout_ms,
                              struct outcome *outcome)
{
    const struct request request = {
        .command = command, .timeout_ms = timeout_ms, .done = outcome_take, .user = outcome};

    return qmp_client_submit(client, &request, NULL);
}

int64_t wire_qmp_submit(struct qmp_client *client, const char *command, struct outcome *outcome)
{
    return wire_qmp_submit_until(client, command, LONG_MS, outcome);
}

void wire_qmp_reply(struct wire *wire, int64_t id)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "{\"return\": %d, \"id\": %d}\r\n", (int)id * 10, (int)id);
    wire_say(wire, text);
}

unsigned wire_qmp_heard_count(struct wire *wire)
{
    const char *line = wire_hear(wire);
    unsigned count = 0;

    while ((line = strchr(line, '\n')) != NULL) {
        count++;
        line++;
    }
    return count;
}
