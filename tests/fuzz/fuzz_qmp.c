/* SPDX-License-Identifier: MIT */
/* A QMP session in single steps: greetings, answers in any order, late or to nobody, events,
 * nonsense, timeouts, cancelling, and callbacks that submit, unsubscribe, or free the client. */
#include <unistd.h>

#include "qmp/qmp_client.h"
#include "tests/fuzz/session.h"

static unsigned subscription;
static unsigned ends; /* how often the subscriber was told that nothing more comes */

static int64_t submit(struct session *session, const struct request *request)
{
    return qmp_client_submit(session->client, request, NULL);
}

static void cancel(struct session *session, struct command *command)
{
    if (command == NULL || session->client == NULL)
        return;
    qmp_client_cancel(session->client, command->id);
    command->cancelled = command->answered == 0;
}

static void end(struct session *session)
{
    struct qmp_client *client = session->client;

    session->client = NULL;
    qmp_client_free(client);
}

static void see(void *user, const struct qmp_event *event)
{
    struct session *session = user;

    MUST(session->client != NULL && ends == 0);
    ends += event == NULL;
    MUST(event == NULL || event->name != NULL);
}

static void unsubscribe(struct session *session)
{
    if (session->client != NULL && subscription != 0)
        qmp_client_unsubscribe(session->client, subscription);
    subscription = 0;
}

static void submit_another(struct session *session)
{
    session_submit(session, 60000);
}

static void cancel_first(struct session *session)
{
    cancel(session, session_command(session, 0));
}

static void answer(const struct session *session, const struct command *command, bool well)
{
    char text[256];
    int size;

    if (command == NULL)
        return;
    size = snprintf(text, sizeof(text),
                    well ? "{\"return\": {\"word\": \"" HONEST "\", \"n\": %u}, \"id\": %lld}\r\n"
                         : "{\"error\": {\"class\": \"X\", \"desc\": \"%u\"}, \"id\": %lld}\r\n",
                    command->number, (long long)command->id);
    session_say(session, text, (size_t)size);
}

static void say(struct session *session, const char *text)
{
    session_say(session, text, strlen(text));
}

static void step(struct session *session, struct script *script)
{
    static void (*const in_callback[])(struct session *) = {end, submit_another, cancel_first,
                                                            unsubscribe};
    size_t size;
    const uint8_t *bytes;

    switch (script_byte(script) % 11) {
    case 0:
        size = script_byte(script);
        bytes = script_bytes(script, &size);
        session_say(session, bytes, size);
        break;
    case 1:
        session_submit(session, 60000);
        break;
    case 2:
        session_submit(session, 0);
        break;
    case 3:
        cancel(session, session_command(session, script_byte(script)));
        break;
    case 4:
        answer(session, session_command(session, script_byte(script)), true);
        break;
    case 5:
        answer(session, session_command(session, script_byte(script)), false);
        break;
    case 6:
        say(session, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
                     "{\"return\": {}, \"id\": 0}\r\n");
        break;
    case 7:
        say(session, "{\"event\": \"STOP\", \"timestamp\": {}}\r\n");
        break;
    case 8:
        say(session, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no id\"}}\r\n");
        break;
    case 9:
        session->in_callback = in_callback[script_byte(script) % 4];
        break;
    default:
        if (subscription == 0 && session->client != NULL && ends == 0)
            subscription = qmp_client_subscribe(session->client, see, session);
        else
            unsubscribe(session);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char drain[65536];
    struct script script = {.at = data, .size = size};
    struct session session = {.submit = submit};
    struct qmp_client_options options = {.limits = {.message_bytes = 4096, .depth = 16}};
    struct pump *pump;
    unsigned steps;
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return 0;
    options.fd = fds[0];
    options.window = script_byte(&script) % 4;
    session.peer = fds[1];
    session.client = qmp_client_new(&options, NULL);
    subscription = ends = 0;
    MUST(session.client != NULL);
    pump = qmp_client_pump(session.client);
    for (steps = 0; script.size > 0 && steps < STEPS_MAX; steps++) {
        step(&session, &script);
        session_pump(&session, pump);
        while (recv(session.peer, drain, sizeof(drain), MSG_DONTWAIT) > 0)
            ;
    }
    (void)shutdown(session.peer, SHUT_WR);
    session_pump(&session, pump);
    session_check(&session);
    MUST(session.client == NULL || qmp_client_failure(session.client) != NULL);
    end(&session);
    close(session.peer);
    return 0;
}
