/* SPDX-License-Identifier: MIT */
#include "manifest/yaml_write.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/buffer.h"
#include "manifest/scalar.h"

static bool emit_value(yaml_emitter_t *emitter, const json_t *value);

static int write_bytes(void *user, unsigned char *bytes, size_t size)
{
    return buffer_append(user, bytes, size) == 0;
}

/* The event is the emitter's, whatever becomes of it. */
static bool emit(yaml_emitter_t *emitter, int made, yaml_event_t *event)
{
    return made != 0 && yaml_emitter_emit(emitter, event) != 0;
}

static bool emit_text(yaml_emitter_t *emitter, const char *text, yaml_scalar_style_t style)
{
    yaml_event_t event;

    return emit(emitter,
                yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                             (int)strlen(text), 1, 1, style),
                &event);
}

/* Would a reader of YAML 1.1 take it for a number to the base of 60? Ours does not. */
static bool is_sexagesimal(const char *text)
{
    return strchr(text, ':') != NULL && text[strspn(text, "0123456789_:.+-")] == '\0';
}

/* A plain text that can't be one gets single quotes of libyaml, and double ones if it has what must
 * be escaped; so does a text of several lines. */
static bool emit_string(yaml_emitter_t *emitter, const char *text, bool is_key)
{
    yaml_scalar_style_t style = YAML_PLAIN_SCALAR_STYLE;

    if (scalar_resolve(text).kind != SCALAR_STRING || strcmp(text, "<<") == 0 ||
        is_sexagesimal(text) || (is_key && strchr(text, '\n') != NULL))
        style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    else if (strchr(text, '\n') != NULL)
        style = YAML_LITERAL_SCALAR_STYLE;
    return emit_text(emitter, text, style);
}

/* With as few digits as say which it is. */
static bool emit_real(yaml_emitter_t *emitter, double real)
{
    char text[40];
    int digits = 15;

    do
        (void)snprintf(text, sizeof(text), "%.*g", digits, real);
    while (strtod(text, NULL) != real && digits++ < 17);
    return emit_text(emitter, text, YAML_PLAIN_SCALAR_STYLE);
}

static bool emit_integer(yaml_emitter_t *emitter, json_int_t integer)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, integer);
    return emit_text(emitter, text, YAML_PLAIN_SCALAR_STYLE);
}

static bool emit_list(yaml_emitter_t *emitter, const json_t *list)
{
    yaml_event_t event;
    const json_t *value;
    size_t i;

    if (!emit(emitter,
              yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
                                                   YAML_BLOCK_SEQUENCE_STYLE),
              &event))
        return false;
    json_array_foreach(list, i, value) {
        if (!emit_value(emitter, value))
            return false;
    }
    return emit(emitter, yaml_sequence_end_event_initialize(&event), &event);
}

static bool emit_object(yaml_emitter_t *emitter, const json_t *object)
{
    yaml_event_t event;
    const char *key;
    json_t *value;

    if (!emit(emitter,
              yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE),
              &event))
        return false;
    json_object_foreach((json_t *)object, key, value) {
        if (!emit_string(emitter, key, true) || !emit_value(emitter, value))
            return false;
    }
    return emit(emitter, yaml_mapping_end_event_initialize(&event), &event);
}

static bool emit_value(yaml_emitter_t *emitter, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return emit_object(emitter, value);
    case JSON_ARRAY:
        return emit_list(emitter, value);
    case JSON_STRING:
        return emit_string(emitter, json_string_value(value), false);
    case JSON_INTEGER:
        return emit_integer(emitter, json_integer_value(value));
    case JSON_REAL:
        return emit_real(emitter, json_real_value(value));
    case JSON_TRUE:
        return emit_text(emitter, "true", YAML_PLAIN_SCALAR_STYLE);
    case JSON_FALSE:
        return emit_text(emitter, "false", YAML_PLAIN_SCALAR_STYLE);
    case JSON_NULL:
        break;
    }
    return emit_text(emitter, "null", YAML_PLAIN_SCALAR_STYLE);
}

static bool emit_stream(yaml_emitter_t *emitter, const json_t *value)
{
    yaml_event_t event;

    return emit(emitter, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING), &event) &&
           emit(emitter, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1),
                &event) &&
           emit_value(emitter, value) &&
           emit(emitter, yaml_document_end_event_initialize(&event, 1), &event) &&
           emit(emitter, yaml_stream_end_event_initialize(&event), &event);
}

char *yaml_write(const json_t *value)
{
    struct buffer buffer = {.start = 0};
    yaml_emitter_t emitter;
    bool done;

    if (yaml_emitter_initialize(&emitter) == 0)
        return NULL;
    yaml_emitter_set_output(&emitter, write_bytes, &buffer);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    done = emit_stream(&emitter, value) && buffer_append(&buffer, "", 1) == 0;
    yaml_emitter_delete(&emitter);
    if (!done)
        buffer_free(&buffer);
    return buffer_bytes(&buffer); /* nothing was consumed: it is the allocation */
}
