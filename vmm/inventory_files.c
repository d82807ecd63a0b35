/* SPDX-License-Identifier: MIT */
/*
 * The guest's files, read through its agent: open, read, close. The agent has descriptors for so
 * many only, so that one is open at a time, and the others wait for their turn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "qmp/field.h"
#include "vmm/inventory_parts.h"

struct inventory_reading {
    STAILQ_ENTRY(inventory_reading) link;
    char path[INVENTORY_FILE_PATH_MAX];
    size_t bytes_max;
    inventory_take_file_fn *take;
    void *item;
    int64_t handle;
};

static void open_first(struct inventory_question *question);

bool inventory_can_read_files(const struct inventory *inventory)
{
    return inventory_agent_has(inventory, "guest-file-open") &&
           inventory_agent_has(inventory, "guest-file-read") &&
           inventory_agent_has(inventory, "guest-file-close");
}

void inventory_forget_readings(struct inventory_question *question)
{
    struct inventory_reading *reading;

    while ((reading = STAILQ_FIRST(&question->readings)) != NULL) {
        STAILQ_REMOVE_HEAD(&question->readings, link);
        free(reading);
    }
}

/* An agent that is gone, or silent, is asked for no further file. */
static bool is_gone(const struct error *error)
{
    return error != NULL && error->code != ERROR_REJECTED;
}

/* The first reading has ended. */
static void go_on(struct inventory_question *question, const struct error *error)
{
    struct inventory_reading *reading = STAILQ_FIRST(&question->readings);

    STAILQ_REMOVE_HEAD(&question->readings, link);
    free(reading);
    if (is_gone(error))
        inventory_forget_readings(question);
    else
        open_first(question);
}

static void take_closed(void *user, void *item, const json_t *value, const struct error *error)
{
    (void)item;
    (void)value;
    go_on(user, error);
}

static void take_content(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_question *question = user;
    const struct inventory_reading *reading = item;
    const char *base64 = field_string(value, "buf-b64", NULL);
    AUTO_FREE char *text =
        base64 != NULL ? gather_allocate(question->gather, 1, strlen(base64) + 1) : NULL;
    size_t size = 0;

    if (text != NULL && base64_decode(base64, (unsigned char *)text, strlen(base64), &size)) {
        text[size] = '\0';
        if (!reading->take(question->inventory, reading->item, text, size, NULL))
            gather_out_of_memory(question->gather);
    }
    if (is_gone(error) || gather_is_late(question->gather)) {
        vm_close_guest_file(question->vm, reading->handle);
        go_on(question, error);
        return;
    }
    gather_ask_with(question->gather, PEER_AGENT, "guest-file-close",
                    json_pack("{s:I}", "handle", (json_int_t)reading->handle), take_closed, NULL);
}

static void take_handle(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_question *question = user;
    struct inventory_reading *reading = item;

    if (!json_is_integer(value)) {
        if (error != NULL && error->code == ERROR_REJECTED)
            (void)reading->take(question->inventory, reading->item, NULL, 0, error->why);
        go_on(question, error);
        return;
    }
    reading->handle = json_integer_value(value);
    gather_ask_with(question->gather, PEER_AGENT, "guest-file-read",
                    json_pack("{s:I, s:I}", "handle", (json_int_t)reading->handle, "count",
                              (json_int_t)reading->bytes_max),
                    take_content, reading);
}

static void open_first(struct inventory_question *question)
{
    struct inventory_reading *reading = STAILQ_FIRST(&question->readings);

    if (reading != NULL)
        gather_ask_with(question->gather, PEER_AGENT, "guest-file-open",
                        json_pack("{s:s, s:s}", "path", reading->path, "mode", "r"), take_handle,
                        reading);
}

void inventory_read_file(struct inventory_question *question, const char *path, size_t bytes_max,
                         inventory_take_file_fn *take, void *item)
{
    bool is_first = STAILQ_EMPTY(&question->readings);
    struct inventory_reading *reading;

    if (!inventory_can_read_files(question->inventory))
        return;
    reading = gather_allocate(question->gather, 1, sizeof(*reading));
    if (reading == NULL)
        return;
    (void)snprintf(reading->path, sizeof(reading->path), "%s", path);
    reading->bytes_max = bytes_max;
    reading->take = take;
    reading->item = item;
    STAILQ_INSERT_TAIL(&question->readings, reading, link);
    if (is_first)
        open_first(question);
}
