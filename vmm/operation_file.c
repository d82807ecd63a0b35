/* SPDX-License-Identifier: MIT */
/*
 * Small files of the guest, through its agent: open, read or write, close. The agent runs as root
 * in the guest, so the paths are vmplug's own or checked before. It keeps a file open until it is
 * told otherwise, so one that is under way at the deadline, or when the operation is interrupted,
 * has a grace to be closed in. Where that does not suffice, it is closed when the agent gets to it.
 * (One that can't be closed for lack of memory stays open until the agent ends.)
 */
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/field.h"
#include "vmm/operation_kind.h"

static bool is_over(const struct operation *operation)
{
    return operation->interrupted || clock_now_ms() >= operation->deadline_ms;
}

static void end(struct operation *operation)
{
    struct operation_file *file = &operation->file;

    file->under_way = false;
    if (is_over(operation))
        operation_on_timer(operation);
    else
        file->done(operation, file->failure.code == ERROR_NONE ? NULL : &file->failure);
}

static void on_closed(struct operation *operation, const json_t *value, const struct error *error)
{
    (void)value;
    (void)error;
    end(operation);
}

void operation_give_up_file(struct operation *operation)
{
    struct operation_file *file = &operation->file;

    if (file->under_way && file->handle != 0)
        vm_close_guest_file(operation->vm, file->handle);
    file->under_way = false;
    file->handle = 0;
}

static void close_file(struct operation *operation, const struct error *error)
{
    json_int_t handle = operation->file.handle;

    if (error != NULL)
        operation->file.failure = *error;
    if (clock_now_ms() >= operation->deadline_ms + OPERATION_FILE_GRACE_MS) {
        operation_give_up_file(operation);
        end(operation);
        return;
    }
    operation->file.handle = 0;
    operation_ask_agent_with(operation, "guest-file-close", json_pack("{s:I}", "handle", handle),
                             on_closed);
}

static void on_read(struct operation *operation, const json_t *value, const struct error *error)
{
    struct operation_file *file = &operation->file;

    if (!base64_decode(field_string(value, "buf-b64", ""), file->bytes, sizeof(file->bytes),
                       &file->size))
        file->size = 0;
    close_file(operation, error);
}

static void on_flushed(struct operation *operation, const json_t *value,
                       const struct error *error)
{
    (void)value;
    close_file(operation, error);
}

/* What a device attribute thinks of what was written shows when it leaves the agent's buffer. */
static void on_written(struct operation *operation, const json_t *value,
                       const struct error *error)
{
    (void)value;
    if (error != NULL || is_over(operation))
        close_file(operation, error);
    else
        operation_ask_agent_with(operation, "guest-file-flush",
                            json_pack("{s:I}", "handle", operation->file.handle), on_flushed);
}

static void read_on(struct operation *operation)
{
    operation_ask_agent_with(operation, "guest-file-read",
                        json_pack("{s:I, s:i}", "handle", operation->file.handle, "count",
                                  OPERATION_FILE_MAX),
                        on_read);
}

static void on_sought(struct operation *operation, const json_t *value, const struct error *error)
{
    (void)value;
    if (error != NULL || is_over(operation))
        close_file(operation, error);
    else
        read_on(operation);
}

static void on_opened(struct operation *operation, const json_t *value, const struct error *error)
{
    struct operation_file *file = &operation->file;

    if (error != NULL || !json_is_integer(value)) {
        (void)error_set(&file->failure, ERROR_REJECTED, "", "%s",
                        error != NULL ? error->why : "the guest agent opened nothing");
        end(operation);
        return;
    }
    file->handle = json_integer_value(value);
    if (is_over(operation))
        close_file(operation, NULL);
    else if (file->text_base64 != NULL)
        operation_ask_agent_with(operation, "guest-file-write",
                            json_pack("{s:I, s:s}", "handle", file->handle, "buf-b64",
                                      file->text_base64),
                            on_written);
    else if (file->offset > 0)
        operation_ask_agent_with(operation, "guest-file-seek",
                            json_pack("{s:I, s:I, s:s}", "handle", file->handle, "offset",
                                      (json_int_t)file->offset, "whence", "set"),
                            on_sought);
    else
        read_on(operation);
}

static void begin(struct operation *operation, const char *path, const char *text_base64,
                  uint64_t offset, operation_file_fn *done)
{
    operation->file = (struct operation_file){
        .under_way = true, .text_base64 = text_base64, .offset = offset, .done = done};
    operation_ask_agent_with(operation, "guest-file-open",
                        json_pack("{s:s, s:s}", "path", path, "mode",
                                  text_base64 != NULL ? "w" : "r"),
                        on_opened);
}

void operation_read_file(struct operation *operation, const char *path, operation_file_fn *done)
{
    begin(operation, path, NULL, 0, done);
}

void operation_read_file_at(struct operation *operation, const char *path, uint64_t offset,
                            operation_file_fn *done)
{
    begin(operation, path, NULL, offset, done);
}

void operation_write_file(struct operation *operation, const char *path, const char *text_base64,
                          operation_file_fn *done)
{
    begin(operation, path, text_base64, 0, done);
}

bool operation_can_write_files(const struct operation *operation)
{
    static const char *const commands[] = {"guest-file-open", "guest-file-write",
                                           "guest-file-flush", "guest-file-close"};
    size_t i;

    for (i = 0; i < COUNT_OF(commands); i++) {
        if (!inventory_agent_has(operation->before, commands[i]))
            return false;
    }
    return true;
}
