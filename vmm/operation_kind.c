/* SPDX-License-Identifier: MIT */
/* What the kinds of device have in common before anything is sent. */
#include "vmm/operation_kind.h"
#include "vmm/words.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "qmp/codec.h"
#include "qmp/field.h"

bool operation_expects_ost(const struct operation *operation)
{
    return operation->kind->has_ost && operation->before->has_ost;
}

bool operation_guest_decides(const struct operation *operation)
{
    const struct operation_kind *kind = operation->kind;

    return kind->guest_decides && (kind->needs_guest == NULL || kind->needs_guest(operation));
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
                         before->guest.wanted
                             ? "run qemu-guest-agent in the guest, look whether another client "
                               "holds its socket, or wait for less"
                             : "give the guest agent's socket with --agent, or wait for less",
                         "nobody can say what is online in the guest: %s", before->guest.reason);
    if (lacking == NULL && operation->kind->has_baseline != NULL &&
        !operation->kind->has_baseline(before))
        return error_set(error, ERROR_BLOCKED, "try again, or wait for less",
                         "the guest agent did not list what the guest has already, or in which "
                         "blocks, and without that nothing new can be told apart");
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

    operation->result.expects_ost = operation_expects_ost(operation);
    if (wanted == RUNG_ACKNOWLEDGED)
        wanted = below; /* not every board or device has an _OST */
    operation->goal = wanted;
    if (wanted != RUNG_ONLINE || operation->kind->look_inside == NULL ||
        check_agent(operation, &lacking) == 0)
        return 0;
    if (!operation_guest_decides(operation)) {
        operation->result.missing = NULL;
        operation->blind = lacking;
        return 0;
    }
    operation->goal = below;
    if (!operation->request.wait_set)
        return 0;
    if (error != NULL)
        *error = lacking;
    return -1;
}

void operation_detail(struct operation *operation, const char *name, json_t *value)
{
    if (json_object_set_new(operation->result.details, name, value) < 0)
        operation->out_of_memory = true;
}

void operation_note(struct operation *operation, const char *text)
{
    const char *said = field_string(operation->result.details, "note", "");

    if (strstr(said, text) == NULL)
        operation_detail(operation, "note",
                         json_sprintf("%s%s%s", said, *said != '\0' ? "; " : "", text));
}

/* Its removal is pending, or has ended and left something behind. */
static bool is_going(const struct operation *operation, const char *id)
{
    AUTO_JSON json_t *record = record_list(vm_record(operation->vm));
    AUTO_JSON json_t *pending = inventory_pending(operation->before, record);
    const json_t *entry;
    size_t i;

    json_array_foreach(pending, i, entry) {
        if (strcmp(field_string(entry, "id", ""), id) == 0 &&
            strstr(field_string(entry, "operation", ""), "-remove") != NULL)
            return true;
    }
    return false;
}

int operation_choose_id(struct operation *operation, const char *prefix, unsigned first,
                        size_t length_max, struct error *error)
{
    char *id = operation->result.id;
    const char *wanted = operation->request.id;

    if (wanted != NULL && is_going(operation, wanted))
        return error_set(error, ERROR_BLOCKED, "see its removal through with vmplug wait ID, or "
                         "choose another --id",
                         "the guest has been asked to give '%s' back, and that is pending", wanted);
    if (wanted != NULL) {
        if (words_check_id(wanted, length_max, error) < 0)
            return -1;
        if (inventory_name_taken(operation->before, wanted))
            return error_set(error, ERROR_BLOCKED, "choose another --id, or none",
                             "the id '%s' is taken in this QEMU", wanted);
        (void)snprintf(id, OPERATION_ID_MAX, "%s", wanted);
        return 0;
    }
    do {
        (void)snprintf(id, OPERATION_ID_MAX, "%s%u", prefix, first++);
    } while (inventory_name_taken(operation->before, id) ||
             is_going(operation, id));
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
    if (arguments == NULL || (undo_command != NULL && undo_arguments == NULL))
        operation->out_of_memory = true;
}

void operation_advise(struct error *error, const struct operation_advice *advice)
{
    for (; advice->words != NULL; advice++) {
        if (strstr(error->why, advice->words) == NULL)
            continue;
        error_advise(error, "%s", advice->fix);
        return;
    }
}

/* The guest's ACPI looks at all slots of a kind when one is plugged: a removal that it has not
 * answered is carried out then. */
void operation_note_pending_removal(struct operation *operation)
{
    AUTO_JSON json_t *record = record_list(vm_record(operation->vm));
    AUTO_JSON json_t *entries = inventory_pending(operation->before, record);
    size_t noun = strcspn(operation->kind->name, "-") + 1, i;
    char text[OPERATION_ID_MAX + 96];
    const char *name;
    json_t *entry;

    json_array_foreach(entries, i, entry) {
        name = field_string(entry, "operation", "");
        if (!operation->kind->has_ost || operation->kind->removes ||
            !field_bool(entry, "present", false) ||
            strncmp(name, operation->kind->name, noun) != 0 || strcmp(name + noun, "remove") != 0)
            continue;
        (void)snprintf(text, sizeof(text), "the guest may now also give back '%.63s', for which it "
                       "was asked before", field_string(entry, "id", ""));
        operation_note(operation, text);
    }
}

static void add_cleanup(struct operation *operation, const struct operation_cleanup *cleanup,
                        const char *name)
{
    struct operation_cleanup *added = &operation->cleanups[operation->cleanup_count++];

    *added = *cleanup;
    (void)snprintf(added->name, sizeof(added->name), "%s", name);
}

void operation_clean_object(struct operation *operation, const char *id)
{
    static const struct operation_cleanup object = {.command = "object-del",
                                                    .argument = "id",
                                                    .list = "qom-list",
                                                    .list_path = "/objects",
                                                    .key = "name"};

    add_cleanup(operation, &object, id);
}

void operation_clean_node(struct operation *operation, const char *node_name)
{
    static const struct operation_cleanup node = {.command = "blockdev-del",
                                                  .argument = "node-name",
                                                  .list = "query-named-block-nodes",
                                                  .key = "node-name"};

    add_cleanup(operation, &node, node_name);
}

/* What the guest had last said of this slot when it was asked: anything else is its answer. */
static void remember_ost(const struct operation *operation, json_t **entry)
{
    const struct ledger_entry *last = NULL;

    if (operation_expects_ost(operation))
        last = ledger_news(vm_ledger(operation->vm), operation->kind->ost_type, operation->slot, 0);
    if (last != NULL)
        field_set(entry, "ost",
                  json_pack("{s:I, s:I}", "source", (json_int_t)last->source, "status",
                            (json_int_t)last->status));
}

/* A request that is taken up again: what the guest has answered meanwhile counts, too. */
static void recall_ost(struct operation *operation, const json_t *entry)
{
    const json_t *remembered = field_object(entry, "ost");
    const struct ledger_entry *last;
    uint32_t source = 0, status = 0;

    if (!operation_expects_ost(operation))
        return;
    last = ledger_news(vm_ledger(operation->vm), operation->kind->ost_type, operation->slot, 0);
    (void)field_unsigned(remembered, "source", &source);
    (void)field_unsigned(remembered, "status", &status);
    if (last != NULL && (last->source != source || last->status != status))
        operation->mark = 0;
}

int operation_recall_addition(struct operation *operation, struct error *error)
{
    AUTO_JSON json_t *entry = record_find(vm_record(operation->vm), operation->result.id);

    if (strcmp(field_string(entry, "operation", ""), operation->kind->name) == 0 &&
        !inventory_is_present(operation->before, entry))
        return error_set(error, ERROR_BLOCKED, "see vmplug status for what is there",
                         "the '%s' that was asked for has gone, and another one has its id",
                         operation->result.id);
    recall_ost(operation, entry);
    operation->reached[RUNG_ACKNOWLEDGED] = field_bool(entry, "acknowledged", false);
    return 0;
}

void operation_record(struct operation *operation)
{
    char why[PATH_MAX + 64], note[sizeof(why) + 96];
    json_t *cleanups = json_array();
    const struct operation_cleanup *cleanup;
    json_t *entry;
    size_t i;

    for (i = 0; i < operation->cleanup_count; i++) {
        cleanup = &operation->cleanups[i];
        field_append(&cleanups, json_pack("{s:s}", cleanup->argument, cleanup->name));
    }
    entry = json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:s, s:o}", "operation",
                      operation->kind->name, "id", operation->result.id, "path", operation->path,
                      "slot", (int)operation->slot, "addr", (json_int_t)operation->addr, "bytes",
                      (json_int_t)operation->bytes, "guest_name", operation->guest_name,
                      "cleanups", cleanups);
    field_set(&entry, "acknowledged", json_boolean(operation->reached[RUNG_ACKNOWLEDGED]));
    if (operation->kind->remember != NULL)
        operation->kind->remember(operation, &entry);
    remember_ost(operation, &entry);
    operation->was_recorded =
        record_has(vm_record(operation->vm), operation->result.id, "-remove");
    operation->unrecorded = !record_put(vm_record(operation->vm), entry);
    if (operation->unrecorded && vm_record(operation->vm) != NULL) {
        (void)snprintf(note, sizeof(note), "this request could not be recorded, and vmplug will "
                       "not know of it later: %s",
                       record_explain(vm_record(operation->vm), why, sizeof(why)));
        operation_note(operation, note);
    }
}

int operation_take_up_removal(struct operation *operation, struct error *error)
{
    const char *id = operation->request.id;
    AUTO_JSON json_t *entry = record_find(vm_record(operation->vm), id);
    const json_t *cleanup;
    size_t i;

    if (strcmp(field_string(entry, "operation", ""), operation->kind->name) != 0)
        return error_set(error, ERROR_BLOCKED, "see vmplug status for what is pending",
                         "nothing is known of a request for '%s'", id);
    text_copy(operation->result.id, OPERATION_ID_MAX, id);
    text_copy(operation->path, sizeof(operation->path), field_string(entry, "path", ""));
    text_copy(operation->guest_name, sizeof(operation->guest_name),
              field_string(entry, "guest_name", ""));
    (void)field_unsigned(entry, "slot", &operation->slot);
    (void)field_u64(entry, "addr", &operation->addr);
    (void)field_u64(entry, "bytes", &operation->bytes);
    recall_ost(operation, entry);
    json_array_foreach(field_array(entry, "cleanups"), i, cleanup) {
        if (i < OPERATION_CLEANUPS_MAX && field_string(cleanup, "node-name", NULL) != NULL)
            operation_clean_node(operation, field_string(cleanup, "node-name", ""));
        else if (i < OPERATION_CLEANUPS_MAX)
            operation_clean_object(operation, field_string(cleanup, "id", ""));
    }
    return 0;
}

struct inventory *operation_hand_on(struct operation *operation)
{
    const struct operation_request *request = &operation->request;
    struct inventory *inventory = operation->before;
    size_t i;

    if (operation->kind->enter == NULL || operation->state != OPERATION_ENDED ||
        !verdict_is_success(operation->result.verdict) || request->dry_run || request->resume ||
        operation->goal == RUNG_ONLINE || (inventory->guest.wanted && !request->wait_set))
        return NULL;
    for (i = 0; i < operation->step_count; i++) {
        if (json_object_set_new(inventory->names, operation->steps[i].makes, json_true()) < 0)
            return NULL;
    }
    return operation->kind->enter(operation) ? STEAL(operation->before) : NULL;
}

static void describe_command(json_t **list, const char *peer, const char *command,
                             json_t *arguments)
{
    json_t *line = json_pack("{s:s, s:s}", "to", peer, "execute", command);

    if (arguments != NULL)
        field_set(&line, "arguments", json_incref(arguments));
    field_append(list, line);
}

void operation_describe_plan(struct operation *operation)
{
    const struct operation_kind *kind = operation->kind;
    json_t *lines = json_array(), *expected = json_array();
    const char *const *command;
    unsigned rung;
    size_t i;

    for (i = 0; i < operation->step_count; i++)
        describe_command(&lines, "qmp", operation->steps[i].command,
                         operation->steps[i].arguments);
    for (i = 0; i < operation->cleanup_count; i++)
        field_append(&lines, json_pack("{s:s, s:s, s:{s:s}}", "to", "qmp", "execute",
                                       operation->cleanups[i].command, "arguments",
                                       operation->cleanups[i].argument,
                                       operation->cleanups[i].name));
    for (command = kind->agent_commands; operation->goal == RUNG_ONLINE && command != NULL &&
                                         operation->blind.code == ERROR_NONE && *command != NULL;
         command++)
        describe_command(&lines, "agent", *command, NULL);
    for (rung = RUNG_ACCEPTED; rung <= operation->goal; rung++) {
        if (rung != RUNG_ACKNOWLEDGED || operation_expects_ost(operation))
            field_append(&expected, json_string(operation_rung_name(&operation->result,
                                                                    (enum rung)rung)));
    }
    operation_detail(operation, "dry_run", json_true());
    operation_detail(operation, "would_send", lines);
    operation_detail(operation, "expected", expected);
}
