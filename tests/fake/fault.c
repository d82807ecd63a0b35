/* SPDX-License-Identifier: MIT */
#include "tests/fake/fault.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/fake.h"

#define GREETING "greeting"
#define EVENT "event "
#define WORD " \t"

/* ---- which fault ---- */

static bool is_command(const char *target)
{
    return strcmp(target, GREETING) != 0 && strncmp(target, EVENT, strlen(EVENT)) != 0;
}

static bool befalls(const struct fault *fault, enum sim_side side, const char *target)
{
    if (fault->side != side && fault->side != SIM_ANY)
        return false;
    if (fault->command == NULL || strcmp(fault->command, "*") == 0)
        return is_command(target);
    if (strcmp(fault->command, EVENT "*") == 0)
        return strncmp(target, EVENT, strlen(EVENT)) == 0;
    return strcmp(fault->command, target) == 0;
}

static const struct fault *find(struct faults *faults, enum sim_side side, const char *target)
{
    const struct fault *fault;
    unsigned i, hit;

    for (i = 0; i < faults->count; i++) {
        fault = &faults->list[i];
        if (!befalls(fault, side, target))
            continue;
        hit = faults->hits[i]++;
        if (hit >= fault->skip && (fault->times == 0 || hit < fault->skip + fault->times))
            return fault;
    }
    return NULL;
}

/* ---- what goes through ---- */

void fault_send(const struct fault_call *call, struct outbox_chunk chunk)
{
    const char *before = call->delimited ? "\xff" : "";
    const char *after = call->side == SIM_QMP ? "\r\n" : "\n";
    char *text = json_dumps(call->message, JSON_COMPACT | JSON_ENSURE_ASCII);
    int size = asprintf(&chunk.bytes, "%s%s%s", before, text, after);

    if (text == NULL || size < 0)
        fake_fail("out of memory");
    free(text);
    chunk.size = chunk.size > 0 && chunk.size < (size_t)size ? chunk.size : (size_t)size;
    server_queue(call->faults->servers[call->side], chunk);
}

static void go(struct fault_call *call)
{
    if (call->fault != NULL)
        fault_act(call);
    else
        fault_send(call, (struct outbox_chunk){.due_ms = 0});
    json_decref(call->message);
}

void fault_command(struct faults *faults, enum sim_side side, const json_t *command)
{
    const char *name = json_string_value(json_object_get(command, "execute"));
    struct fault_call call = {.faults = faults,
                              .side = side,
                              .fault = find(faults, side, name),
                              .id = json_object_get(command, "id")};

    faults->steps++;
    if (call.fault == NULL || !fault_is_instead(call.fault->action))
        call.message = faults->carry_out(faults->user, side, command);
    call.delimited = strcmp(name, "guest-sync-delimited") == 0 &&
                     json_object_get(call.message, "return") != NULL;
    if (call.message != NULL && call.id != NULL)
        json_object_set(call.message, "id", call.id);
    go(&call);
}

static void say(struct faults *faults, const char *target, json_t *message)
{
    struct fault_call call = {.faults = faults,
                              .side = SIM_QMP,
                              .fault = find(faults, SIM_QMP, target),
                              .message = message};

    go(&call);
}

void fault_greet(struct faults *faults, json_t *greeting)
{
    say(faults, GREETING, greeting);
}

void fault_emit(struct faults *faults, const char *event, json_t *message)
{
    char target[128];

    (void)snprintf(target, sizeof(target), EVENT "%s", event);
    say(faults, target, message);
}

/* ---- scripts ---- */

/* Cuts the next word off. NULL when there is none. */
static char *next_word(char **at)
{
    char *word = *at + strspn(*at, WORD);
    size_t length = strcspn(word, WORD);

    if (length == 0)
        return NULL;
    *at = word[length] != '\0' ? word + length + 1 : word + length;
    word[length] = '\0';
    return word;
}

static bool take_side(const char *word, struct fault *fault)
{
    static const char *const names[] = {[SIM_QMP] = "qmp", [SIM_AGENT] = "agent",
                                        [SIM_ANY] = "any"};
    size_t i;

    for (i = 0; word != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], word) == 0) {
            fault->side = (enum sim_side)i;
            return true;
        }
    }
    return false;
}

/* "#3": the third; "#3+": from it on; "#3-5": these. Takes it off. */
static bool take_times(char *target, struct fault *fault)
{
    char *number = strchr(target, '#');
    unsigned first, last;
    int used = 0;

    if (number == NULL)
        return true;
    *number++ = '\0';
    if (sscanf(number, "%u-%u%n", &first, &last, &used) == 2 && number[used] == '\0') {
        fault->times = last - first + 1;
    } else if (sscanf(number, "%u%n", &first, &used) == 1 && strcmp(number + used, "+") == 0) {
        last = first;
    } else if (used > 0 && number[used] == '\0') {
        last = first;
        fault->times = 1;
    } else {
        return false;
    }
    fault->skip = first - 1;
    return first > 0 && last >= first;
}

static bool take_action(const char *word, struct fault *fault)
{
    unsigned i;

    for (i = 0; word != NULL && i < FAULT_ACTIONS; i++) {
        if (strcmp(fault_name((enum fault_action)i), word) == 0) {
            fault->action = (enum fault_action)i;
            return true;
        }
    }
    return false;
}

/* QEMU's error classes; see qapi/error.json. */
static void take_class(struct fault *fault)
{
    static const char *const classes[] = {"GenericError", "CommandNotFound", "DeviceNotActive",
                                          "DeviceNotFound", "KVMMissingCap"};
    size_t i, length;

    for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        length = strlen(classes[i]);
        if (strncmp(fault->text, classes[i], length) == 0 && fault->text[length] == ':') {
            fault->class_name = classes[i];
            fault->text += length + 1 + strspn(fault->text + length + 1, WORD);
            return;
        }
    }
}

static bool is_json(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

    json_decref(value);
    return value != NULL;
}

static bool take_argument(const char *words, struct fault *fault)
{
    const char *kind = fault_argument(fault->action);
    int used = 0;

    words += strspn(words, WORD);
    if (*words == '\0')
        return true;
    fault->text = words;
    if (fault->action == FAULT_REJECT)
        take_class(fault);
    if (*kind == '\0' || (strcmp(kind, "JSON") == 0 && !is_json(words)))
        return false;
    if (strcmp(kind, "JSON") == 0 || strcmp(kind, "TEXT") == 0)
        return true;
    fault->text = NULL;
    return sscanf(words, "%lf%n", &fault->number, &used) == 1 && words[used] == '\0' &&
           fault->number > 0;
}

static const char *parse(char *at, struct fault *fault)
{
    char *target;

    if (!take_side(next_word(&at), fault))
        return "begins with qmp, agent or any";
    target = next_word(&at);
    if (target == NULL)
        return "has no command, greeting or event behind the side";
    fault->command = target;
    if (strcmp(target, "event") == 0) {
        if (next_word(&at) == NULL)
            return "has no event's name";
        target[strlen("event")] = ' ';
    }
    if (!take_times(target, fault))
        return "has no number behind #: #3, #3+ or #3-5";
    if (!take_action(next_word(&at), fault))
        return "names an unknown fault";
    return take_argument(at, fault) ? NULL : "has an argument that its fault does not take";
}

int fault_add_line(struct faults *faults, const char *line, struct error *error)
{
    struct fault fault = {.times = 0};
    const char *start = line + strspn(line, WORD);
    const char *wrong;
    char *copy;

    if (strcspn(start, "#\r\n") == 0)
        return 0;
    copy = strndup(start, strcspn(start, "\r\n"));
    wrong = parse(copy, &fault);
    if (wrong != NULL) {
        free(copy);
        return error_set(error, ERROR_INVALID, "SIDE COMMAND[#N] FAULT [ARGUMENT]",
                         "the fault '%s' %s", start, wrong);
    }
    fault_add(faults, fault);
    faults->lines[faults->count - 1] = copy;
    return 0;
}

void fault_add(struct faults *faults, struct fault fault)
{
    if (faults->count == FAULTS_MAX)
        fake_fail("too many faults");
    faults->hits[faults->count] = 0;
    faults->lines[faults->count] = NULL;
    faults->list[faults->count++] = fault;
}

void fault_clear(struct faults *faults)
{
    while (faults->count > 0)
        free(faults->lines[--faults->count]);
}
