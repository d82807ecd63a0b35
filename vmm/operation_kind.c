/* SPDX-License-Identifier: MIT */
/* What the kinds of device have in common before anything is sent. */
#include "vmm/operation_kind.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

bool operation_expects_ost(const struct operation *operation)
{
    return operation->kind->has_ost && operation->before->has_ost;
}

/* Which of the agent's commands is not there or not allowed, NULL when all are. */
static const char *lacking_command(const struct operation *operation)
{
    const char *const *command;

    for (command = operation->kind->agent_commands; *command != NULL; command++) {
        if (!inventory_agent_has(operation->before, *command))
            return *command;
    }
    return NULL;
}

/* Why the guest can't be looked into: no agent, one without what it takes, or one that did not say
 * what was there before. Returns 0 when it can be, else -1. */
static int check_agent(struct operation *operation, struct error *error)
{
    const struct inventory *before = operation->before;
    const char *lacking = lacking_command(operation);

    operation->result.missing = "agent";
    if (!before->guest.connected)
        return error_set(error, ERROR_BLOCKED,
                         "give the guest agent's socket with --agent, or wait for less",
                         "nobody can say what is online in the guest: %s", before->guest.reason);
    if (lacking == NULL && operation->kind->has_baseline != NULL &&
        !operation->kind->has_baseline(before))
        return error_set(error, ERROR_BLOCKED, "try again, or wait for less",
                         "the guest agent did not list what the guest has already, and without "
                         "that nothing new can be told apart");
    operation->result.missing = lacking != NULL ? "agent-command" : NULL;
    if (lacking == NULL)
        return 0;
    return error_set(error, ERROR_BLOCKED,
                     "allow it in the guest's qemu-ga configuration, or wait for less",
                     "the guest agent does not offer %s", lacking);
}

int operation_set_goal(struct operation *operation, struct error *error)
{
    enum rung below = operation_expects_ost(operation) ? RUNG_ACKNOWLEDGED : RUNG_REALIZED;
    enum rung wanted = operation->request.wait_set ? operation->request.wait : RUNG_ONLINE;
    struct error lacking = ERROR_INIT;

    if (wanted == RUNG_ACKNOWLEDGED)
        wanted = below; /* not every board or device has an _OST */
    operation->goal = wanted;
    if (wanted != RUNG_ONLINE || check_agent(operation, &lacking) == 0)
        return 0;
    operation->goal = below;
    if (!operation->request.wait_set)
        return 0;
    if (error != NULL)
        *error = lacking;
    return -1;
}

void operation_detail(struct operation *operation, const char *name, json_t *value)
{
    (void)json_object_set_new(operation->result.details, name, value);
}

static bool is_well_formed(const char *id, size_t length_max)
{
    size_t length = strlen(id);
    size_t i;

    for (i = 0; i < length; i++) {
        if (!isalnum((unsigned char)id[i]) && (i == 0 || strchr("-._", id[i]) == NULL))
            return false;
    }
    return length > 0 && length <= length_max && isalpha((unsigned char)id[0]);
}

int operation_choose_id(struct operation *operation, const char *prefix, unsigned first,
                        size_t length_max, struct error *error)
{
    char *id = operation->result.id;
    const char *wanted = operation->request.id;

    if (wanted != NULL) {
        if (!is_well_formed(wanted, length_max))
            return error_set(error, ERROR_INVALID,
                             "begin with a letter, go on with letters, digits, '-', '.' or '_'",
                             "'%s' is no id, which has 1 to %zu characters", wanted, length_max);
        if (inventory_name_taken(operation->before, wanted))
            return error_set(error, ERROR_BLOCKED, "choose another --id, or none",
                             "the id '%s' is taken in this QEMU", wanted);
        (void)snprintf(id, OPERATION_ID_MAX, "%s", wanted);
        return 0;
    }
    do {
        (void)snprintf(id, OPERATION_ID_MAX, "%s%u", prefix, first++);
    } while (inventory_name_taken(operation->before, id));
    return 0;
}

void operation_add_step(struct operation *operation, const char *command, json_t *arguments,
                        const char *undo_command, json_t *undo_arguments, const char *makes)
{
    struct operation_step *step = &operation->steps[operation->step_count++];

    step->command = command;
    step->arguments = arguments;
    step->undo_command = undo_command;
    step->undo_arguments = undo_arguments;
    (void)snprintf(step->makes, sizeof(step->makes), "%s", makes);
}
