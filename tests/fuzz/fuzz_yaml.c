/* SPDX-License-Identifier: MIT */
/* Manifests: any bytes. What is refused has a place; what is read is within its limits, each value
 * has a place, and what is written of it reads as the same. The same bytes as a quantity. */
#include "base/cleanup.h"
#include "manifest/limits.h"
#include "manifest/quantity.h"
#include "manifest/value.h"
#include "manifest/yaml_read.h"
#include "manifest/yaml_write.h"
#include "qmp/codec.h"
#include "tests/fuzz/fuzz.h"

static void check_error(const struct error *error)
{
    MUST(error->code == ERROR_INVALID);
    MUST(strncmp(error->why, "t:", 2) == 0 && error->why[2] != '\0');
}

/* Places are as many as there are values, and the inner ones are inside. */
static const struct place *check_places(const json_t *value, const struct place *place)
{
    const struct place *next = place + 1;
    const char *key;
    json_t *inner;
    size_t i;

    MUST(place->line >= 1 && place->column >= 1);
    MUST(place->key_line >= 1 && place->key_column >= 1);
    json_array_foreach(value, i, inner)
        next = check_places(inner, next);
    json_object_foreach((json_t *)value, key, inner)
        next = check_places(inner, next);
    MUST(next == place + place->values);
    return next;
}

/* Each part says where it is. */
static void check_nodes(struct node outer)
{
    char where[DOCUMENT_WHERE_MAX];
    struct node inner;

    MUST(strncmp(document_where(outer, where), "t:", 2) == 0);
    if (!json_is_object(outer.value) && !json_is_array(outer.value))
        return;
    DOCUMENT_EACH(inner, outer)
        check_nodes(inner);
}

static void check_document(const struct document *document)
{
    struct measure measure = value_measure(document->root);
    AUTO_FREE char *text = yaml_write(document->root);
    AUTO_FREE char *json = codec_dump(document->root, 0);
    AUTO_FREE char *again_json = NULL;
    struct error error = ERROR_INIT;
    struct document again;

    MUST(measure.values <= LIMITS_VALUES && measure.bytes <= LIMITS_TEXT_BYTES);
    MUST(measure.depth <= LIMITS_DEPTH && document->places[0].values == measure.values);
    (void)check_places(document->root, document->places);
    if (measure.values < 500) /* a path is found from the root */
        check_nodes(document_root(document, &error));
    MUST(error.code == ERROR_NONE && text != NULL && json != NULL);
    if (strlen(text) > LIMITS_FILE_BYTES)
        return;
    MUST(yaml_read_value(&again, "t", text, strlen(text), NULL) == 0);
    again_json = codec_dump(again.root, 0);
    MUST(json_equal(again.root, document->root) && again_json != NULL);
    MUST(strcmp(json, again_json) == 0);
    document_free(&again);
}

static void check_quantity(const char *text)
{
    struct error error = ERROR_INIT;
    char written[QUANTITY_TEXT_MAX];
    uint64_t bytes = 7, again = 0;

    if (quantity_parse(text, &bytes, &error) < 0) {
        MUST(error.code == ERROR_INVALID && error.fix[0] != '\0' && bytes == 7);
        return;
    }
    MUST(bytes <= INT64_MAX);
    MUST(quantity_parse(quantity_format(bytes, written), &again, NULL) == 0 && again == bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct script script = {.at = data, .size = size};
    AUTO_FREE char *text = script_text(&script);
    struct error error = ERROR_INIT;
    struct document_list list = {.count = 0};
    struct document document;
    size_t i;

    if (yaml_read(&list, "t", (const char *)data, size, &error) < 0)
        check_error(&error);
    MUST(list.count <= LIMITS_DOCUMENTS);
    for (i = 0; i < list.count && i < 3; i++)
        check_document(&list.items[i]);
    document_list_free(&list);
    error = (struct error)ERROR_INIT;
    if (yaml_read_value(&document, "t", (const char *)data, size, &error) < 0)
        check_error(&error);
    else
        check_document(&document);
    document_free(&document);
    if (text != NULL)
        check_quantity(text);
    return 0;
}
