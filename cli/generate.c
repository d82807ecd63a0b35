/* SPDX-License-Identifier: MIT */
/* vmplug-generate, for the build: what is installed beside vmplug and must say what it does. */
#include <string.h>

#include "cli/completion.h"
#include "cli/manual.h"

int main(int argc, char **argv)
{
    struct output out;

    output_init(&out, stdout, false);
    if (argc == 2 && strcmp(argv[1], "man") == 0)
        manual_print(&out, command_groups);
    else if (argc == 2 && strcmp(argv[1], "bash-completion") == 0)
        completion_print(&out, command_groups);
    else
        return 2;
    output_flush(&out);
    return output_exit_code(&out, 0);
}
