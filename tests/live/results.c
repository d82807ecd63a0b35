/* SPDX-License-Identifier: MIT */
#include "tests/live/results.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of several devices those of the first: they are all of a kind. */
static void print_stages(FILE *file, const struct harness_run *run)
{
    const json_t *stages = json_object_get(json_array_get(run->lines, 0), "stages"), *stage;
    size_t i;

    json_array_foreach(stages, i, stage)
        fprintf(file, "%s%s", i > 0 ? "," : "",
                json_string_value(json_object_get(stage, "stage")));
}

void results_note(const struct harness_vm *vm, const char *const *arguments,
                  const struct harness_run *run)
{
    const char *path = getenv("VMPLUG_LIVE_RESULTS"), *version = getenv("VMPLUG_LIVE_VERSION");
    FILE *file;

    if (path == NULL || vm->board == NULL || harness_verdict(run)[0] == '\0')
        return;
    file = fopen(path, "ae"); /* other programs append, too: a line is one write */
    assert_non_null(file);
    fprintf(file, "%s\t%s\t%s\t%s\t", vm->board, version != NULL ? version : "-",
            vm->agent[0] != '\0' ? "agent" : "-", harness_verdict(run));
    print_stages(file, run);
    fputc('\t', file);
    for (; *arguments != NULL; arguments++)
        fprintf(file, "%s%c", *arguments, arguments[1] != NULL ? ' ' : '\n');
    assert_int_equal(fclose(file), 0);
}
