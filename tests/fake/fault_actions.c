/* SPDX-License-Identifier: MIT */
/* What can go wrong with a message, one function each, and the table of their names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/fake/fake.h"
#include "tests/fake/fault.h"

#define MIB (1 << 20)
#define FILLER_BYTES 65536

typedef void act_fn(struct fault_call *call);

static double number_or(const struct fault_call *call, double otherwise)
{
    return call->fault->number > 0 ? call->fault->number : otherwise;
}

static const char *text_or(const struct fault_call *call, const char *otherwise)
{
    return call->fault->text != NULL ? call->fault->text : otherwise;
}

static struct server *server_of(const struct fault_call *call)
{
    return call->faults->servers[call->side];
}

/* Sends another message in the place of this one. The value is taken over. */
static void send_other(struct fault_call *call, json_t *message)
{
    json_decref(call->message);
    call->message = message;
    fault_send(call, (struct outbox_chunk){.due_ms = 0});
}

/* What a message carries: a reply's value, an event's data, … */
static const char *payload_key(const json_t *message)
{
    static const char *const keys[] = {"return", "error", "data", "QMP"};
    size_t i;

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (json_object_get(message, keys[i]) != NULL)
            return keys[i];
    }
    return "return";
}

/* ---- the command is not carried out ---- */

static void reject(struct fault_call *call)
{
    const char *class_name =
        call->fault->class_name != NULL ? call->fault->class_name : "GenericError";
    json_t *error = json_pack("{s:{s:s, s:s}}", "error", "class", class_name, "desc",
                              text_or(call, "it was told to fail"));

    if (call->id != NULL)
        json_object_set(error, "id", call->id);
    send_other(call, error);
}

static void answer(struct fault_call *call)
{
    json_t *reply = json_pack("{s:o}", "return", fake_json(text_or(call, "{}")));

    if (call->id != NULL)
        json_object_set(reply, "id", call->id);
    send_other(call, reply);
}

static void garbage(struct fault_call *call)
{
    const char *text = text_or(call, "}] no JSON at all\r\n");

    server_send(server_of(call), text, strlen(text));
}

static void idless_error(struct fault_call *call)
{
    send_other(call, json_pack("{s:{s:s, s:s}}", "error", "class", "GenericError", "desc",
                               text_or(call, "JSON parse error, invalid keyword")));
}

static void nothing(struct fault_call *call)
{
    (void)call;
}

static void hang_up(struct fault_call *call)
{
    server_hang_up(server_of(call));
}

static void die(struct fault_call *call)
{
    call->faults->die(call->faults->user);
}

/* ---- time, pieces and order ---- */

static void eof(struct fault_call *call)
{
    char *text = json_dumps(call->message, JSON_COMPACT | JSON_ENSURE_ASCII);
    double middle = (double)strlen(text) / 2;

    free(text);
    fault_send(call,
               (struct outbox_chunk){.size = (size_t)number_or(call, middle), .hang_up = true});
}

static void delay(struct fault_call *call)
{
    fault_send(call, (struct outbox_chunk){.due_ms = clock_now_ms() + number_or(call, 100)});
}

static void late(struct fault_call *call)
{
    fault_send(call, (struct outbox_chunk){.due_ms = clock_now_ms() + number_or(call, 1000),
                                           .alone = true});
}

static void split(struct fault_call *call)
{
    fault_send(call, (struct outbox_chunk){.piece = (size_t)number_or(call, 1)});
}

static void hold_back(struct fault_call *call, enum outbox_next next)
{
    fault_send(call, (struct outbox_chunk){.due_ms = clock_now_ms() + number_or(call, 50),
                                           .next = next});
}

static void merge(struct fault_call *call)
{
    hold_back(call, OUTBOX_MERGE);
}

static void reorder(struct fault_call *call)
{
    hold_back(call, OUTBOX_SWAP);
}

static void duplicate(struct fault_call *call)
{
    fault_send(call, (struct outbox_chunk){.due_ms = 0});
    fault_send(call, (struct outbox_chunk){.due_ms = 0});
}

static void event_first(struct fault_call *call)
{
    struct fault_call event = *call;

    event.delimited = false;
    event.message = fake_json(text_or(call, "{'event':'NIC_RX_FILTER_CHANGED','data':{'path':'x'},"
                                            "'timestamp':{'seconds':1,'microseconds':2}}"));
    fault_send(&event, (struct outbox_chunk){.due_ms = 0});
    json_decref(event.message);
    fault_send(call, (struct outbox_chunk){.due_ms = 0});
}

/* ---- what a message says ---- */

static void foreign_id(struct fault_call *call)
{
    char text[128];

    if (json_is_integer(call->id)) {
        json_object_set_new(call->message, "id",
                            json_integer(json_integer_value(call->id) + 1000000));
    } else {
        (void)snprintf(text, sizeof(text), "%.100s-of-another",
                       json_is_string(call->id) ? json_string_value(call->id) : "id");
        json_object_set_new(call->message, "id", json_string(text));
    }
    fault_send(call, (struct outbox_chunk){.due_ms = 0});
}

static void wrong_type(struct fault_call *call)
{
    const char *key = payload_key(call->message);
    const json_t *value = json_object_get(call->message, key);
    const char *other = json_is_object(value)    ? "['x']"
                        : json_is_array(value)   ? "{'x':1}"
                        : json_is_integer(value) ? "'7'"
                                                 : "7";

    json_object_set_new(call->message, key, fake_json(text_or(call, other)));
    fault_send(call, (struct outbox_chunk){.due_ms = 0});
}

#define MARK "@fault@"

/* Puts the mark in the place of every scalar of this type, at any depth. */
static void mark_all(json_t *value, json_type type)
{
    json_t *member;
    const char *key;
    void *next;
    size_t i;

    json_object_foreach_safe(value, next, key, member) {
        if (json_typeof(member) == type)
            json_object_set_new(value, key, json_string(MARK));
        else
            mark_all(member, type);
    }
    json_array_foreach(value, i, member) {
        if (json_typeof(member) == type)
            json_array_set_new(value, i, json_string(MARK));
        else
            mark_all(member, type);
    }
}

/* Writes these bytes in place of every scalar of this type in what the message carries, and of a
 * member of its own, so that there is always one. */
static void poison(struct fault_call *call, json_type type, const char *bytes, size_t size)
{
    const char *key = payload_key(call->message);
    json_t *message = json_copy(call->message);
    json_t *payload = json_deep_copy(json_object_get(call->message, key));
    struct outbox_chunk chunk = {.due_ms = 0};
    char *text, *at, *mark;
    FILE *stream;

    if (json_typeof(payload) == type) {
        json_decref(payload);
        payload = json_string(MARK);
    }
    mark_all(payload, type);
    json_object_set_new(message, key, payload);
    json_object_set_new(message, "fault", json_string(MARK));
    text = json_dumps(message, JSON_COMPACT | JSON_ENSURE_ASCII);
    stream = open_memstream(&chunk.bytes, &chunk.size);
    if (text == NULL || stream == NULL)
        fake_fail("out of memory");
    (void)fputs(call->delimited ? "\xff" : "", stream);
    for (at = text; (mark = strstr(at, "\"" MARK "\"")) != NULL; at = mark + strlen(MARK) + 2) {
        (void)fwrite(at, (size_t)(mark - at), 1, stream);
        (void)fwrite(bytes, size, 1, stream);
    }
    (void)fprintf(stream, "%s\r\n", at);
    (void)fclose(stream);
    free(text);
    json_decref(message);
    server_queue(server_of(call), chunk);
}

#define POISON(call, type, bytes) poison(call, type, bytes, sizeof(bytes) - 1)

static void bad_utf8(struct fault_call *call)
{
    POISON(call, JSON_STRING, "\"\xc3\x28\"");
}

static void lone_surrogate(struct fault_call *call)
{
    POISON(call, JSON_STRING, "\"\\ud800\"");
}

static void nul(struct fault_call *call)
{
    POISON(call, JSON_STRING, "\"a\0b\"");
}

static void escaped_nul(struct fault_call *call)
{
    POISON(call, JSON_STRING, "\"a\\u0000b\"");
}

static void int63(struct fault_call *call)
{
    POISON(call, JSON_INTEGER, "9223372036854775808");
}

static void int64(struct fault_call *call)
{
    POISON(call, JSON_INTEGER, "18446744073709551616");
}

/* Queues so many times a byte, in chunks that are held once. */
static void queue_filler(const struct fault_call *call, char filler, double count)
{
    size_t size = count < FILLER_BYTES ? (size_t)count : FILLER_BYTES;
    struct outbox_chunk chunk = {.bytes = malloc(size + 1),
                                 .size = size,
                                 .repeat = ((size_t)count + FILLER_BYTES - 1) / FILLER_BYTES};

    if (chunk.bytes == NULL)
        fake_fail("out of memory");
    memset(chunk.bytes, filler, size);
    server_queue(server_of(call), chunk);
}

/* Sends a reply, the value of which is the open words, fillers, and the close words. */
static void begin_reply(const struct fault_call *call, const char *open)
{
    char *id = call->id != NULL ? json_dumps(call->id, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char *text;
    int size = asprintf(&text, "{%s%s%s\"%s\":%s", id != NULL ? "\"id\":" : "",
                        id != NULL ? id : "", id != NULL ? "," : "",
                        payload_key(call->message), open);

    if (size < 0)
        fake_fail("out of memory");
    server_queue(server_of(call), (struct outbox_chunk){.bytes = text, .size = (size_t)size});
    free(id);
}

static void huge(struct fault_call *call)
{
    begin_reply(call, "\"");
    queue_filler(call, 'x', number_or(call, 100) * MIB);
    server_send(server_of(call), "\"}\r\n", 4);
}

static void deep(struct fault_call *call)
{
    begin_reply(call, "");
    queue_filler(call, '[', number_or(call, 1e6));
    queue_filler(call, ']', number_or(call, 1e6));
    server_send(server_of(call), "}\r\n", 3);
}

/* ---- ---- */

static const struct {
    const char *name, *argument, *does;
    bool instead;
    act_fn *act;
} actions[FAULT_ACTIONS] = {
    [FAULT_REJECT] = {"reject", "TEXT", "an error with these words; CLASS: may come first", true,
                      reject},
    [FAULT_ANSWER] = {"answer", "JSON", "this value instead of doing it", true, answer},
    [FAULT_GARBAGE] = {"garbage", "TEXT", "these bytes, by default no JSON", true, garbage},
    [FAULT_IDLESS_ERROR] = {"idless-error", "TEXT", "an error that says not of what", true,
                            idless_error},
    [FAULT_IGNORE] = {"ignore", "", "not carried out, never answered", true, nothing},
    [FAULT_HANG_UP] = {"hang-up", "", "not carried out: this connection ends", true, hang_up},
    [FAULT_DIE] = {"die", "", "not carried out: both connections end, and nobody listens", true,
                   die},
    [FAULT_DROP] = {"drop", "", "carried out, never answered", false, nothing},
    [FAULT_HANG_UP_AFTER] = {"hang-up-after", "", "carried out, then this connection ends", false,
                             hang_up},
    [FAULT_DIE_AFTER] = {"die-after", "", "carried out, then both connections end", false, die},
    [FAULT_EOF] = {"eof", "BYTES", "the connection ends behind so many bytes, or half-way", false,
                   eof},
    [FAULT_DELAY] = {"delay", "MS", "this and what follows come later by 100 ms", false, delay},
    [FAULT_LATE] = {"late", "MS", "this one comes later by 1000 ms, others pass it", false, late},
    [FAULT_SPLIT] = {"split", "BYTES", "in writes of one byte each", false, split},
    [FAULT_MERGE] = {"merge", "MS", "in one write with the next that comes within 50 ms", false,
                     merge},
    [FAULT_REORDER] = {"reorder", "MS", "behind the next that comes within 50 ms", false, reorder},
    [FAULT_DUPLICATE] = {"duplicate", "", "twice", false, duplicate},
    [FAULT_EVENT_FIRST] = {"event-first", "JSON", "behind this event", false, event_first},
    [FAULT_FOREIGN_ID] = {"foreign-id", "", "with the id of another command", false, foreign_id},
    [FAULT_WRONG_TYPE] = {"wrong-type", "JSON", "with a value of another type", false, wrong_type},
    [FAULT_BAD_UTF8] = {"bad-utf8", "", "all its strings are no UTF-8", false, bad_utf8},
    [FAULT_LONE_SURROGATE] = {"lone-surrogate", "", "all its strings are \\ud800", false,
                              lone_surrogate},
    [FAULT_NUL] = {"nul", "", "all its strings have a byte 0", false, nul},
    [FAULT_ESCAPED_NUL] = {"escaped-nul", "", "all its strings have \\u0000", false, escaped_nul},
    [FAULT_INT63] = {"int63", "", "all its integers are 2^63", false, int63},
    [FAULT_INT64] = {"int64", "", "all its integers are 2^64", false, int64},
    [FAULT_HUGE] = {"huge", "MIB", "with a string of 100 MiB as value", false, huge},
    [FAULT_DEEP] = {"deep", "LEVELS", "with 1000000 arrays in one another as value", false, deep},
};

const char *fault_name(enum fault_action action)
{
    return actions[action].name;
}

const char *fault_argument(enum fault_action action)
{
    return actions[action].argument;
}

const char *fault_does(enum fault_action action)
{
    return actions[action].does;
}

bool fault_is_instead(enum fault_action action)
{
    return actions[action].instead;
}

void fault_act(struct fault_call *call)
{
    actions[call->fault->action].act(call);
}
