/* SPDX-License-Identifier: MIT */
/* One command of QMP or of the guest agent, and its reply. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/report.h"
#include "vmm/result_json.h"
#include "qmp/codec.h"

#define GRACE_MS 2000 /* for an error reply to a command that does not answer when it works */

struct asking {
    bool ended;
    json_t *value;
    struct error error;
};

static void on_reply(void *user, const struct reply *reply)
{
    struct asking *asking = user;

    asking->ended = true;
    asking->value = json_incref(reply->value);
    if (reply->error != NULL)
        asking->error = *reply->error;
}

static bool has_ended(void *user)
{
    return ((const struct asking *)user)->ended;
}

/* Asks whoever the session is with. Returns the value (a new reference), or NULL with *error. */
static json_t *ask(struct session *session, const char *command, json_t *arguments,
                   double timeout_ms, struct error *error)
{
    struct asking asking = {.ended = false};
    const struct request request = {
        .command = command,
        .arguments = arguments,
        .timeout_ms = timeout_ms,
        .done = on_reply,
        .user = &asking,
    };
    int64_t id = session->vm != NULL ? vm_submit(session->vm, PEER_QMP, &request, error)
                                     : agent_submit(session->agent, &request, error);

    if (id < 0)
        return NULL;
    if (session_run(session, has_ended, NULL, &asking, CLOCK_NEVER_MS) != SESSION_DONE) {
        if (session->vm != NULL)
            vm_cancel(session->vm, PEER_QMP, id);
        else
            agent_cancel(session->agent, id);
        (void)error_set(error, ERROR_CANCELLED, "the command may be carried out all the same",
                        "interrupted");
        return NULL;
    }
    if (asking.value == NULL)
        *error = asking.error;
    return asking.value;
}

/* The peer's own words, as they are. */
static int report_reply(struct invocation *invocation, const struct error *error)
{
    char line[sizeof(error->class_name) + sizeof(error->why) + 4];

    if (invocation->out.json) {
        AUTO_JSON json_t *object =
            result_json_failure(invocation->command->name, NULL, VERDICT_REJECTED, error);

        output_json(&invocation->out, object, 0);
    }
    (void)snprintf(line, sizeof(line), "%s: %s", error->class_name, error->why);
    text_make_printable(line);
    fprintf(stderr, "%s\n", line);
    return report_exit_code(VERDICT_REJECTED, error);
}

static int report(struct invocation *invocation, const struct error *error)
{
    if (error->code == ERROR_REJECTED)
        return report_reply(invocation, error);
    if (error->code == ERROR_TIMEOUT)
        return report_failure(invocation, VERDICT_PENDING, error);
    return report_failure(invocation, report_verdict(error, true), error);
}

static int print_value(struct invocation *invocation, const json_t *value)
{
    bool for_people = invocation->out.terminal && !invocation->out.json;

    output_json(&invocation->out, value, for_people ? 2 : 0);
    return 0;
}

static json_t *read_arguments(const struct invocation *invocation, struct error *error)
{
    struct error problem = ERROR_INIT;
    json_t *arguments = codec_parse(invocation->operands[1], &problem);

    if (arguments == NULL) {
        (void)error_set(error, ERROR_INVALID, "", "%s: JSON: %s", invocation->command->name,
                        problem.why);
        error_advise(error, "%s", problem.fix);
    } else if (!json_is_object(arguments)) {
        (void)error_set(error, ERROR_INVALID, "write them as '{\"name\": value}'",
                        "%s: JSON: the arguments are no object", invocation->command->name);
        json_decref(STEAL(arguments));
    }
    return arguments;
}

static int check(const struct invocation *invocation, struct error *error)
{
    AUTO_JSON json_t *arguments = NULL;

    if (invocation->operands[0][0] == '\0')
        return error_set(error, ERROR_INVALID, "name one, such as query-status or guest-info",
                         "%s: the command is empty", invocation->command->name);
    if (invocation->operand_count < 2)
        return 0;
    arguments = read_arguments(invocation, error);
    return arguments != NULL ? 0 : -1;
}

static json_t *arguments_of(const struct invocation *invocation)
{
    return invocation->operand_count < 2 ? NULL : read_arguments(invocation, NULL);
}

static int run_qmp(struct invocation *invocation)
{
    struct error error = ERROR_INIT;
    AUTO_JSON json_t *value = ask(&invocation->session, invocation->operands[0],
                                  arguments_of(invocation), invocation->options.timeout_ms, &error);

    return value != NULL ? print_value(invocation, value) : report(invocation, &error);
}

/* qga/qapi-schema.json says "success-response: false" of these. */
static bool answers_success(const char *command)
{
    static const char *const silent[] = {"guest-shutdown", "guest-suspend-disk",
                                         "guest-suspend-ram", "guest-suspend-hybrid"};
    size_t i;

    for (i = 0; i < COUNT_OF(silent); i++) {
        if (strcmp(command, silent[i]) == 0)
            return false;
    }
    return true;
}

/* Silence means success only from an agent that is there: it is asked something else before. An
 * agent that refuses to answer that is there, too. */
static int run_silent(struct invocation *invocation)
{
    struct error error = ERROR_INIT;
    double timeout_ms = invocation->options.timeout_ms;
    AUTO_JSON json_t *alive =
        ask(&invocation->session, "guest-ping", NULL, timeout_ms, &error);
    AUTO_JSON json_t *value = NULL;

    if (alive == NULL && error.code != ERROR_REJECTED)
        return report(invocation, &error);
    value = ask(&invocation->session, invocation->operands[0], arguments_of(invocation),
                clock_earlier_ms(GRACE_MS, timeout_ms), &error);
    if (value != NULL)
        return print_value(invocation, value);
    if (error.code != ERROR_TIMEOUT && error.code != ERROR_DISCONNECTED)
        return report(invocation, &error);
    value = json_null();
    (void)print_value(invocation, value);
    fprintf(stderr, "vmplug: agent: the agent has taken the command, and gives no reply to it "
                    "unless it fails\n");
    return 0;
}

static int run_agent(struct invocation *invocation)
{
    struct error error = ERROR_INIT;
    AUTO_JSON json_t *value = NULL;

    if (!answers_success(invocation->operands[0]))
        return run_silent(invocation);
    value = ask(&invocation->session, invocation->operands[0], arguments_of(invocation),
                invocation->options.timeout_ms, &error);
    return value != NULL ? print_value(invocation, value) : report(invocation, &error);
}

static const struct command_example qmp_examples[] = {
    {"qmp query-status", "a command without arguments"},
    {"qmp device_del '{\"id\": \"vmplug-disk-0\"}'", "a command with arguments"},
    {NULL, NULL},
};

static const struct command_example agent_examples[] = {
    {"agent guest-get-vcpus", "the guest's own list of CPUs"},
    {"agent guest-shutdown '{\"mode\": \"reboot\"}'", "answered by silence; see above"},
    {NULL, NULL},
};

static const struct command commands[] = {
    {
        .name = "qmp",
        .operands = "COMMAND [JSON]",
        .operands_min = 1,
        .operands_max = 2,
        .summary = "send one QMP command and print what it returns",
        .help = "JSON is the object of the command's arguments. What QEMU returns is printed as "
                "JSON: on one line, or indented on a terminal without --json. An error reply is "
                "printed on stderr as \"class: description\", and the exit status is 4. When the "
                "time is up the status is 6: the command may still be carried out.",
        .examples = qmp_examples,
        .options = OPTIONS_VM,
        .flags = COMMAND_NEEDS_QMP | COMMAND_TAKES_JSON,
        .check = check,
        .run = run_qmp,
    },
    {
        .name = "agent",
        .operands = "COMMAND [JSON]",
        .operands_min = 1,
        .operands_max = 2,
        .summary = "send one guest agent command and print what it returns",
        .help = "As qmp does, to the guest agent; --qmp is not needed. guest-shutdown and "
                "guest-suspend-disk, -ram and -hybrid are answered only when they fail: after two "
                "seconds of silence from an agent that was there, they count as taken, null is "
                "printed, and the exit status is 0.",
        .examples = agent_examples,
        .options = OPTIONS_VM,
        .flags = COMMAND_NEEDS_AGENT | COMMAND_TAKES_JSON,
        .check = check,
        .run = run_agent,
    },
};

const struct command_group cmd_raw_group = {
    .title = "The raw protocols", .commands = commands, .count = COUNT_OF(commands)};
