/* SPDX-License-Identifier: MIT */
#include "tests/live/claims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"

#define BLOCK_BYTES (128LL << 20)

void claim_guest(const struct harness_vm *vm, const char *command, const char *expected)
{
    AUTO_FREE char *said = harness_guest(vm, command);

    assert_string_equal(said, expected);
}

long claim_number(const struct harness_vm *vm, const char *command)
{
    AUTO_FREE char *said = harness_guest(vm, command);

    return atol(said);
}

const json_t *claim_last(const struct harness_run *run)
{
    assert_true(json_array_size(run->lines) > 0);
    return json_array_get(run->lines, json_array_size(run->lines) - 1);
}

/* What the command promises, not what it does. */
static int exit_code_of(const char *verdict)
{
    static const struct {
        const char *verdict;
        int code;
    } promises[] = {
        {"online", 0},   {"removed", 0}, {"done", 0},    {"unconfirmed", 0}, {"realized", 0},
        {"rejected", 4}, {"refused", 5}, {"pending", 6}, {"blocked", 7},     {"partial", 10},
        {"interrupted", 130},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(promises); i++) {
        if (strcmp(promises[i].verdict, verdict) == 0)
            return promises[i].code;
    }
    fail_msg("no verdict is called %s", verdict);
    return -1;
}

void claim_ended(const struct harness_run *run, const char *verdict)
{
    size_t i;

    if (strcmp(harness_verdict(run), verdict) != 0) {
        for (i = 0; i < json_array_size(run->lines); i++) {
            AUTO_FREE char *line = codec_dump(json_array_get(run->lines, i), 0);

            print_error("%s\n", line);
        }
    }
    assert_string_equal(harness_verdict(run), verdict);
    assert_int_equal(run->status, exit_code_of(verdict));
}

struct harness_run claim_run(const struct harness_vm *vm, const char *verdict,
                             const char *const *arguments)
{
    struct harness_run run = harness_vmplug_json(vm, arguments);

    claim_ended(&run, verdict);
    return run;
}

void claim(const struct harness_vm *vm, const char *verdict, const char *const *arguments)
{
    struct harness_run run = claim_run(vm, verdict, arguments);

    harness_run_free(&run);
}

void claim_blocked(const struct harness_vm *vm, const char *word, const char *const *arguments)
{
    AUTO_FREE char *before = harness_snapshot(vm);
    AUTO_FREE char *after = NULL;
    struct harness_run run = claim_run(vm, "blocked", arguments);

    after = harness_snapshot(vm);
    assert_string_equal(after, before);
    if (strstr(run.err, word) == NULL)
        print_error("no '%s' in: %s", word, run.err);
    assert_non_null(strstr(run.err, word));
    assert_ptr_equal(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
    harness_run_free(&run);
}

json_t *claim_status(const struct harness_vm *vm)
{
    struct harness_run run = harness_vmplug_json(vm, HARNESS_ARGUMENTS("status"));
    json_t *status;

    assert_int_equal(run.status, 0);
    status = json_incref(json_array_get(run.lines, 0));
    harness_run_free(&run);
    return status;
}

void claim_agreement(const struct harness_vm *vm)
{
    AUTO_JSON json_t *status = claim_status(vm);
    const json_t *cpus = json_object_get(status, "cpus");
    const json_t *memory = json_object_get(status, "memory");

    assert_int_equal(json_integer_value(json_object_get(cpus, "online")),
                     claim_number(vm, "nproc"));
    assert_int_equal(json_integer_value(json_object_get(memory, "online_bytes")),
                     claim_number(vm, GUEST_ONLINE_BLOCKS) * BLOCK_BYTES);
}

void claim_pending(const struct harness_vm *vm, const char *operation, const char *id)
{
    AUTO_JSON json_t *status = claim_status(vm);
    const json_t *pending = json_object_get(status, "pending");
    const json_t *entry = json_array_get(pending, 0);

    assert_int_equal(json_array_size(pending), operation != NULL ? 1 : 0);
    if (operation == NULL)
        return;
    assert_string_equal(json_string_value(json_object_get(entry, "operation")), operation);
    assert_string_equal(json_string_value(json_object_get(entry, "id")), id);
    assert_true(json_is_true(json_object_get(entry, "present")));
}

long claim_major(const struct harness_vm *vm)
{
    AUTO_JSON json_t *version = harness_qmp(vm, "query-version", NULL);

    return (long)json_integer_value(
        json_object_get(json_object_get(version, "qemu"), "major"));
}
