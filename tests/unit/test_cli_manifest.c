/* SPDX-License-Identifier: MIT */
/* Each subcommand about manifests has its part of vmplug-manifest: here the parts say only that
 * they were called. tests/python/test_manifest.py has what they do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/invocation.h"
#include "cli/manifest_parts.h"
#include "cli/manifest_run.h"

static const char *called;

#define PART(part)                                  \
    int part(struct invocation *invocation)         \
    {                                               \
        assert_non_null(invocation->command->name); \
        called = #part;                             \
        return 42;                                  \
    }

PART(manifest_plan)
PART(manifest_apply)
PART(manifest_patch)
PART(manifest_get_vm)
PART(manifest_get_vmi)
PART(manifest_addvolume)
PART(manifest_removevolume)
PART(manifest_launch)
PART(manifest_adopt)
PART(manifest_forget)
PART(manifest_stop)

/* "get vm" is manifest_get_vm(), and "patch vm" manifest_patch(). */
static bool fits(const char *command, const char *part)
{
    char name[64] = "manifest_";
    size_t length;
    char *space;

    (void)snprintf(name, sizeof(name), "manifest_%s", command);
    while ((space = strchr(name, ' ')) != NULL)
        *space = '_';
    length = strlen(part);
    return strncmp(name, part, length) == 0 &&
           (name[length] == '\0' || strcmp(name + length, "_vm") == 0);
}

static void test_each_command_has_its_part(void **state)
{
    const struct command *command;
    unsigned count = 0;
    size_t i, j;

    (void)state;
    for (i = 0; command_groups[i] != NULL; i++) {
        for (j = 0; j < command_groups[i]->count; j++) {
            struct invocation invocation = {.command = &command_groups[i]->commands[j]};

            command = invocation.command;
            if (command->run != manifest_run)
                continue;
            called = "";
            if (manifest_run(&invocation) != 42 || !fits(command->name, called))
                fail_msg("%s: '%s'", command->name, called);
            count++;
        }
    }
    assert_int_equal(count, 11);
}

static void test_no_other(void **state)
{
    const struct command command = {.name = "cpu add"};
    struct invocation invocation = {.command = &command};

    (void)state;
    called = "";
    assert_int_equal(manifest_run(&invocation), 1);
    assert_string_equal(called, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_command_has_its_part),
        cmocka_unit_test(test_no_other),
    };

    return cmocka_run_group_tests_name("cli_manifest", tests, NULL, NULL);
}
