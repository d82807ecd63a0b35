/* SPDX-License-Identifier: MIT */
#include "cli/secrets.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define HIDDEN "***"

/* Of any object, sent or received. */
static const char *const members[] = {"password",   "passphrase", "passwd",  "secret",
                                      "input-data", "out-data",   "err-data"};

/* Of one command's arguments only: elsewhere these names are harmless. */
static const struct {
    const char *command;
    const char *member;
} of_commands[] = {
    {"guest-exec", "arg"},
    {"guest-exec", "env"},
    {"ringbuf-write", "data"},
    {"sev-inject-launch-secret", "packet-header"},
};

/* Files of the guest that vmplug itself reads and writes. */
static const char *const public_paths[] = {"/sys/", "/proc/meminfo", "/proc/swaps"};

static bool is_secret_name(const char *name)
{
    size_t i;

    for (i = 0; i < COUNT_OF(members); i++) {
        if (strcmp(name, members[i]) == 0)
            return true;
    }
    return false;
}

/* Properties of QEMU's objects: a secret's is "data". */
static bool is_secret_property(const char *name)
{
    return is_secret_name(name) || strcmp(name, "data") == 0;
}

static int hide(json_t *object, const char *member)
{
    if (json_object_get(object, member) == NULL)
        return 0;
    return json_object_set_new(object, member, json_string(HIDDEN));
}

static int hide_credentials(json_t *string)
{
    const char *text = json_string_value(string);
    AUTO_FREE char *copy = NULL;

    /* A string with a NUL in it is a number in disguise (qmp/codec.h), or nonsense. */
    if (strstr(text, "://") == NULL || json_string_length(string) != strlen(text))
        return 0;
    copy = strdup(text);
    if (copy == NULL)
        return -1;
    text_hide_credentials(copy);
    return json_string_set(string, copy);
}

static int hide_everywhere(json_t *value)
{
    const char *key;
    json_t *member;
    void *next;
    size_t i;

    if (json_is_string(value))
        return hide_credentials(value);
    if (strcmp(field_string(value, "qom-type", ""), "secret") == 0 && hide(value, "data") < 0)
        return -1;
    json_object_foreach_safe(value, next, key, member) {
        if (is_secret_name(key) ? hide(value, key) < 0 : hide_everywhere(member) < 0)
            return -1;
    }
    json_array_foreach(value, i, member) {
        if (hide_everywhere(member) < 0)
            return -1;
    }
    return 0;
}

/* A line of the human monitor keeps its first word. */
static int hide_line(json_t *arguments)
{
    const char *line = field_string(arguments, "command-line", "");
    char shown[128];

    if (strcasestr(line, "passw") == NULL && strcasestr(line, "secret") == NULL)
        return 0;
    (void)snprintf(shown, sizeof(shown), "%.*s " HIDDEN, (int)strcspn(line, " "), line);
    return json_object_set_new(arguments, "command-line", json_string(shown));
}

int secrets_hide_arguments(const char *command, json_t *arguments)
{
    size_t i;

    for (i = 0; i < COUNT_OF(of_commands); i++) {
        if (strcmp(command, of_commands[i].command) == 0 &&
            hide(arguments, of_commands[i].member) < 0)
            return -1;
    }
    if (strcmp(command, "qom-set") == 0 &&
        is_secret_property(field_string(arguments, "property", "")) &&
        hide(arguments, "value") < 0)
        return -1;
    if (strcmp(command, "guest-file-write") == 0 && hide(arguments, "buf-b64") < 0)
        return -1;
    if (strcmp(command, "human-monitor-command") == 0 && hide_line(arguments) < 0)
        return -1;
    return hide_everywhere(arguments);
}

/* ---- QMP: answers are told apart by their id ---- */

static bool answer_is_secret(const char *command, const json_t *arguments)
{
    return strcmp(command, "ringbuf-read") == 0 ||
           (strcmp(command, "qom-get") == 0 &&
            is_secret_property(field_string(arguments, "property", "")));
}

static void id_key(const json_t *message, char key[32])
{
    int64_t id = 0;

    (void)field_s64(message, "id", &id);
    (void)snprintf(key, 32, "%" PRId64, id);
}

static int hide_qmp_command(struct secrets *secrets, json_t *message)
{
    const char *command = field_string(message, "execute", "");
    json_t *arguments = field_object(message, "arguments");
    char key[32];

    if (answer_is_secret(command, arguments)) {
        if (secrets->asked == NULL)
            secrets->asked = json_object();
        id_key(message, key);
        if (json_object_set_new(secrets->asked, key, json_true()) < 0)
            return -1;
    }
    return secrets_hide_arguments(command, arguments);
}

static int hide_qmp_answer(struct secrets *secrets, json_t *message)
{
    char key[32];

    id_key(message, key);
    if (json_object_get(message, "event") != NULL || json_object_del(secrets->asked, key) < 0)
        return hide_everywhere(message);
    return hide(message, "return");
}

/* ---- the agent: one command at a time ---- */

static bool is_public_path(const char *path)
{
    size_t i;

    for (i = 0; i < COUNT_OF(public_paths); i++) {
        if (strncmp(path, public_paths[i], strlen(public_paths[i])) == 0 &&
            strstr(path, "..") == NULL)
            return true;
    }
    return false;
}

static void handle_key(const json_t *handle, char key[32])
{
    (void)snprintf(key, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(handle));
}

static bool is_public_file(const struct secrets *secrets, const json_t *arguments)
{
    char key[32];

    handle_key(json_object_get(arguments, "handle"), key);
    return json_object_get(secrets->public_files, key) != NULL;
}

static int hide_agent_command(struct secrets *secrets, json_t *message)
{
    const char *command = field_string(message, "execute", "");
    json_t *arguments = field_object(message, "arguments");
    bool is_public = is_public_file(secrets, arguments);

    secrets->opens_public = strcmp(command, "guest-file-open") == 0 &&
                            is_public_path(field_string(arguments, "path", ""));
    secrets->reads_public = strcmp(command, "guest-file-read") == 0 && is_public;
    secrets->agent_is_asked = (strcmp(command, "guest-file-read") == 0 && !is_public) ||
                              strcmp(command, "guest-exec-status") == 0;
    if (strcmp(command, "guest-file-write") == 0 && is_public)
        return 0;
    return secrets_hide_arguments(command, arguments);
}

static int hide_agent_answer(struct secrets *secrets, json_t *message)
{
    const json_t *value = json_object_get(message, "return");
    char key[32];

    if (secrets->opens_public && json_is_integer(value)) {
        if (secrets->public_files == NULL)
            secrets->public_files = json_object();
        handle_key(value, key);
        if (json_object_set_new(secrets->public_files, key, json_true()) < 0)
            return -1;
    }
    if (!secrets->reads_public && hide(field_object(message, "return"), "buf-b64") < 0)
        return -1;
    return hide_everywhere(message);
}

/* ---- ---- */

int secrets_hide(struct secrets *secrets, bool agent, bool sent, json_t *message)
{
    if (sent)
        return agent ? hide_agent_command(secrets, message) : hide_qmp_command(secrets, message);
    return agent ? hide_agent_answer(secrets, message) : hide_qmp_answer(secrets, message);
}

bool secrets_awaited(const struct secrets *secrets, bool agent)
{
    return agent ? secrets->agent_is_asked : json_object_size(secrets->asked) > 0;
}

void secrets_free(struct secrets *secrets)
{
    json_decref(secrets->asked);
    json_decref(secrets->public_files);
    *secrets = (struct secrets){.asked = NULL};
}
