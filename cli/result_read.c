/* SPDX-License-Identifier: MIT */
#include "cli/result_read.h"

#include <string.h>

#include "base/text.h"
#include "qmp/field.h"

static bool read_verdict(const json_t *object, enum verdict *ret)
{
    const char *name = field_string(object, "verdict", "");
    unsigned i;

    for (i = 0; i < VERDICTS_; i++) {
        if (strcmp(verdict_name((enum verdict)i), name) != 0)
            continue;
        *ret = (enum verdict)i;
        return true;
    }
    return false;
}

static double read_ms(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* QEMU's classes are none of ours. */
static void read_error(const json_t *object, struct error *ret)
{
    const json_t *error = field_object(object, "error");
    const char *class_name = field_string(error, "class", "");
    unsigned code = ERROR_NONE + 1;

    if (error == NULL)
        return;
    while (code < ERROR_CODES_ && strcmp(error_code_name((enum error_code)code), class_name) != 0)
        code++;
    if (code < ERROR_CODES_)
        (void)error_set(ret, (enum error_code)code, "", "%s", field_string(error, "desc", ""));
    else
        (void)error_set_reply(ret, class_name, field_string(error, "desc", ""));
    error_advise(ret, "%s", field_string(error, "fix", ""));
}

static bool read_ost(const json_t *object, uint32_t *ret_source, uint32_t *ret_status)
{
    const json_t *ost = field_object(object, "ost");
    unsigned source, status;

    if (!field_unsigned(ost, "source", &source) || !field_unsigned(ost, "status", &status))
        return false;
    *ret_source = source;
    *ret_status = status;
    return true;
}

static void read_stages(const json_t *object, struct operation_result *ret)
{
    const json_t *stages = field_array(object, "stages"), *stage;
    struct operation_stage *next;
    unsigned rung;
    size_t i;

    json_array_foreach(stages, i, stage) {
        for (rung = 0; rung < RUNGS_ && ret->stage_count < RUNGS_; rung++) {
            if (strcmp(operation_rung_name(ret, (enum rung)rung),
                       field_string(stage, "stage", "")) != 0)
                continue;
            next = &ret->stages[ret->stage_count++];
            next->rung = (enum rung)rung;
            next->ms = read_ms(stage, "ms");
            next->has_ost = read_ost(stage, &next->ost_source, &next->ost_status);
            break;
        }
        if (json_object_get(stage, "logical_ids") != NULL)
            (void)json_object_set(ret->details, "logical_ids",
                                  json_object_get(stage, "logical_ids"));
    }
}

static void read_left(const json_t *object, struct operation_result *ret)
{
    const json_t *left = field_array(object, "left"), *id;
    size_t i;

    json_array_foreach(left, i, id) {
        if (json_is_string(id) && ret->left_count < OPERATION_LEFT_MAX)
            text_copy(ret->left[ret->left_count++], sizeof(ret->left[0]), json_string_value(id));
    }
}

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), size = strlen(end);

    return length >= size && strcmp(text + length - size, end) == 0;
}

static enum verdict top_of(const char *operation)
{
    if (ends_in(operation, "-remove"))
        return VERDICT_REMOVED;
    return ends_in(operation, "-add") ? VERDICT_ONLINE : VERDICT_DONE;
}

static const char *read_missing(const json_t *object)
{
    const json_t *missing = json_array_get(field_array(object, "missing"), 0);

    return json_is_string(missing) ? json_string_value(missing) : NULL;
}

bool result_read_operation(const json_t *object, struct operation_result *ret)
{
    const char *name = field_string(object, "operation", "");

    *ret = (struct operation_result){.operation = name, .top = top_of(name)};
    if (!operation_type_find(name, &ret->type) || !read_verdict(object, &ret->verdict))
        return false;
    ret->details = json_copy((json_t *)object);
    if (ret->details == NULL)
        return false;
    text_copy(ret->id, sizeof(ret->id), field_string(object, "id", ""));
    read_stages(object, ret);
    ret->missing = read_missing(object);
    ret->guest_unseen = ret->verdict == VERDICT_REMOVED && ret->missing != NULL;
    ret->awaiting = field_string(object, "awaiting", NULL);
    ret->has_ost = read_ost(object, &ret->ost_source, &ret->ost_status);
    read_left(object, ret);
    read_error(object, &ret->error);
    ret->elapsed_ms = read_ms(object, "elapsed_ms");
    return true;
}

bool result_read_summary(const json_t *object, struct batch_result *ret)
{
    *ret = (struct batch_result){.summary = true};
    if (!field_bool(object, "summary", false) || !read_verdict(object, &ret->verdict) ||
        !field_u64(object, "asked", &ret->asked) || !field_u64(object, "done", &ret->done))
        return false;
    ret->missing = read_missing(object);
    read_error(object, &ret->error);
    ret->elapsed_ms = read_ms(object, "elapsed_ms");
    return true;
}
