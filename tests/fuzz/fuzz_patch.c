/* SPDX-License-Identifier: MIT */
/* Patches: the input is a list, of a value and a patch for it, in YAML. Each kind of patch leaves
 * both as they were, gives what shares nothing with them and is not too deep, and a merge done
 * twice is the merge done once. */
#include "base/cleanup.h"
#include "manifest/limits.h"
#include "manifest/patch.h"
#include "manifest/value.h"
#include "manifest/yaml_read.h"
#include "qmp/codec.h"
#include "tests/fuzz/fuzz.h"

/* By changing all of it: who shares something changes, too. */
static void spoil(json_t *value)
{
    const char *key;
    json_t *inner;
    size_t i;
    void *next;

    json_array_foreach(value, i, inner)
        spoil(inner);
    json_object_foreach_safe(value, next, key, inner)
        spoil(inner);
    if (json_is_array(value))
        MUST(json_array_append_new(value, json_string("spoilt")) == 0);
    if (json_is_object(value))
        MUST(json_object_set_new(value, "spoilt", json_true()) == 0);
}

static void try_json(const json_t *target, const json_t *patch)
{
    struct error error = ERROR_INIT;
    json_t *result = patch_json(target, patch, &error);

    MUST((result == NULL) == (error.code == ERROR_INVALID));
    if (result == NULL)
        return;
    MUST(value_measure(result).depth <= LIMITS_DEPTH);
    spoil(result);
    json_decref(result);
}

static void try_merge(const json_t *target, const json_t *patch)
{
    json_t *once = patch_merge(target, patch, NULL);
    AUTO_JSON json_t *twice = patch_merge(once, patch, NULL);
    json_t *applied = patch_apply(target, patch, target, NULL);
    AUTO_JSON json_t *again = patch_apply(patch, patch, applied, NULL);

    MUST(once != NULL && twice != NULL && json_equal(once, twice));
    MUST(applied != NULL && again != NULL && json_equal(applied, again));
    spoil(once);
    spoil(applied);
    json_decref(once);
    json_decref(applied);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_JSON json_t *before = NULL;
    const json_t *target, *patch;
    struct document document;

    if (yaml_read_value(&document, "t", (const char *)data, size, NULL) < 0)
        return 0;
    target = json_array_get(document.root, 0);
    patch = json_array_get(document.root, 1);
    before = json_deep_copy(document.root);
    MUST(before != NULL);
    if (target != NULL && patch != NULL) {
        try_json(target, patch);
        try_merge(target, patch);
    }
    MUST(json_equal(document.root, before));
    document_free(&document);
    return 0;
}
