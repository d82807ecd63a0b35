/* SPDX-License-Identifier: MIT */
#include "manifest/document.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/quantity.h"
#include "manifest/value.h"

#define PATH_MAX_BYTES 160
#define SOURCE_MAX_BYTES 100

/* ---- the document ---- */

/* Places that say nothing but how many values there are. Returns the next one. */
static struct place *fill_places(const json_t *value, struct place *place)
{
    struct place *next = place + 1;
    const char *key;
    json_t *inner;
    size_t i;

    json_array_foreach(value, i, inner)
        next = fill_places(inner, next);
    json_object_foreach((json_t *)value, key, inner)
        next = fill_places(inner, next);
    place->values = (unsigned)(next - place);
    return next;
}

int document_init(struct document *document, const char *source, json_t *value,
                  struct error *error)
{
    AUTO_FREE char *copy = strdup(source);
    struct place *places = calloc(value_measure(value).values, sizeof(*places));

    if (copy == NULL || places == NULL) {
        free(places);
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    }
    (void)fill_places(value, places);
    *document = (struct document){
        .source = STEAL(copy), .root = json_incref(value), .places = places};
    return 0;
}

void document_free(struct document *document)
{
    free(document->source);
    json_decref(document->root);
    free(document->places);
    *document = (struct document){.source = NULL};
}

void document_list_free(struct document_list *list)
{
    size_t i;

    for (i = 0; i < list->count; i++)
        document_free(&list->items[i]);
    free(list->items);
    *list = (struct document_list){.count = 0};
}

/* ---- where something is ---- */

struct text {
    char *bytes;
    size_t size, used;
};

__attribute__((format(printf, 2, 3)))
static void append(struct text *text, const char *format, ...)
{
    size_t room = text->size - text->used;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text->bytes + text->used, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        text->used += (size_t)length < room ? (size_t)length : room - 1;
}

/* A key that has a dot or a slash in it stands in brackets, as in Kubernetes' own errors. */
static void append_key(struct text *path, const char *key)
{
    const char *at = key;

    while (isalnum((unsigned char)*at) || *at == '-' || *at == '_')
        at++;
    if (*at == '\0' && at != key)
        append(path, path->used > 0 ? ".%.63s" : "%.63s", key);
    else
        append(path, "[%.63s]", key);
}

/* A part of the document; where it is not there, what is around it. */
static struct node step_into(struct node outer, const char *key, size_t index)
{
    struct node item;

    if (key != NULL)
        return document_get(outer, key);
    item = document_first(outer);
    while (item.value != NULL && index-- > 0)
        item = document_next(item);
    return item.value != NULL ? item : outer;
}

/* Takes *beside, the root of another document, down to the same part of that. */
static void write_path(struct node node, struct node *beside, struct text *path)
{
    const struct place *places = node.document->places;
    const json_t *value = node.document->root;
    size_t at = 0;

    /* Down to the inner value whose places hold the node's. */
    while (at != node.place) {
        const char *key = NULL;
        json_t *inner = NULL;
        void *iter = json_object_iter((json_t *)value);
        size_t i = 0;

        for (at++; node.place >= at + places[at].values; at += places[at].values) {
            iter = json_object_iter_next((json_t *)value, iter);
            i++;
        }
        if (iter != NULL) {
            key = json_object_iter_key(iter);
            inner = json_object_iter_value(iter);
            append_key(path, key);
        } else {
            inner = json_array_get(value, i);
            append(path, "[%zu]", i);
        }
        value = inner;
        if (beside->document != node.document)
            *beside = step_into(*beside, key, i);
    }
    if (node.value == NULL && node.key != NULL)
        append_key(path, node.key);
}

/* "web.yaml:7:13: spec.running: ", of the value or of its key. A source or a path that is too long
 * loses what is in front. */
static void write_where(struct node node, bool of_key, struct text *text)
{
    const struct document *written = node.document->written;
    struct error unused = ERROR_INIT;
    struct node beside = written != NULL ? document_root(written, &unused) : node;
    const struct place *place;
    const char *source = node.document->source;
    size_t length = strlen(source);
    char bytes[LINE_MAX];
    struct text path = {.bytes = bytes, .size = sizeof(bytes)};

    bytes[0] = '\0';
    write_path(node, &beside, &path);
    place = &beside.document->places[beside.place];
    if (length > SOURCE_MAX_BYTES)
        append(text, "...%s", source + length - SOURCE_MAX_BYTES);
    else
        append(text, "%s", source);
    if (place->line > 0)
        append(text, ":%u:%u", of_key ? place->key_line : place->line,
               of_key ? place->key_column : place->column);
    if (path.used > PATH_MAX_BYTES)
        append(text, ": ...%s", bytes + path.used - PATH_MAX_BYTES);
    else if (path.used > 0)
        append(text, ": %s", bytes);
}

const char *document_where(struct node node, char text[DOCUMENT_WHERE_MAX])
{
    struct text whole = {.bytes = text, .size = DOCUMENT_WHERE_MAX};

    write_where(node, true, &whole);
    return text;
}

void document_refuse(struct node node, const char *fix, const char *why, ...)
{
    char where[DOCUMENT_WHERE_MAX], words[256];
    struct text whole = {.bytes = where, .size = sizeof(where)};
    va_list arguments;

    if (node.error->code != ERROR_NONE)
        return;
    va_start(arguments, why);
    (void)vsnprintf(words, sizeof(words), why, arguments);
    va_end(arguments);
    write_where(node, false, &whole);
    (void)error_set(node.error, ERROR_INVALID, fix, "%s: %s", where, words);
}

/* ---- going down ---- */

struct node document_root(const struct document *document, struct error *error)
{
    return (struct node){.document = document, .error = error, .value = document->root};
}

bool document_is_there(struct node node)
{
    return node.value != NULL && !json_is_null(node.value);
}

static struct node inner_node(struct node outer, json_t *value, const char *key, size_t index,
                              size_t place)
{
    return (struct node){.document = outer.document,
                         .error = outer.error,
                         .value = value,
                         .parent = outer.value,
                         .key = key,
                         .index = index,
                         .place = place};
}

struct node document_get(struct node object, const char *key)
{
    size_t place = object.place + 1;
    const char *member;
    json_t *value;

    if (object.value == NULL || (json_is_null(object.value) && object.parent == NULL))
        return object;
    if (document_is_object(object)) {
        json_object_foreach((json_t *)object.value, member, value) {
            if (strcmp(member, key) == 0)
                return inner_node(object, value, member, 0, place);
            place += object.document->places[place].values;
        }
    }
    return inner_node(object, NULL, key, 0, object.place);
}

struct node document_first(struct node outer)
{
    json_t *value = json_array_get(outer.value, 0);
    void *iter = json_object_iter((json_t *)outer.value);

    if (iter != NULL)
        return inner_node(outer, json_object_iter_value(iter), json_object_iter_key(iter), 0,
                          outer.place + 1);
    if (value == NULL && document_is_there(outer) && !json_is_array(outer.value))
        (void)document_is_object(outer);
    return inner_node(outer, value, NULL, 0, outer.place + 1);
}

struct node document_next(struct node inner)
{
    size_t place = inner.place + inner.document->places[inner.place].values;
    struct node outer = inner;
    void *iter;

    outer.value = inner.parent;
    if (inner.key == NULL)
        return inner_node(outer, json_array_get(outer.value, inner.index + 1), NULL,
                          inner.index + 1, place);
    iter = json_object_iter_next((json_t *)outer.value,
                                 json_object_key_to_iter(inner.key));
    return inner_node(outer, iter != NULL ? json_object_iter_value(iter) : NULL,
                      iter != NULL ? json_object_iter_key(iter) : NULL, 0, place);
}

void document_each_unknown(struct node object, const char *const *known,
                           document_unknown_fn *tell, void *user)
{
    const char *const *word;
    struct node member;

    if (!json_is_object(object.value))
        return;
    DOCUMENT_EACH(member, object) {
        for (word = known; *word != NULL && strcmp(*word, member.key) != 0; word++)
            continue;
        if (*word == NULL)
            tell(member, user);
    }
}

/* ---- typed values ---- */

static void describe(const json_t *value, char *text, size_t size)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",  [JSON_STRING] = "",
        [JSON_INTEGER] = "",         [JSON_REAL] = "",         [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    const char *string = json_string_value(value);

    if (string != NULL)
        (void)snprintf(text, size, strlen(string) > 40 ? "\"%.40s...\"" : "\"%s\"", string);
    else if (json_is_integer(value))
        (void)snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        (void)snprintf(text, size, "%.15g", json_real_value(value));
    else
        (void)snprintf(text, size, "%s", names[json_typeof(value)]);
}

/* "must be WANTED, not …". Returns false. */
__attribute__((format(printf, 3, 4)))
static bool refuse_type(struct node node, const char *fix, const char *wanted, ...)
{
    char words[160], found[64];
    va_list arguments;

    va_start(arguments, wanted);
    (void)vsnprintf(words, sizeof(words), wanted, arguments);
    va_end(arguments);
    describe(node.value, found, sizeof(found));
    document_refuse(node, fix, "must be %s, not %s", words, found);
    return false;
}

bool document_is_object(struct node node)
{
    if (!document_is_there(node))
        return false;
    return json_is_object(node.value) || refuse_type(node, "", "an object");
}

bool document_is_list(struct node node)
{
    if (!document_is_there(node))
        return false;
    return json_is_array(node.value) || refuse_type(node, "", "a list");
}

bool document_require(struct node node)
{
    if (document_is_there(node))
        return true;
    document_refuse(node, "", "is missing");
    return false;
}

bool document_string(struct node node, const char **ret)
{
    if (!document_is_there(node))
        return false;
    if (!json_is_string(node.value))
        return refuse_type(node, json_is_object(node.value) || json_is_array(node.value)
                                     ? ""
                                     : "put it in quotes", "a string");
    *ret = json_string_value(node.value);
    return true;
}

bool document_bool(struct node node, bool *ret)
{
    if (!document_is_there(node))
        return false;
    if (!json_is_boolean(node.value))
        return refuse_type(node, "write true or false, without quotes", "true or false");
    *ret = json_is_true(node.value);
    return true;
}

/* Does a string begin like a number? */
static bool is_quoted_number(const json_t *value)
{
    const char *text = json_string_value(value);

    return text != NULL && isdigit((unsigned char)text[text[0] == '-']);
}

bool document_integer(struct node node, int64_t least, int64_t most, int64_t *ret)
{
    json_int_t number = json_integer_value(node.value);

    if (!document_is_there(node))
        return false;
    if (!json_is_integer(node.value) || number < least || number > most)
        return refuse_type(node, is_quoted_number(node.value) ? "write it without quotes" : "",
                           "a whole number from %" PRId64 " to %" PRId64, least, most);
    *ret = number;
    return true;
}

bool document_unsigned(struct node node, unsigned least, unsigned most, unsigned *ret)
{
    int64_t number = 0;

    if (!document_integer(node, least, most, &number))
        return false;
    *ret = (unsigned)number;
    return true;
}

bool document_bytes(struct node node, uint64_t *ret_bytes)
{
    struct error inner = ERROR_INIT;
    char number[64];
    const char *text = json_string_value(node.value);

    if (!document_is_there(node))
        return false;
    if (json_is_number(node.value)) {
        describe(node.value, number, sizeof(number));
        text = number;
    }
    if (text == NULL)
        return refuse_type(node, "write it as 512Mi or 2Gi", "a quantity");
    if (quantity_parse(text, ret_bytes, &inner) < 0) {
        document_refuse(node, inner.fix, "%s", inner.why);
        return false;
    }
    return true;
}

bool document_choice(struct node node, const char *const *words, unsigned *ret)
{
    char list[128] = "";
    struct text text = {.bytes = list, .size = sizeof(list)};
    const char *string = json_string_value(node.value);
    unsigned i;

    if (!document_is_there(node))
        return false;
    for (i = 0; words[i] != NULL; i++) {
        if (string != NULL && strcmp(string, words[i]) == 0) {
            *ret = i;
            return true;
        }
        append(&text, i == 0 ? "%s" : words[i + 1] != NULL ? ", %s" : " or %s", words[i]);
    }
    return refuse_type(node, "", "%s", list);
}
