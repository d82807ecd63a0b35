/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/events: what happens, as server-sent events (HTML, 9.2), each with its number as the id.
 * A stream keeps nothing but the number that it is at, and what of an event did not fit into what
 * was just sent. Its client sees by an event `gap` that some were dropped before it read them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/event_log.h"
#include "daemon/metrics.h"
#include "daemon/v1_handlers.h"

#define STREAMS_MAX 256
#define STREAMS_EACH 192 /* of one user */
#define HEARTBEAT_SECONDS 15. /* a comment, so that it is seen who has gone */

struct stream {
    LIST_ENTRY(stream) link;
    struct v1_events *events;
    struct http_request *http;
    struct peer_id peer;
    char vm[64];     /* "": of all that the peer may see */
    uint64_t number; /* of the next event */
    struct event_log_subscriber subscriber;
    char *rest; /* of what did not fit; NULL: nothing */
    size_t rest_sent;
    bool beat;
};

struct v1_events {
    struct daemon *daemon;
    LIST_HEAD(streams, stream) streams;
    size_t count;
    ev_timer heartbeat;
    bool is_stopping;
};

static void on_heartbeat(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct v1_events *self = timer->data;
    struct stream *stream;

    (void)loop;
    (void)events;
    LIST_FOREACH(stream, &self->streams, link) {
        stream->beat = true;
        http_stream_wake(stream->http);
    }
}

struct v1_events *v1_events_new(struct daemon *daemon)
{
    struct v1_events *events = calloc(1, sizeof(*events));

    if (events == NULL)
        return NULL;
    events->daemon = daemon;
    LIST_INIT(&events->streams);
    ev_timer_init(&events->heartbeat, on_heartbeat, HEARTBEAT_SECONDS, HEARTBEAT_SECONDS);
    events->heartbeat.data = events;
    return events;
}

void v1_events_free(struct v1_events *events)
{
    free(events);
}

size_t v1_events_count(const struct v1_events *events)
{
    return events->count;
}

void v1_events_stop(struct v1_events *events)
{
    struct stream *stream;

    events->is_stopping = true;
    LIST_FOREACH(stream, &events->streams, link)
        http_stream_wake(stream->http);
}

/* ---- what is sent ---- */

/* A policy that was read anew holds at once. */
static bool is_for(const struct stream *stream, const struct event_log_entry *entry)
{
    if (stream->vm[0] != '\0' && (entry->vm == NULL || strcmp(entry->vm, stream->vm) != 0))
        return false;
    return policy_role(stream->events->daemon->policy, &stream->peer, entry->vm) >= ROLE_VIEWER;
}

static char *write_event(const struct event_log_entry *entry)
{
    char *text = NULL;

    return asprintf(&text, "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n", entry->number, entry->type,
                    entry->text) >= 0
               ? text
               : NULL;
}

/* The numbers from first to last are not to be had. */
static char *write_gap(uint64_t first, uint64_t last)
{
    char *text = NULL;

    return asprintf(&text,
                    "id: %" PRIu64 "\nevent: gap\ndata: {\"type\": \"gap\", \"first\": %" PRIu64
                    ", \"last\": %" PRIu64 "}\n\n",
                    last, first, last) >= 0
               ? text
               : NULL;
}

/* The next piece, to be freed; NULL: there is none now. */
static char *next_piece(struct stream *stream)
{
    struct daemon *daemon = stream->events->daemon;
    const struct event_log_entry *entry;
    uint64_t first;

    while ((entry = event_log_find(daemon->events, stream->number)) != NULL) {
        first = stream->number;
        stream->number = entry->number;
        if (entry->number > first) {
            metrics_gap(daemon->metrics);
            return write_gap(first, entry->number - 1);
        }
        stream->number++;
        if (is_for(stream, entry))
            return write_event(entry);
    }
    if (!stream->beat)
        return NULL;
    stream->beat = false;
    return strdup(":\n\n");
}

static ssize_t on_read(void *user, char *bytes, size_t size)
{
    struct stream *stream = user;
    size_t used = 0, length;

    if (stream->events->is_stopping)
        return -1;
    while (used < size) {
        if (stream->rest == NULL) {
            stream->rest = next_piece(stream);
            stream->rest_sent = 0;
        }
        if (stream->rest == NULL)
            break;
        length = strlen(stream->rest + stream->rest_sent);
        length = length < size - used ? length : size - used;
        memcpy(bytes + used, stream->rest + stream->rest_sent, length);
        used += length;
        stream->rest_sent += length;
        if (stream->rest[stream->rest_sent] == '\0')
            free(STEAL(stream->rest));
    }
    return (ssize_t)used;
}

static void on_closed(void *user)
{
    struct stream *stream = user;
    struct v1_events *events = stream->events;

    event_log_unsubscribe(&stream->subscriber);
    LIST_REMOVE(stream, link);
    if (--events->count == 0)
        ev_timer_stop(events->daemon->loop, &events->heartbeat);
    peer_free(&stream->peer);
    free(stream->rest);
    free(stream);
}

/* What is of no interest to a client that has read all else wakes nobody, and leaves no gap. */
static void on_added(void *user, const struct event_log_entry *entry)
{
    struct stream *stream = user;

    if (stream->number == entry->number && !is_for(stream, entry))
        stream->number++;
    else
        http_stream_wake(stream->http);
}

/* ---- the beginning ---- */

/* The number behind which it begins: what the client has seen. 0: with the oldest that there is. */
static int find_beginning(struct v1_request *request, struct stream *stream)
{
    const struct event_log *log = request->daemon->events;
    const char *last = http_request_header(request->http, "Last-Event-ID");
    uint64_t seen = UINT64_MAX;
    const struct event_log_entry *entry;

    if (v1_api_number(request, "since", 0, INT64_MAX, &seen) < 0)
        return -1;
    if (last != NULL && last[0] != '\0' && last[strspn(last, "0123456789")] == '\0')
        seen = strtoull(last, NULL, 10);
    entry = event_log_find(log, 0);
    if (seen == 0)
        stream->number = entry != NULL ? entry->number : event_log_next(log);
    else if (seen < event_log_next(log))
        stream->number = seen + 1;
    else
        stream->number = event_log_next(log);
    return 0;
}

/* So that the client knows, before anything happens, that it is heard, and from where on. */
static char *greet(const struct stream *stream)
{
    char *text = NULL;

    return asprintf(&text, "retry: 1000\nid: %" PRIu64 "\n\n", stream->number - 1) >= 0 ? text
                                                                                        : NULL;
}

static struct stream *stream_new(struct v1_request *request)
{
    struct stream *stream = calloc(1, sizeof(*stream));

    if (stream == NULL || peer_copy(&stream->peer, request->peer, NULL) < 0) {
        free(stream);
        v1_api_fail(request, 500, "system", "out of memory", "try again later");
        return NULL;
    }
    if (find_beginning(request, stream) == 0)
        return stream;
    peer_free(&stream->peer);
    free(stream);
    return NULL;
}

static bool is_crowded(const struct v1_request *request)
{
    const struct v1_events *events = request->api->events;
    const struct stream *stream;
    size_t own = 0;

    LIST_FOREACH(stream, &events->streams, link)
        own += stream->peer.uid == request->peer->uid ? 1 : 0;
    return events->count >= STREAMS_MAX || own >= STREAMS_EACH;
}

void v1_events_follow(struct v1_request *request)
{
    const char *vm = http_request_parameter(request->http, "vm");
    struct v1_events *events = request->api->events;
    struct stream *stream;

    if (is_crowded(request)) {
        v1_api_fail(request, 503, "unavailable", "too many follow events already",
                    "try again later");
        return;
    }
    if (vm != NULL && !v1_api_may(request, vm, ROLE_VIEWER)) {
        v1_api_fail(request, 403, "forbidden", "you may not see this VM's events",
                    "ask the host's administrator for a role");
        return;
    }
    stream = stream_new(request);
    if (stream == NULL)
        return;
    stream->events = events;
    stream->http = request->http;
    (void)snprintf(stream->vm, sizeof(stream->vm), "%s", vm != NULL ? vm : "");
    stream->rest = greet(stream);
    stream->subscriber = (struct event_log_subscriber){.added = on_added, .user = stream};
    event_log_subscribe(events->daemon->events, &stream->subscriber);
    LIST_INSERT_HEAD(&events->streams, stream, link);
    if (events->count++ == 0)
        ev_timer_again(events->daemon->loop, &events->heartbeat);
    http_request_stream(request->http, "text/event-stream",
                        &(const struct http_stream_source){
                            .read = on_read, .closed = on_closed, .user = stream});
    v1_api_let_go(request);
}
