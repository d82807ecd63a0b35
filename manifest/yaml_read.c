/* SPDX-License-Identifier: MIT */
#include "manifest/yaml_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/cleanup.h"
#include "manifest/limits.h"
#include "manifest/scalar.h"
#include "manifest/value.h"
#include "manifest/yaml_problem.h"
#include "qmp/codec.h"

#define CORE_TAG "tag:yaml.org,2002:"

struct anchor {
    char *name;
    const json_t *value; /* NULL: not yet at its end; the document's */
    size_t place;
};

struct reader {
    yaml_parser_t parser;
    const char *source;
    const char *text;
    struct error *error;
    size_t values, bytes; /* of all documents */

    /* Of the document that is being read. */
    struct place *places;
    size_t count, capacity;
    struct anchor anchors[LIMITS_ANCHORS];
    size_t anchor_count;
};

#define AUTO_EVENT CLEANUP(yaml_event_delete)

static json_t *compose(struct reader *reader, const yaml_event_t *event, unsigned depth);

/* ---- errors ---- */

__attribute__((format(printf, 4, 5)))
static int refuse(const struct reader *reader, yaml_mark_t mark, const char *fix, const char *why,
                  ...)
{
    char words[256];
    va_list arguments;

    va_start(arguments, why);
    (void)vsnprintf(words, sizeof(words), why, arguments);
    va_end(arguments);
    return error_set(reader->error, ERROR_INVALID, fix, "%.100s:%zu:%zu: %s", reader->source,
                     mark.line + 1, mark.column + 1, words);
}

static int no_memory(const struct reader *reader)
{
    return error_set(reader->error, ERROR_SYSTEM, "", "out of memory");
}

static int next_event(struct reader *reader, yaml_event_t *event)
{
    if (yaml_parser_parse(&reader->parser, event) != 0)
        return 0;
    return yaml_problem(&reader->parser, reader->source, reader->text, reader->error);
}

/* ---- places ---- */

/* Room for so many more values and their text. */
static int take_room(struct reader *reader, yaml_mark_t mark, size_t values, size_t bytes)
{
    size_t capacity = reader->capacity != 0 ? reader->capacity : 64;
    struct place *places;

    if (values > LIMITS_VALUES - reader->values)
        return refuse(reader, mark, "split the file", "this is more than %d values", LIMITS_VALUES);
    if (bytes > LIMITS_TEXT_BYTES - reader->bytes)
        return refuse(reader, mark, "use fewer aliases", "this is more than %zu MiB of text",
                      LIMITS_TEXT_BYTES >> 20);
    while (capacity < reader->count + values)
        capacity *= 2;
    if (capacity != reader->capacity) {
        places = reallocarray(reader->places, capacity, sizeof(*places));
        if (places == NULL)
            return no_memory(reader);
        reader->places = places;
        reader->capacity = capacity;
    }
    reader->values += values;
    reader->bytes += bytes;
    return 0;
}

static void set_place(struct place *place, yaml_mark_t mark)
{
    place->line = place->key_line = (unsigned)mark.line + 1;
    place->column = place->key_column = (unsigned)mark.column + 1;
}

/* Where the next value begins; how many are in it is known at its end. */
static int push_place(struct reader *reader, yaml_mark_t mark, size_t bytes)
{
    if (take_room(reader, mark, 1, bytes) < 0)
        return -1;
    reader->places[reader->count].values = 1;
    set_place(&reader->places[reader->count++], mark);
    return 0;
}

/* ---- anchors ---- */

static int define_anchor(struct reader *reader, yaml_mark_t mark, const yaml_char_t *name,
                         size_t place)
{
    struct anchor *anchor = &reader->anchors[reader->anchor_count];

    if (name == NULL)
        return 0;
    if (reader->anchor_count == LIMITS_ANCHORS)
        return refuse(reader, mark, "write out what the anchors stand for",
                      "this is more than %d anchors", LIMITS_ANCHORS);
    *anchor = (struct anchor){.name = strdup((const char *)name), .place = place};
    if (anchor->name == NULL)
        return no_memory(reader);
    reader->anchor_count++;
    return 0;
}

/* What the anchor at this place stands for is known. */
static void close_anchor(struct reader *reader, size_t place, const json_t *value)
{
    size_t i = reader->anchor_count;

    while (i-- > 0) {
        if (reader->anchors[i].place == place)
            reader->anchors[i].value = value;
    }
}

static void forget_anchors(struct reader *reader)
{
    while (reader->anchor_count > 0)
        free(reader->anchors[--reader->anchor_count].name);
}

static json_t *compose_alias(struct reader *reader, const yaml_event_t *event, unsigned depth)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = NULL;
    yaml_mark_t mark = event->start_mark;
    struct measure measure;
    json_t *copy;
    size_t i = reader->anchor_count;

    while (anchor == NULL && i-- > 0) {
        if (strcmp(reader->anchors[i].name, name) == 0)
            anchor = &reader->anchors[i];
    }
    if (anchor == NULL)
        return refuse(reader, mark, "", "no anchor &%.60s before this *%.60s", name, name), NULL;
    if (anchor->value == NULL)
        return refuse(reader, mark, "write out what is meant",
                      "*%.60s stands inside of what it stands for", name), NULL;
    measure = value_measure(anchor->value);
    if (depth + measure.depth > LIMITS_DEPTH)
        return refuse(reader, mark, "", "this is nested more than %d deep", LIMITS_DEPTH), NULL;
    if (take_room(reader, mark, measure.values, measure.bytes) < 0)
        return NULL;
    memcpy(&reader->places[reader->count], &reader->places[anchor->place],
           measure.values * sizeof(*reader->places));
    set_place(&reader->places[reader->count], mark);
    reader->count += measure.values;
    copy = json_deep_copy(anchor->value);
    if (copy == NULL)
        (void)no_memory(reader);
    return copy;
}

/* ---- scalars ---- */

/* Is it the tag of YAML's own that has this name? */
static bool is_tag(const yaml_char_t *tag, const char *name)
{
    return strncmp((const char *)tag, CORE_TAG, strlen(CORE_TAG)) == 0 &&
           strcmp((const char *)tag + strlen(CORE_TAG), name) == 0;
}

static int refuse_tag(const struct reader *reader, yaml_mark_t mark, const yaml_char_t *tag)
{
    const char *name = (const char *)tag;
    bool core = strncmp(name, CORE_TAG, strlen(CORE_TAG)) == 0;

    return refuse(reader, mark, "take the tag out", "no value of the tag %s%.80s",
                  core ? "!!" : "", core ? name + strlen(CORE_TAG) : name);
}

/* Resolves it by its tag, if it has one, or by its text, if that has no quotes. */
static int resolve(const struct reader *reader, const yaml_event_t *event, struct scalar *scalar)
{
    const yaml_char_t *tag = event->data.scalar.tag;
    const char *text = (const char *)event->data.scalar.value;
    bool fits;

    *scalar = (struct scalar){.kind = SCALAR_STRING};
    if (strlen(text) != event->data.scalar.length)
        return refuse(reader, event->start_mark, "take it out", "a NUL in the text");
    if (tag == NULL) {
        if (event->data.scalar.plain_implicit)
            *scalar = scalar_resolve(text);
        return 0;
    }
    if (is_tag(tag, "str") || strcmp((const char *)tag, "!") == 0)
        return 0;
    *scalar = scalar_resolve(text);
    fits = (is_tag(tag, "null") && scalar->kind == SCALAR_NULL) ||
           (is_tag(tag, "bool") && scalar->kind == SCALAR_BOOL) ||
           (is_tag(tag, "int") && scalar->kind == SCALAR_INTEGER) ||
           (is_tag(tag, "float") &&
            (scalar->kind == SCALAR_INTEGER || scalar->kind == SCALAR_REAL));
    return fits ? 0 : refuse_tag(reader, event->start_mark, tag);
}

static json_t *scalar_value(const struct reader *reader, const yaml_event_t *event,
                            const struct scalar *scalar)
{
    const char *text = (const char *)event->data.scalar.value;
    json_t *value = NULL;

    switch (scalar->kind) {
    case SCALAR_STRING:
        value = json_string(text);
        break;
    case SCALAR_NULL:
        value = json_null();
        break;
    case SCALAR_BOOL:
        value = json_boolean(scalar->boolean);
        break;
    case SCALAR_INTEGER:
        value = json_integer(scalar->integer);
        break;
    case SCALAR_REAL:
        value = json_real(scalar->real);
        break;
    case SCALAR_TOO_LARGE:
        return refuse(reader, event->start_mark, "put it in quotes if it is a text",
                      "%.40s is no number from -2^63 to 2^63-1", text), NULL;
    case SCALAR_INFINITE:
        return refuse(reader, event->start_mark, "put it in quotes if it is a text",
                      "%s is no number that JSON has", text), NULL;
    }
    if (value == NULL)
        (void)no_memory(reader);
    return value;
}

static json_t *compose_scalar(struct reader *reader, const yaml_event_t *event)
{
    size_t place = reader->count;
    struct scalar scalar;
    json_t *value;

    if (push_place(reader, event->start_mark, event->data.scalar.length) < 0 ||
        define_anchor(reader, event->start_mark, event->data.scalar.anchor, place) < 0 ||
        resolve(reader, event, &scalar) < 0)
        return NULL;
    value = scalar_value(reader, event, &scalar);
    close_anchor(reader, place, value);
    return value;
}

/* ---- objects and lists ---- */

static json_t *compose_list(struct reader *reader, const yaml_event_t *start, unsigned depth)
{
    const yaml_char_t *tag = start->data.sequence_start.tag;
    AUTO_JSON json_t *list = json_array();
    size_t place = reader->count;
    json_t *value;

    if (tag != NULL && !is_tag(tag, "seq"))
        return refuse_tag(reader, start->start_mark, tag), NULL;
    if (push_place(reader, start->start_mark, 0) < 0 ||
        define_anchor(reader, start->start_mark, start->data.sequence_start.anchor, place) < 0)
        return NULL;
    for (;;) {
        AUTO_EVENT yaml_event_t event = {.type = YAML_NO_EVENT};

        if (next_event(reader, &event) < 0)
            return NULL;
        if (event.type == YAML_SEQUENCE_END_EVENT)
            break;
        value = compose(reader, &event, depth + 1);
        if (value == NULL)
            return NULL;
        if (json_array_append_new(list, value) < 0)
            return no_memory(reader), NULL;
    }
    reader->places[place].values = (unsigned)(reader->count - place);
    close_anchor(reader, place, list);
    return STEAL(list);
}

/* The key that has already been there is the one whose place is told. */
static int refuse_again(const struct reader *reader, yaml_mark_t mark, const json_t *object,
                        size_t place, const char *again)
{
    const char *key;
    json_t *value;

    place++;
    json_object_foreach((json_t *)object, key, value) {
        if (strcmp(key, again) == 0)
            break;
        place += reader->places[place].values;
    }
    return refuse(reader, mark, "take one of them out",
                  "the key '%.60s' is there already, in line %u, column %u", again,
                  reader->places[place].key_line, reader->places[place].key_column);
}

static int check_key(struct reader *reader, const yaml_event_t *event, const json_t *object,
                     size_t place)
{
    const char *key = (const char *)event->data.scalar.value;
    yaml_mark_t mark = event->start_mark;
    struct scalar scalar;

    if (event->type == YAML_ALIAS_EVENT ||
        (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor != NULL))
        return refuse(reader, mark, "write the key itself", "an anchor or an alias as a key");
    if (event->type != YAML_SCALAR_EVENT)
        return refuse(reader, mark, "put it in quotes; templates are to be filled in beforehand",
                      "a key that is a list or an object, not a string");
    if (resolve(reader, event, &scalar) < 0)
        return -1;
    if (event->data.scalar.plain_implicit && strcmp(key, "<<") == 0)
        return refuse(reader, mark, "write out what is to be merged", "a merge key");
    if (scalar.kind == SCALAR_NULL)
        return refuse(reader, mark, "write key: value, or put it in quotes",
                      "a key that is null, not a string");
    if (scalar.kind != SCALAR_STRING)
        return refuse(reader, mark, "put it in quotes", "the key %.60s reads as a %s, not a string",
                      key, scalar.kind == SCALAR_BOOL ? "boolean" : "number");
    if (json_object_get(object, key) != NULL)
        return refuse_again(reader, mark, object, place, key);
    if (event->data.scalar.length > LIMITS_TEXT_BYTES - reader->bytes)
        return refuse(reader, mark, "", "this is more than %zu MiB of text",
                      LIMITS_TEXT_BYTES >> 20);
    reader->bytes += event->data.scalar.length;
    return 0;
}

/* Reads the member whose key has just come. */
static int compose_member(struct reader *reader, const yaml_event_t *key, json_t *object,
                          unsigned depth)
{
    AUTO_EVENT yaml_event_t event = {.type = YAML_NO_EVENT};
    size_t place = reader->count;
    json_t *value;

    if (next_event(reader, &event) < 0)
        return -1;
    value = compose(reader, &event, depth + 1);
    if (value == NULL)
        return -1;
    reader->places[place].key_line = (unsigned)key->start_mark.line + 1;
    reader->places[place].key_column = (unsigned)key->start_mark.column + 1;
    if (json_object_set_new(object, (const char *)key->data.scalar.value, value) < 0)
        return no_memory(reader);
    return 0;
}

static json_t *compose_object(struct reader *reader, const yaml_event_t *start, unsigned depth)
{
    const yaml_char_t *tag = start->data.mapping_start.tag;
    AUTO_JSON json_t *object = json_object();
    size_t place = reader->count;

    if (tag != NULL && !is_tag(tag, "map"))
        return refuse_tag(reader, start->start_mark, tag), NULL;
    if (push_place(reader, start->start_mark, 0) < 0 ||
        define_anchor(reader, start->start_mark, start->data.mapping_start.anchor, place) < 0)
        return NULL;
    for (;;) {
        AUTO_EVENT yaml_event_t key = {.type = YAML_NO_EVENT};

        if (next_event(reader, &key) < 0)
            return NULL;
        if (key.type == YAML_MAPPING_END_EVENT)
            break;
        if (check_key(reader, &key, object, place) < 0 ||
            compose_member(reader, &key, object, depth) < 0)
            return NULL;
    }
    reader->places[place].values = (unsigned)(reader->count - place);
    close_anchor(reader, place, object);
    return STEAL(object);
}

/* The value that an event begins, and all inside of it. depth: of what it stands in. */
static json_t *compose(struct reader *reader, const yaml_event_t *event, unsigned depth)
{
    if (event->type == YAML_SCALAR_EVENT)
        return compose_scalar(reader, event);
    if (event->type == YAML_ALIAS_EVENT)
        return compose_alias(reader, event, depth);
    if (depth == LIMITS_DEPTH)
        return refuse(reader, event->start_mark, "", "this is nested more than %d deep",
                      LIMITS_DEPTH), NULL;
    if (event->type == YAML_SEQUENCE_START_EVENT)
        return compose_list(reader, event, depth);
    return compose_object(reader, event, depth);
}

/* ---- documents ---- */

static int reader_open(struct reader *reader, const char *source, const char *text,
                       size_t size_bytes, struct error *error)
{
    *reader = (struct reader){.source = source, .text = text, .error = error};
    if (size_bytes > LIMITS_FILE_BYTES)
        return error_set(error, ERROR_INVALID, "split it",
                         "%.100s: a manifest of more than %zu MiB", source,
                         LIMITS_FILE_BYTES >> 20);
    if (yaml_parser_initialize(&reader->parser) == 0)
        return no_memory(reader);
    yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader->parser, (const unsigned char *)text, size_bytes);
    return 0;
}

static void reader_close(struct reader *reader)
{
    forget_anchors(reader);
    free(reader->places);
    yaml_parser_delete(&reader->parser);
}

/* Reads the next document. Returns 1 with its value, 0 at the end of the text, -1 on an error. */
static int read_document(struct reader *reader, json_t **ret, yaml_mark_t *ret_mark)
{
    for (;;) {
        AUTO_EVENT yaml_event_t event = {.type = YAML_NO_EVENT};

        if (next_event(reader, &event) < 0)
            return -1;
        if (event.type == YAML_STREAM_END_EVENT)
            return 0;
        if (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_START_EVENT ||
            event.type == YAML_DOCUMENT_END_EVENT)
            continue;
        forget_anchors(reader);
        reader->count = 0;
        *ret_mark = event.start_mark;
        *ret = compose(reader, &event, 0);
        return *ret != NULL ? 1 : -1;
    }
}

static int set_document(const struct reader *reader, struct document *document, json_t *value,
                        const struct place *places)
{
    AUTO_FREE char *source = strdup(reader->source);
    struct place *copy = calloc(places->values, sizeof(*copy));

    if (source == NULL || copy == NULL) {
        free(copy);
        return no_memory(reader);
    }
    memcpy(copy, places, places->values * sizeof(*copy));
    *document = (struct document){
        .source = STEAL(source), .root = json_incref(value), .places = copy};
    return 0;
}

static int add_document(const struct reader *reader, struct document_list *list, json_t *value,
                        const struct place *place)
{
    const yaml_mark_t mark = {.line = place->line - 1, .column = place->column - 1};
    struct document *items;

    if (!json_is_object(value))
        return refuse(reader, mark, "begin it with apiVersion: and kind:",
                      "a document that is no object");
    if (list->count == LIMITS_DOCUMENTS)
        return refuse(reader, mark, "take fewer at once", "this is more than %d documents",
                      LIMITS_DOCUMENTS);
    items = reallocarray(list->items, list->count + 1, sizeof(*items));
    if (items == NULL)
        return no_memory(reader);
    list->items = items;
    if (set_document(reader, &items[list->count], value, place) < 0)
        return -1;
    list->count++;
    return 0;
}

/* Adds a document, or those in the List that it is. */
static int take_document(const struct reader *reader, struct document_list *list, json_t *value,
                         const struct place *place)
{
    const char *kind = json_string_value(json_object_get(value, "kind"));
    size_t length = kind != NULL ? strlen(kind) : 0, i;
    json_t *items = json_object_get(value, "items"), *member, *item;
    const char *key;

    if (length < 4 || strcmp(kind + length - 4, "List") != 0 || !json_is_array(items))
        return add_document(reader, list, value, place);
    place++;
    json_object_foreach(value, key, member) {
        if (member == items)
            break;
        place += place->values;
    }
    place++;
    json_array_foreach(items, i, item) {
        if (take_document(reader, list, item, place) < 0)
            return -1;
        place += place->values;
    }
    return 0;
}

int yaml_read(struct document_list *list, const char *source, const char *text, size_t size_bytes,
              struct error *error)
{
    struct reader reader;
    yaml_mark_t mark;
    int status = reader_open(&reader, source, text, size_bytes, error);

    while (status == 0) {
        AUTO_JSON json_t *value = NULL;
        int found = read_document(&reader, &value, &mark);

        if (found <= 0) {
            status = found;
            break;
        }
        if (!json_is_null(value))
            status = take_document(&reader, list, value, reader.places);
    }
    reader_close(&reader);
    return status;
}

int yaml_read_value(struct document *document, const char *source, const char *text,
                    size_t size_bytes, struct error *error)
{
    AUTO_JSON json_t *value = NULL, *second = NULL;
    struct reader reader;
    yaml_mark_t mark;
    int status = reader_open(&reader, source, text, size_bytes, error);

    *document = (struct document){.source = NULL};
    if (status == 0) {
        status = read_document(&reader, &value, &mark);
        if (status == 0)
            status = error_set(error, ERROR_INVALID, "", "%.100s: is empty", source);
        else if (status > 0)
            status = set_document(&reader, document, value, reader.places);
    }
    if (status == 0) {
        status = read_document(&reader, &second, &mark);
        if (status > 0)
            status = refuse(&reader, mark, "write one", "a second document");
    }
    if (status < 0)
        document_free(document);
    reader_close(&reader);
    return status;
}
