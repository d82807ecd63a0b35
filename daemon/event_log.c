/* SPDX-License-Identifier: MIT */
#include "daemon/event_log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "daemon/log.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define BYTES_PER_PLACE 256 /* hardly an event is shorter, all in all */
#define PLACES_MIN 16

/* A ring: the event of a number is always in the same place, NULL for one that could not be kept.
 * Numbers from `first` to `next` are those of the events that there are. */
struct event_log {
    struct event_log_entry **places;
    size_t place_count;
    size_t bytes, max_bytes;
    uint64_t first, next;
    LIST_HEAD(subscribers, event_log_subscriber) subscribers;
};

static uint64_t microseconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

struct event_log *event_log_new(size_t max_bytes)
{
    struct event_log *log = calloc(1, sizeof(*log));

    if (log == NULL)
        return NULL;
    log->max_bytes = max_bytes;
    log->place_count = max_bytes / BYTES_PER_PLACE + PLACES_MIN;
    log->places = calloc(log->place_count, sizeof(struct event_log_entry *));
    log->first = log->next = microseconds();
    if (log->places != NULL)
        return log;
    free(log);
    return NULL;
}

static struct event_log_entry **place_of(const struct event_log *log, uint64_t number)
{
    return &log->places[number % log->place_count];
}

static void entry_free(struct event_log_entry *entry)
{
    if (entry == NULL)
        return;
    free(entry->vm);
    free(entry->text);
    free(entry);
}

static void drop_first(struct event_log *log)
{
    struct event_log_entry **place = place_of(log, log->first++);

    log->bytes -= *place != NULL ? (*place)->bytes : 0;
    entry_free(STEAL(*place));
}

void event_log_free(struct event_log *log)
{
    if (log == NULL)
        return;
    while (log->first < log->next)
        drop_first(log);
    free(log->places);
    free(log);
}

static char *write_text(uint64_t number, const char *type, const char *vm, json_t *data,
                        bool truncated)
{
    char time[LOG_TIME_MAX];
    AUTO_JSON json_t *object =
        json_pack("{s:I, s:s, s:s, s:s?, s:O}", "number", (json_int_t)number, "time",
                  log_time(time), "type", type, "vm", vm, "data", data);

    if (truncated)
        field_set(&object, "truncated", json_true());
    return object != NULL ? codec_dump(object, 0) : NULL;
}

/* NULL without memory. */
static struct event_log_entry *make_entry(const struct event_log *log, const char *type,
                                          const char *vm, json_t *data)
{
    struct event_log_entry *entry = calloc(1, sizeof(*entry));

    if (entry == NULL)
        return NULL;
    entry->number = log->next;
    text_copy(entry->type, sizeof(entry->type), type);
    entry->vm = vm != NULL ? strdup(vm) : NULL;
    entry->text = write_text(log->next, type, vm, data, false);
    if (entry->text != NULL && strlen(entry->text) > log->max_bytes / 16) {
        free(entry->text);
        entry->text = write_text(log->next, type, vm, json_null(), true);
    }
    if (entry->text != NULL && (entry->vm != NULL || vm == NULL)) {
        entry->bytes = sizeof(*entry) + strlen(entry->text) + 1;
        return entry;
    }
    entry_free(entry);
    return NULL;
}

void event_log_add(struct event_log *log, const char *type, const char *vm, json_t *data)
{
    AUTO_JSON json_t *owned = data != NULL ? data : json_null();
    struct event_log_subscriber *subscriber;
    struct event_log_entry *entry;

    if (log == NULL)
        return;
    if (log->next - log->first == log->place_count)
        drop_first(log);
    entry = make_entry(log, type, vm, owned);
    *place_of(log, log->next++) = entry;
    if (entry == NULL)
        return;
    log->bytes += entry->bytes;
    while (log->bytes > log->max_bytes && log->first + 1 < log->next)
        drop_first(log);
    LIST_FOREACH(subscriber, &log->subscribers, link)
        subscriber->added(subscriber->user, entry);
}

uint64_t event_log_next(const struct event_log *log)
{
    return log->next;
}

const struct event_log_entry *event_log_find(const struct event_log *log, uint64_t number)
{
    const struct event_log_entry *entry;

    for (number = number > log->first ? number : log->first; number < log->next; number++) {
        entry = *place_of(log, number);
        if (entry != NULL)
            return entry;
    }
    return NULL;
}

void event_log_subscribe(struct event_log *log, struct event_log_subscriber *subscriber)
{
    LIST_INSERT_HEAD(&log->subscribers, subscriber, link);
}

void event_log_unsubscribe(struct event_log_subscriber *subscriber)
{
    LIST_REMOVE(subscriber, link);
}
