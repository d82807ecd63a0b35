/* SPDX-License-Identifier: MIT */
#include "cli/report.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "vmm/result_json.h"
#include "qmp/codec.h"

void report_line(const char *what, const struct error *error)
{
    char line[sizeof(error->why) + sizeof(error->fix) + 128];

    (void)snprintf(line, sizeof(line), "vmplug: %s%s%s; %s", what != NULL ? what : "",
                   what != NULL ? ": " : "", error->why, result_json_fix(error));
    text_make_printable(line);
    fprintf(stderr, "%s\n", line);
}

enum verdict report_verdict(const struct error *error, bool was_ready)
{
    switch (error->code) {
    case ERROR_BLOCKED:
        return VERDICT_BLOCKED;
    case ERROR_REJECTED:
        return VERDICT_REJECTED;
    case ERROR_CANCELLED:
        return VERDICT_INTERRUPTED;
    case ERROR_DISCONNECTED:
        return was_ready ? VERDICT_LOST : VERDICT_ERROR;
    default:
        return VERDICT_ERROR;
    }
}

int report_exit_code(enum verdict verdict, const struct error *error)
{
    if (verdict != VERDICT_ERROR || error == NULL)
        return verdict_exit_code(verdict);
    switch (error->code) {
    case ERROR_INVALID:
        return 2;
    case ERROR_CONNECT:
    case ERROR_BUSY:
    case ERROR_PROTOCOL:
    case ERROR_LIMIT:
    case ERROR_DISCONNECTED:
        return 3;
    default:
        return verdict_exit_code(verdict);
    }
}

const char *report_name_operation(const struct command *command, char name[COMMAND_NAME_MAX])
{
    char *space;

    (void)snprintf(name, COMMAND_NAME_MAX, "%s", command != NULL ? command->name : "vmplug");
    while ((space = strchr(name, ' ')) != NULL)
        *space = '-';
    return name;
}

static void print_object(struct invocation *invocation, const char *id, enum verdict verdict,
                         const struct error *error)
{
    AUTO_JSON json_t *object = NULL;
    char operation[COMMAND_NAME_MAX];

    if (invocation->out.json) {
        object = result_json_failure(report_name_operation(invocation->command, operation), id,
                                     verdict, error);
        output_json(&invocation->out, object, 0);
    }
    output_flush(&invocation->out);
}

int report_failure(struct invocation *invocation, enum verdict verdict, const struct error *error)
{
    return report_device_failure(invocation, NULL, verdict, error);
}

int report_device_failure(struct invocation *invocation, const char *id, enum verdict verdict,
                          const struct error *error)
{
    print_object(invocation, id, verdict, error);
    report_line(invocation->command->name, error);
    return report_exit_code(verdict, error);
}

int report_mistake(struct invocation *invocation, const struct error *error)
{
    print_object(invocation, NULL, VERDICT_ERROR, error);
    report_line(NULL, error);
    return report_exit_code(VERDICT_ERROR, error);
}
