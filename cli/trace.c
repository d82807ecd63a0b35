/* SPDX-License-Identifier: MIT */
#include "cli/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "config.h"
#include "qmp/codec.h"

#define VERBOSE_BYTES 240

/* Before a synchronisation the agent is sent a byte that is no JSON. */
#define DELIMITER 0xff

/* What has passed, as it may be shown. */
struct passage {
    const char *channel;
    bool sent, closed, delimited, is_text;
    json_t *value; /* a string where is_text */
};

/* ---- the file ---- */

/* A trace that can't be written is given up, and that is said once: the work goes on. */
static void give_up(struct trace *trace, const char *why)
{
    fprintf(stderr, "vmplug: --trace: the trace ends here: %s\n", why);
    close(steal_fd(&trace->fd));
}

/* One write a line where the file takes it: several processes may append to one. A pipe takes less
 * when the process is stopped while it waits, and a disk what it has room for. */
static void write_line(struct trace *trace, struct buffer *line)
{
    ssize_t written;

    while (buffer_size(line) > 0) {
        written = write(trace->fd, buffer_bytes(line), buffer_size(line));
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            give_up(trace, strerror(errno));
            return;
        }
        trace->bytes += (size_t)written;
        buffer_consume(line, (size_t)written);
    }
}

static int append_format(struct buffer *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int append_format(struct buffer *line, const char *format, ...)
{
    char text[192];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return buffer_append(line, text, (size_t)length);
}

static int append_head(struct buffer *line, const char *channel, const char *direction)
{
    return append_format(line, "{\"ms\":%.3f,\"channel\":\"%s\",\"direction\":\"%s\"",
                         clock_now_ms(), channel, direction);
}

static int append_member(struct buffer *line, const char *key, const json_t *value)
{
    return append_format(line, ",\"%s\":", key) < 0 ? -1 : codec_append(line, value);
}

/* Writes a line that is well-formed (0) or lacked memory (-1), and ends at the limit. */
static void finish_line(struct trace *trace, struct buffer *line, int status)
{
    char why[64];

    if (status < 0 || buffer_append(line, "}\n", 2) < 0) {
        give_up(trace, strerror(ENOMEM));
    } else if (trace->bytes + buffer_size(line) <= trace->limit_bytes) {
        write_line(trace, line);
    } else {
        buffer_consume(line, buffer_size(line));
        if (append_head(line, "vmplug", "end") == 0 &&
            append_format(line, ",\"limit\":%" PRIu64 "}\n", trace->limit_bytes) == 0)
            write_line(trace, line);
        (void)snprintf(why, sizeof(why), "the file has reached %" PRIu64 " MiB",
                       trace->limit_bytes >> 20);
        if (trace->fd >= 0)
            give_up(trace, why);
    }
    buffer_free(line);
}

static void record(struct trace *trace, const struct passage *passage)
{
    const char *direction = passage->closed ? "closed" : passage->sent ? "sent" : "received";
    struct buffer line = {0};
    int status = append_head(&line, passage->channel, direction);

    if (status == 0 && passage->delimited)
        status = append_format(&line, ",\"delimited\":true");
    if (status == 0 && !passage->closed)
        status = append_member(&line, passage->is_text ? "text" : "message", passage->value);
    finish_line(trace, &line, status);
}

/* An argument as it was given, but for what is secret in it. */
static json_t *shown_argument(const struct trace_run *run, const char *argument)
{
    AUTO_JSON json_t *value = NULL;
    AUTO_FREE char *text = NULL;

    if (argument != run->raw_json) {
        text = strdup(argument);
    } else {
        value = codec_parse(argument, NULL);
        if (value != NULL && secrets_hide_arguments(run->raw_command, value) == 0)
            text = codec_dump(value, 0);
    }
    if (text == NULL)
        return NULL;
    text_hide_credentials(text);
    return codec_string(text);
}

static json_t *shown_arguments(const struct trace_run *run)
{
    AUTO_JSON json_t *list = json_array();
    const char *const *argument;

    for (argument = run->arguments; *argument != NULL; argument++) {
        if (json_array_append_new(list, shown_argument(run, *argument)) < 0)
            return NULL;
    }
    return STEAL(list);
}

static json_t *shown_path(const char *path)
{
    return path != NULL ? codec_string(path) : json_null();
}

void trace_begin(struct trace *trace, const struct trace_run *run)
{
    AUTO_JSON json_t *arguments = NULL, *qmp = NULL, *agent = NULL;
    struct buffer line = {0};
    int status;

    if (trace->fd < 0)
        return;
    arguments = shown_arguments(run);
    qmp = shown_path(run->qmp_path);
    agent = shown_path(run->agent_path);
    status = append_head(&line, "vmplug", "begin");
    if (status == 0)
        status = append_format(&line, ",\"trace\":%d,\"version\":\"%s\"", TRACE_FORMAT,
                               PACKAGE_VERSION);
    if (arguments == NULL || qmp == NULL || agent == NULL || status < 0 ||
        append_member(&line, "arguments", arguments) < 0 ||
        append_member(&line, "qmp", qmp) < 0 || append_member(&line, "agent", agent) < 0)
        status = -1;
    finish_line(trace, &line, status);
}

void trace_end(struct trace *trace, int exit_code)
{
    struct buffer line = {0};
    int status;

    if (trace->fd < 0)
        return;
    status = append_head(&line, "vmplug", "end");
    if (status == 0)
        status = append_format(&line, ",\"exit\":%d", exit_code);
    finish_line(trace, &line, status);
}

/* ---- --verbose ---- */

static void show(const struct trace *trace, const struct passage *passage)
{
    const char *arrow = passage->closed ? "--" : passage->sent ? "->" : "<-";
    AUTO_FREE char *text = passage->closed ? strdup("closed by the other side")
                                           : codec_dump(passage->value, 0);
    bool cut = text != NULL && strlen(text) > VERBOSE_BYTES;

    if (text == NULL)
        return;
    if (cut)
        text[VERBOSE_BYTES] = '\0';
    text_make_printable(text);
    fprintf(stderr, "%8.1f ms  %-5s %s %s%s\n", clock_now_ms() - trace->started_ms,
            passage->channel, arrow, text, cut ? " ..." : "");
}

/* ---- the tap ---- */

static json_t *read_text(const struct trace *trace, const char *channel, const char *bytes,
                         size_t size)
{
    AUTO_FREE char *text = NULL;

    if (secrets_awaited(&trace->secrets, strcmp(channel, "agent") == 0))
        return json_string("***");
    text = strndup(bytes, size);
    return text != NULL ? codec_string(text) : NULL;
}

/* Parsed and written anew, since a peer may spread a message over many lines. Returns 0, or -1
 * when memory runs out. */
static int read_message(struct trace *trace, struct passage *passage, const char *bytes,
                        size_t size)
{
    struct framer_message message = {.bytes = bytes, .size_bytes = size, .wide_number = true};
    struct error error = ERROR_INIT;

    passage->delimited = size > 0 && (unsigned char)*bytes == DELIMITER;
    if (passage->delimited) {
        message.bytes++;
        message.size_bytes--;
    }
    passage->value = codec_decode(&message, &error);
    if (error.code == ERROR_SYSTEM)
        return -1; /* it may be JSON with secrets in it */
    passage->is_text = passage->value == NULL;
    if (passage->is_text) {
        passage->value = read_text(trace, passage->channel, bytes, size);
        return passage->value != NULL ? 0 : -1;
    }
    return secrets_hide(&trace->secrets, strcmp(passage->channel, "agent") == 0, passage->sent,
                        passage->value);
}

static void on_message(void *user, const char *channel, bool sent, const char *bytes,
                       size_t size_bytes)
{
    struct trace *trace = user;
    struct passage passage = {.channel = channel, .sent = sent, .closed = bytes == NULL};
    bool readable = passage.closed || read_message(trace, &passage, bytes, size_bytes) == 0;

    if (trace->verbose && readable)
        show(trace, &passage);
    if (trace->fd >= 0 && readable)
        record(trace, &passage);
    else if (trace->fd >= 0)
        give_up(trace, strerror(ENOMEM));
    json_decref(passage.value);
}

int trace_open(struct trace *trace, const char *path, bool verbose, struct error *error)
{
    struct stat status;

    *trace = (struct trace){.fd = -1,
                            .verbose = verbose,
                            .started_ms = clock_now_ms(),
                            .limit_bytes = TRACE_LIMIT_BYTES};
    if (path == NULL)
        return 0;
    trace->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (trace->fd < 0)
        return error_set_errno(error, ERROR_INVALID, errno, "give a file that you may write to",
                               "--trace: cannot open %s", path);
    if (fstat(trace->fd, &status) == 0 && status.st_size > 0)
        trace->bytes = (uint64_t)status.st_size;
    return 0;
}

void trace_close(struct trace *trace)
{
    if (trace->fd >= 0)
        close(steal_fd(&trace->fd));
    secrets_free(&trace->secrets);
}

struct tap trace_tap(struct trace *trace)
{
    if (trace->fd < 0 && !trace->verbose)
        return (struct tap){.message = NULL};
    return (struct tap){.message = on_message, .user = trace};
}
