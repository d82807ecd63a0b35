/* SPDX-License-Identifier: MIT */
/* A QMP session and an agent session with a peer that says anything: each command is answered
 * exactly once, and nothing is answered after the end. The first byte chooses the dialect. */
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "qmp/agent.h"
#include "qmp/qmp_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COMMANDS 3

static void count(void *user, const struct reply *reply)
{
    if ((reply->value == NULL) == (reply->error == NULL))
        abort();
    ++*(unsigned *)user;
}

static void see(void *user, const struct qmp_event *event)
{
    (void)user;
    (void)event;
}

/* The peer says its piece and hangs up; the pump must come to an end by itself. */
static void drive(struct pump *pump, int peer, const uint8_t *data, size_t size)
{
    if (size > 0 && write(peer, data, size) < 0)
        abort();
    (void)shutdown(peer, SHUT_WR);
    while (pump_process(pump, POLLIN | POLLOUT) != PUMP_DEAD)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned answered[COMMANDS] = {0};
    struct qmp_client *client = NULL;
    struct agent *agent = NULL;
    struct request request = {.command = "query-status", .timeout_ms = 60000, .done = count};
    int fds[2];
    size_t i;

    if (size == 0 || size > 32768 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return 0;
    if (data[0] % 2 == 0) {
        client = qmp_client_new(&(struct qmp_client_options){.fd = fds[0]}, NULL);
        (void)qmp_client_subscribe(client, see, NULL);
    } else {
        agent = agent_new(&(struct agent_options){.fd = fds[0]}, NULL);
    }
    for (i = 0; i < COMMANDS; i++) {
        request.user = &answered[i];
        if (client != NULL)
            (void)qmp_client_submit(client, &request, NULL);
        else
            (void)agent_submit(agent, &request, NULL);
    }
    drive(client != NULL ? qmp_client_pump(client) : agent_pump(agent), fds[1], data + 1, size - 1);
    qmp_client_free(client);
    agent_free(agent);
    close(fds[1]);
    for (i = 0; i < COMMANDS; i++) {
        if (answered[i] != 1)
            abort();
    }
    return 0;
}
