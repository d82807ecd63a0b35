/* SPDX-License-Identifier: MIT */
#include "cli/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/printable.h"
#include "qmp/codec.h"

#define VERBOSE_BYTES 240

/* Before a synchronisation the agent is sent a byte that is no JSON. */
#define DELIMITER 0xff

static int append_text(struct buffer *line, const char *bytes, size_t size)
{
    AUTO_FREE char *text = malloc(size + 1);
    AUTO_JSON json_t *value = NULL;

    if (text == NULL)
        return -1;
    memcpy(text, bytes, size);
    text[size] = '\0';
    value = printable_json(text);
    if (value == NULL || buffer_append(line, "\"text\":", 7) < 0)
        return -1;
    return codec_append(line, value);
}

/* Parsed and written anew, since a peer may spread a message over many lines. */
static int append_message(struct buffer *line, const char *bytes, size_t size)
{
    struct framer_message message = {.bytes = bytes, .size_bytes = size, .wide_number = true};
    AUTO_JSON json_t *value = NULL;
    bool delimited = size > 0 && (unsigned char)*bytes == DELIMITER;

    if (delimited) {
        message.bytes++;
        message.size_bytes--;
    }
    value = codec_decode(&message, NULL);
    if (value == NULL)
        return append_text(line, bytes, size);
    if (delimited && buffer_append(line, "\"delimited\":true,", 17) < 0)
        return -1;
    if (buffer_append(line, "\"message\":", 10) < 0)
        return -1;
    return codec_append(line, value);
}

/* One write a line: several processes may append to one file. */
static int record(const struct trace *trace, const char *channel, bool sent, const char *bytes,
                  size_t size)
{
    struct buffer line = {0};
    char head[128];
    int length = snprintf(head, sizeof(head),
                          "{\"ms\":%.3f,\"channel\":\"%s\",\"direction\":\"%s\",",
                          clock_now_ms(), channel, sent ? "sent" : "received");
    ssize_t written = -1;

    errno = ENOMEM;
    if (buffer_append(&line, head, (size_t)length) == 0 &&
        append_message(&line, bytes, size) == 0 && buffer_append(&line, "}\n", 2) == 0)
        written = write(trace->fd, line.bytes + line.start, buffer_size(&line));
    if (written >= 0 && (size_t)written != buffer_size(&line)) {
        errno = ENOSPC;
        written = -1;
    }
    buffer_free(&line);
    return written < 0 ? -1 : 0;
}

static void show(const struct trace *trace, const char *channel, bool sent, const char *bytes,
                 size_t size)
{
    size_t shown = size < VERBOSE_BYTES ? size : VERBOSE_BYTES;
    char text[VERBOSE_BYTES + 1];

    if (shown > 0 && (unsigned char)*bytes == DELIMITER) {
        bytes++;
        shown--;
        size--;
    }
    while (shown > 0 && shown == size && (bytes[shown - 1] == '\n' || bytes[shown - 1] == '\r')) {
        shown--;
        size--;
    }
    memcpy(text, bytes, shown);
    text[shown] = '\0';
    text_make_printable(text);
    fprintf(stderr, "%8.1f ms  %-5s %s %s%s\n", clock_now_ms() - trace->started_ms, channel,
            sent ? "->" : "<-", text, shown < size ? " ..." : "");
}

/* A trace that can't be written is given up, and that is said once: the work goes on. */
static void on_message(void *user, const char *channel, bool sent, const char *bytes,
                       size_t size_bytes)
{
    struct trace *trace = user;

    if (trace->verbose)
        show(trace, channel, sent, bytes, size_bytes);
    if (trace->fd >= 0 && record(trace, channel, sent, bytes, size_bytes) < 0) {
        fprintf(stderr, "vmplug: --trace: the trace ends here: %s\n", strerror(errno));
        trace_close(trace);
    }
}

int trace_open(struct trace *trace, const char *path, bool verbose, struct error *error)
{
    *trace = (struct trace){.fd = -1, .verbose = verbose, .started_ms = clock_now_ms()};
    if (path == NULL)
        return 0;
    trace->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (trace->fd < 0)
        return error_set_errno(error, ERROR_INVALID, errno, "give a file that you may write to",
                               "--trace: cannot open %s", path);
    return 0;
}

void trace_close(struct trace *trace)
{
    if (trace->fd >= 0)
        close(steal_fd(&trace->fd));
}

struct tap trace_tap(struct trace *trace)
{
    if (trace->fd < 0 && !trace->verbose)
        return (struct tap){.message = NULL};
    return (struct tap){.message = on_message, .user = trace};
}
