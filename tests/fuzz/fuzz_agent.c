/* SPDX-License-Identifier: MIT */
/* A session with a guest agent in single steps. The agent reads what it is sent and answers in that
 * order, late or never, first what an earlier client has left behind; between its answers a hostile
 * guest says anything. A command never gets another one's answer, however many timeouts and
 * synchronisations lie between. */
#include <unistd.h>

#include "qmp/agent.h"
#include "tests/fuzz/session.h"

#define HEARD_MAX 256

/* What the agent has been asked and has not answered. */
static struct heard {
    bool sync;
    long long number; /* of the synchronisation or of the command */
} heard[HEARD_MAX];
static unsigned heard_count;

static char line[8192];
static size_t line_size;

/* Numbers of all synchronisations, which nobody else can know. */
static long long syncs[HEARD_MAX];
static unsigned sync_count;

static bool is_sync(int64_t number)
{
    unsigned i;

    for (i = 0; i < sync_count; i++) {
        if (syncs[i] == number)
            return true;
    }
    return false;
}

static int64_t submit(struct session *session, const struct request *request)
{
    return agent_submit(session->client, request, NULL);
}

static void end(struct session *session)
{
    struct agent *agent = session->client;

    session->client = NULL;
    agent_free(agent);
}

static void cancel(struct session *session, struct command *command)
{
    if (command == NULL || session->client == NULL)
        return;
    agent_cancel(session->client, command->id);
    command->cancelled = command->answered == 0;
}

static void submit_another(struct session *session)
{
    session_submit(session, 60000);
}

static void cancel_last(struct session *session)
{
    cancel(session, session_command(session, (uint8_t)(session->count - 1)));
}

static void ask_again(struct session *session)
{
    if (session->client != NULL)
        agent_ask_again(session->client);
}

static void hear_line(void)
{
    const char *number = strstr(line, "\"n\":");
    struct heard *last = &heard[heard_count];

    last->sync = strstr(line, "guest-sync-delimited") != NULL;
    if (last->sync)
        number = strstr(line, "\"id\":");
    MUST(number != NULL); /* the client sends nothing else */
    last->number = strtoll(strchr(number, ':') + 1, NULL, 10);
    if (last->sync && sync_count < HEARD_MAX)
        syncs[sync_count++] = last->number;
    heard_count += heard_count < HEARD_MAX - 1;
}

static void hear(const struct session *session)
{
    static char bytes[65536];
    ssize_t size, i;

    while ((size = recv(session->peer, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        for (i = 0; i < size; i++) {
            MUST(line_size < sizeof(line) - 1);
            line[line_size++] = bytes[i];
            if (bytes[i] != '\n')
                continue;
            line[line_size] = '\0';
            hear_line();
            line_size = 0;
        }
    }
}

static struct heard next_heard(void)
{
    const struct heard first = heard[0];

    heard_count--;
    memmove(heard, heard + 1, heard_count * sizeof(heard[0]));
    return first;
}

static void answer(const struct session *session, bool well)
{
    char text[256];
    struct heard asked;
    int size;

    if (heard_count == 0)
        return;
    asked = next_heard();
    if (asked.sync)
        size = snprintf(text, sizeof(text), "\xff{\"return\": %lld}\n", asked.number);
    else
        size = snprintf(text, sizeof(text),
                        well ? "{\"return\": {\"word\": \"" HONEST "\", \"n\": %lld}}\n"
                             : "{\"error\": {\"class\": \"X\", \"desc\": \"%lld\"}}\n",
                        asked.number);
    session_say(session, text, (size_t)size);
}

static void step(struct session *session, struct script *script)
{
    static void (*const in_callback[])(struct session *) = {end, submit_another, cancel_last,
                                                            ask_again};
    size_t size;
    const uint8_t *bytes;

    switch (script_byte(script) % 10) {
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
    case 5:
        answer(session, true);
        break;
    case 6:
        answer(session, false);
        break;
    case 7:
        if (heard_count > 0)
            (void)next_heard();
        break;
    case 8:
        session->in_callback = in_callback[script_byte(script) % 4];
        break;
    default:
        ask_again(session);
        break;
    }
}

/* An earlier client has left before these were answered. */
static void leave_questions(void)
{
    heard[0] = (struct heard){.sync = true, .number = 4711};
    heard[1] = (struct heard){.number = COMMANDS_MAX + 1};
    heard_count = 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script = {.at = data, .size = size};
    struct session session = {.submit = submit, .is_foreign = is_sync};
    struct agent_options options = {.limits = {.message_bytes = 4096, .depth = 16}};
    struct pump *pump;
    uint8_t flags;
    unsigned steps;
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return 0;
    options.fd = fds[0];
    flags = script_byte(&script);
    options.sync_timeout_ms = (flags & 1) == 0 ? 0 : 1e-6;
    session.peer = fds[1];
    session.client = agent_new(&options, NULL);
    MUST(session.client != NULL);
    pump = agent_pump(session.client);
    heard_count = sync_count = 0;
    if ((flags & 2) != 0)
        leave_questions();
    line_size = 0;
    for (steps = 0; script.size > 0 && steps < STEPS_MAX; steps++) {
        step(&session, &script);
        session_pump(&session, pump);
        hear(&session);
    }
    (void)shutdown(session.peer, SHUT_WR);
    session_pump(&session, pump);
    session_check(&session);
    MUST(session.client == NULL || agent_failure(session.client) != NULL);
    end(&session);
    close(session.peer);
    return 0;
}
