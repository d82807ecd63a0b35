/* SPDX-License-Identifier: MIT */
#include "daemon/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define PART_BYTES 1024 /* a message or a value */

static enum log_level most_level = LOG_LEVEL_INFO;
static unsigned long dropped;

struct line {
    char bytes[LOG_LINE_BYTES];
    size_t size;
};

void log_set_level(enum log_level most)
{
    most_level = most;
}

const char *log_time(char text[LOG_TIME_MAX])
{
    struct timespec now;
    struct tm utc;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)snprintf(text, LOG_TIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", utc.tm_year + 1900,
                   utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                   now.tv_nsec / 1000000);
    return text;
}

/* systemd names the stream that it has connected by its inode (sd_journal_stream_fd(3)). */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;

    return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
           status.st_ino == inode;
}

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {[LOG_LEVEL_ERROR] = "error",
                                        [LOG_LEVEL_WARNING] = "warning",
                                        [LOG_LEVEL_NOTICE] = "notice",
                                        [LOG_LEVEL_INFO] = "info",
                                        [LOG_LEVEL_DEBUG] = "debug"};

    return names[level];
}

/* The last byte is kept for the line's end. */
static void append(struct line *line, char character)
{
    if (line->size < sizeof(line->bytes) - 1)
        line->bytes[line->size++] = character;
}

static void append_text(struct line *line, const char *text)
{
    while (*text != '\0')
        append(line, *text++);
}

/* " key=value", in quotes where it would not be one word. */
static void append_pair(struct line *line, const char *key, const char *value)
{
    char text[PART_BYTES];
    bool quoted;
    size_t i;

    text_copy(text, sizeof(text), value);
    quoted = text[0] == '\0' || strpbrk(text, " =\"\\") != NULL;
    if (line->size > 0 && line->bytes[line->size - 1] != '>')
        append(line, ' ');
    append_text(line, key);
    append(line, '=');
    if (!quoted) {
        append_text(line, text);
        return;
    }
    append(line, '"');
    for (i = 0; text[i] != '\0'; i++) {
        if (text[i] == '"' || text[i] == '\\')
            append(line, '\\');
        append(line, text[i]);
    }
    append(line, '"');
}

static void begin(struct line *line, enum log_level level)
{
    char time[LOG_TIME_MAX];

    line->size = 0;
    if (is_journal()) {
        append(line, '<');
        append(line, (char)('0' + level));
        append(line, '>');
        return;
    }
    append_pair(line, "time", log_time(time));
    append_pair(line, "level", level_name(level));
}

static void put(struct line *line)
{
    struct pollfd polled = {.fd = STDERR_FILENO, .events = POLLOUT};
    char count[24];

    if (clock_poll(&polled, 1, 0) == 0) {
        dropped++;
        return;
    }
    if (dropped > 0) {
        (void)snprintf(count, sizeof(count), "%lu", dropped);
        append_pair(line, "dropped", count);
        dropped = 0;
    }
    line->bytes[line->size++] = '\n';
    if (write(STDERR_FILENO, line->bytes, line->size) < 0)
        dropped++;
}

void log_line(enum log_level level, const char *vm, const char *message, ...)
{
    const char *key, *value;
    struct line line;
    va_list pairs;

    if (level > most_level)
        return;
    begin(&line, level);
    if (vm != NULL)
        append_pair(&line, "vm", vm);
    append_pair(&line, "message", message);
    va_start(pairs, message);
    while ((key = va_arg(pairs, const char *)) != NULL) {
        value = va_arg(pairs, const char *);
        if (value != NULL)
            append_pair(&line, key, value);
    }
    va_end(pairs);
    put(&line);
}

void log_error(enum log_level level, const char *vm, const char *message,
               const struct error *error)
{
    log_line(level, vm, message, "why", error->why, "fix",
             error->fix[0] != '\0' ? error->fix : NULL, NULL);
}
