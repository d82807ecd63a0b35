/* SPDX-License-Identifier: MIT */
#include "tests/fake/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qmp/codec.h"
#include "tests/fake/fake.h"
#include "tests/fake/schema_data.h"

#define PATH_BYTES 256

struct schema {
    json_t *entities; /* as recorded */
    json_t *by_name;  /* the same, by their names */
};

/* ---- recorded ones ---- */

static const struct schema *load(struct schema *schema, const char *bytes, const char *end)
{
    const json_t *entity;
    size_t i;

    if (schema->entities != NULL)
        return schema;
    schema->entities = json_loadb(bytes, (size_t)(end - bytes), 0, NULL);
    if (schema->entities == NULL)
        fake_fail("a recorded schema is no JSON");
    schema->by_name = json_object();
    json_array_foreach(schema->entities, i, entity)
        json_object_set(schema->by_name, json_string_value(json_object_get(entity, "name")),
                        json_array_get(schema->entities, i));
    return schema;
}

const struct schema *schema_of_qemu(unsigned major)
{
    static struct schema old, new;

    return major < 10 ? load(&old, schema_7_2, schema_7_2_end)
                      : load(&new, schema_10_0, schema_10_0_end);
}

const struct schema *schema_of_agent(void)
{
    static struct schema schema;

    return load(&schema, schema_agent, schema_agent_end);
}

json_t *schema_json(const struct schema *schema)
{
    return schema->entities;
}

/* ---- values ---- */

/* Where in the arguments a value is: "file.server", "actions[0].data". */
struct place {
    const char *path;
    const char *leaf; /* its last name */
};

static const char *text_of(const json_t *entity, const char *key)
{
    const char *text = json_string_value(json_object_get(entity, key));

    return text != NULL ? text : "";
}

static const json_t *find(const struct schema *schema, const char *name)
{
    return json_object_get(schema->by_name, name);
}

__attribute__((format(printf, 2, 3))) static int reject(struct error *error, const char *format,
                                                        ...)
{
    char words[PATH_BYTES + 128];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    return error_set_reply(error, "GenericError", words);
}

static int reject_type(const struct place *place, const char *expected, struct error *error)
{
    return reject(error, "Invalid parameter type for '%s', expected: %s", place->path, expected);
}

/* JSON's name of a type, as the schema says it. */
static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
        return "int";
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static bool fits(const char *json_type, const json_t *value)
{
    return strcmp(json_type, "value") == 0 || strcmp(json_type, type_name(value)) == 0 ||
           (strcmp(json_type, "number") == 0 && json_is_integer(value));
}

static int check_value(const struct schema *schema, const char *type, const struct place *place,
                       const json_t *value, struct error *error);

static int check_builtin(const json_t *entity, const struct place *place, const json_t *value,
                         struct error *error)
{
    const char *json_type = text_of(entity, "json-type");

    if (fits(json_type, value))
        return 0;
    return reject_type(place, strcmp(json_type, "int") == 0 ? "integer" : json_type, error);
}

static int check_enum(const json_t *entity, const struct place *place, const json_t *value,
                      struct error *error)
{
    const json_t *known;
    size_t i;

    if (!json_is_string(value))
        return reject_type(place, "string", error);
    json_array_foreach(json_object_get(entity, "values"), i, known) {
        if (json_equal(known, value))
            return 0;
    }
    return reject(error, "Parameter '%s' does not accept value '%s'", place->leaf,
                  json_string_value(value));
}

static int check_array(const struct schema *schema, const json_t *entity,
                       const struct place *place, const json_t *value, struct error *error)
{
    char path[PATH_BYTES];
    const struct place inside = {path, place->leaf};
    const json_t *element;
    size_t i;

    if (!json_is_array(value))
        return reject_type(place, "array", error);
    json_array_foreach(value, i, element) {
        (void)snprintf(path, sizeof(path), "%s[%zu]", place->path, i);
        if (check_value(schema, text_of(entity, "element-type"), &inside, element, error) < 0)
            return -1;
    }
    return 0;
}

/* The JSON type that an alternate's branch has. */
static const char *branch_type(const struct schema *schema, const char *type)
{
    const json_t *entity = find(schema, type);
    const char *meta = text_of(entity, "meta-type");

    if (strcmp(meta, "builtin") == 0)
        return text_of(entity, "json-type");
    return strcmp(meta, "enum") == 0 ? "string" : strcmp(meta, "array") == 0 ? "array" : "object";
}

static int check_alternate(const struct schema *schema, const json_t *entity,
                           const struct place *place, const json_t *value, struct error *error)
{
    const json_t *member;
    size_t i;

    json_array_foreach(json_object_get(entity, "members"), i, member) {
        if (fits(branch_type(schema, text_of(member, "type")), value))
            return check_value(schema, text_of(member, "type"), place, value, error);
    }
    return reject_type(place, "another type", error);
}

/* ---- objects ---- */

/* One object of several types: of itself and of a union's variant. */
struct visit {
    const struct schema *schema;
    const struct place *place;
    const json_t *value;
    json_t *seen; /* the names of members that a type has */
};

static int check_members(const struct visit *visit, const json_t *entity, struct error *error)
{
    char path[PATH_BYTES];
    const json_t *member, *value;
    struct place inside = {.path = path};
    size_t i;

    json_array_foreach(json_object_get(entity, "members"), i, member) {
        inside.leaf = text_of(member, "name");
        value = json_object_get(visit->value, inside.leaf);
        (void)snprintf(path, sizeof(path), "%s%s%s", visit->place->path,
                       visit->place->path[0] != '\0' ? "." : "", inside.leaf);
        json_object_set_new(visit->seen, inside.leaf, json_true());
        if (value == NULL && json_object_get(member, "default") == NULL)
            return reject(error, "Parameter '%s' is missing", path);
        if (value != NULL &&
            check_value(visit->schema, text_of(member, "type"), &inside, value, error) < 0)
            return -1;
    }
    return 0;
}

static const json_t *find_variant(const struct visit *visit, const json_t *entity)
{
    const char *tag = text_of(visit->value, text_of(entity, "tag"));
    const json_t *variant;
    size_t i;

    json_array_foreach(json_object_get(entity, "variants"), i, variant) {
        if (strcmp(text_of(variant, "case"), tag) == 0)
            return find(visit->schema, text_of(variant, "type"));
    }
    return NULL;
}

static int check_unexpected(const struct visit *visit, struct error *error)
{
    char path[PATH_BYTES];
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)visit->value, key, value) {
        if (json_object_get(visit->seen, key) != NULL)
            continue;
        (void)snprintf(path, sizeof(path), "%s%s%s", visit->place->path,
                       visit->place->path[0] != '\0' ? "." : "", key);
        return reject(error, "Parameter '%s' is unexpected", path);
    }
    return 0;
}

static int check_object(const struct schema *schema, const json_t *entity,
                        const struct place *place, const json_t *value, bool closed,
                        struct error *error)
{
    const struct visit visit = {schema, place, value, json_object()};
    int result = -1;

    if (!json_is_object(value))
        result = reject_type(place, "object", error);
    else if (check_members(&visit, entity, error) == 0 &&
             check_members(&visit, find_variant(&visit, entity), error) == 0)
        result = closed ? check_unexpected(&visit, error) : 0;
    json_decref(visit.seen);
    return result;
}

static int check_value(const struct schema *schema, const char *type, const struct place *place,
                       const json_t *value, struct error *error)
{
    const json_t *entity = find(schema, type);
    const char *meta = text_of(entity, "meta-type");

    if (strcmp(meta, "builtin") == 0)
        return check_builtin(entity, place, value, error);
    if (strcmp(meta, "enum") == 0)
        return check_enum(entity, place, value, error);
    if (strcmp(meta, "array") == 0)
        return check_array(schema, entity, place, value, error);
    if (strcmp(meta, "alternate") == 0)
        return check_alternate(schema, entity, place, value, error);
    return check_object(schema, entity, place, value, true, error);
}

/* ---- messages ---- */

/* QMP's and the agent's own wrapping; see qmp_dispatch() of QEMU. */
static int check_wrapping(const json_t *message, struct error *error)
{
    const json_t *execute = json_object_get(message, "execute");
    const json_t *arguments = json_object_get(message, "arguments");
    const char *key;
    json_t *value;

    if (!json_is_object(message))
        return error_set_reply(error, "GenericError", "QMP input must be a JSON object");
    json_object_foreach((json_t *)(uintptr_t)message, key, value) {
        if (strcmp(key, "execute") != 0 && strcmp(key, "arguments") != 0 && strcmp(key, "id") != 0)
            return reject(error, "QMP input member '%s' is unexpected", key);
    }
    if (execute == NULL)
        return error_set_reply(error, "GenericError", "QMP input lacks member 'execute'");
    if (!json_is_string(execute))
        return error_set_reply(error, "GenericError",
                               "QMP input member 'execute' must be a string");
    if (arguments != NULL && !json_is_object(arguments))
        return error_set_reply(error, "GenericError",
                               "QMP input member 'arguments' must be an object");
    return 0;
}

/* The entity of a command or an event, or NULL. */
static const json_t *find_meta(const struct schema *schema, const char *name, const char *meta)
{
    const json_t *entity = find(schema, name);

    return strcmp(text_of(entity, "meta-type"), meta) == 0 ? entity : NULL;
}

int schema_check(const struct schema *schema, const json_t *message, struct error *error)
{
    const struct place place = {"", ""};
    const json_t *arguments = json_object_get(message, "arguments");
    AUTO_JSON json_t *none = json_object();
    const char *name;
    const json_t *command;
    char words[256];

    if (check_wrapping(message, error) < 0)
        return -1;
    name = text_of(message, "execute");
    command = find_meta(schema, name, "command");
    if (command == NULL) {
        (void)snprintf(words, sizeof(words), "The command %.200s has not been found", name);
        return error_set_reply(error, "CommandNotFound", words);
    }
    /* The properties of a device are in no schema. */
    return check_object(schema, find(schema, text_of(command, "arg-type")), &place,
                        arguments != NULL ? arguments : none, strcmp(name, "device_add") != 0,
                        error);
}

int schema_check_answer(const struct schema *schema, const char *command, const json_t *value,
                        struct error *error)
{
    const struct place place = {"return", "return"};

    return check_value(schema, text_of(find_meta(schema, command, "command"), "ret-type"), &place,
                       value, error);
}

int schema_check_event(const struct schema *schema, const char *event, const json_t *data,
                       struct error *error)
{
    const struct place place = {"", ""};

    return check_value(schema, text_of(find_meta(schema, event, "event"), "arg-type"), &place,
                       data, error);
}
