/* SPDX-License-Identifier: MIT */
#include "vmm/result_json.h"

#include <string.h>

#include "acpi/ost.h"
#include "base/cleanup.h"
#include "qmp/codec.h"

/* Where nobody closer to the failure had advice. */
static const char *const general_fixes[] = {
    [ERROR_NONE] = "",
    [ERROR_INVALID] = "see vmplug help",
    [ERROR_BLOCKED] = "see vmplug status for what there is",
    [ERROR_CONNECT] = "look whether QEMU runs and has this socket",
    [ERROR_BUSY] = "end the other client, or give QEMU a second -qmp socket",
    [ERROR_PROTOCOL] = "look whether this is the socket of QEMU's -qmp",
    [ERROR_LIMIT] = "look whether this is the socket of QEMU's -qmp",
    [ERROR_REJECTED] = "add --trace FILE to see what it was asked",
    [ERROR_TIMEOUT] = "give it more time with --timeout",
    [ERROR_DISCONNECTED] = "look whether QEMU is still running",
    [ERROR_CANCELLED] = "see vmplug status for what stands",
    [ERROR_SYSTEM] = "look what this host is short of",
};

_Static_assert(COUNT_OF(general_fixes) == ERROR_CODES_, "there is advice for every error");

const char *result_json_fix(const struct error *error)
{
    return error->fix[0] != '\0' ? error->fix : general_fixes[error->code];
}

json_t *result_json_ms(double ms)
{
    double steps = ms < 100 ? 100 : 10;

    return json_real((double)(int64_t)(ms * steps + 0.5) / steps);
}

json_t *result_json_ost(uint32_t source, uint32_t status)
{
    char meaning[OST_MEANING_MAX];

    return json_pack("{s:I, s:I, s:s}", "source", (json_int_t)source, "status",
                     (json_int_t)status, "meaning", ost_meaning(source, status, meaning));
}

static json_t *error_json(const struct error *error)
{
    const char *class_name = error->class_name[0] != '\0' ? error->class_name
                                                          : error_code_name(error->code);

    return json_pack("{s:o, s:o, s:o}", "class", codec_string(class_name), "desc",
                     codec_string(error->why), "fix", codec_string(result_json_fix(error)));
}

static json_t *stage_json(const struct operation_result *result,
                          const struct operation_stage *stage)
{
    json_t *object =
        json_pack("{s:s, s:o}", "stage", operation_rung_name(result, stage->rung), "ms",
                  result_json_ms(stage->ms));
    json_t *logical_ids = json_object_get(result->details, "logical_ids");

    if (stage->has_ost)
        (void)json_object_set_new(object, "ost",
                                  result_json_ost(stage->ost_source, stage->ost_status));
    if (stage->rung == RUNG_ONLINE && logical_ids != NULL)
        (void)json_object_set(object, "logical_ids", logical_ids);
    return object;
}

static json_t *stages_json(const struct operation_result *result)
{
    json_t *stages = json_array();
    size_t i;

    for (i = 0; i < result->stage_count; i++)
        (void)json_array_append_new(stages, stage_json(result, &result->stages[i]));
    return stages;
}

/* What stands although it failed; a success has nothing to say here. */
static json_t *left_json(const struct operation_result *result)
{
    json_t *left = json_array();
    size_t i;

    for (i = 0; i < result->left_count; i++)
        (void)json_array_append_new(left, codec_string(result->left[i]));
    return left;
}

static void add_details(json_t *object, const json_t *details)
{
    const char *key;
    json_t *value;
    void *at;

    for (at = json_object_iter((json_t *)details); at != NULL;
         at = json_object_iter_next((json_t *)details, at)) {
        key = json_object_iter_key(at);
        value = json_object_iter_value(at);
        if (strcmp(key, "logical_ids") != 0 && json_object_get(object, key) == NULL)
            (void)json_object_set(object, key, value);
    }
}

json_t *result_json_operation(const struct operation_result *result)
{
    json_t *object = json_pack("{s:s, s:o, s:s, s:o, s:[]}", "operation", result->operation, "id",
                               result->id[0] != '\0' ? codec_string(result->id) : json_null(),
                               "verdict", verdict_name(result->verdict), "stages",
                               stages_json(result), "missing");

    if (result->missing != NULL)
        (void)json_array_append_new(json_object_get(object, "missing"),
                                    json_string(result->missing));
    if (result->has_ost)
        (void)json_object_set_new(object, "ost",
                                  result_json_ost(result->ost_source, result->ost_status));
    if (result->awaiting != NULL)
        (void)json_object_set_new(object, "awaiting", json_string(result->awaiting));
    if (!verdict_is_success(result->verdict) || result->left_count > 0)
        (void)json_object_set_new(object, "left", left_json(result));
    if (result->error.code != ERROR_NONE)
        (void)json_object_set_new(object, "error", error_json(&result->error));
    add_details(object, result->details);
    (void)json_object_set_new(object, "elapsed_ms", result_json_ms(result->elapsed_ms));
    return object;
}

json_t *result_json_summary(const struct batch_result *result)
{
    json_t *object = json_pack("{s:b, s:s, s:I, s:I}", "summary", 1, "verdict",
                               verdict_name(result->verdict), "asked", (json_int_t)result->asked,
                               "done", (json_int_t)result->done);

    if (result->missing != NULL)
        (void)json_object_set_new(object, "missing", json_pack("[s]", result->missing));
    if (result->error.code != ERROR_NONE)
        (void)json_object_set_new(object, "error", error_json(&result->error));
    (void)json_object_set_new(object, "elapsed_ms", result_json_ms(result->elapsed_ms));
    return object;
}

json_t *result_json_failure(const char *operation, const char *id, enum verdict verdict,
                            const struct error *error)
{
    return json_pack("{s:o, s:o*, s:s, s:o}", "operation", codec_string(operation), "id",
                     id != NULL ? codec_string(id) : NULL, "verdict", verdict_name(verdict),
                     "error", error_json(error));
}
