/* SPDX-License-Identifier: MIT */
/*
 * The floor as a program, for what is measured from the start of a process to its end.
 *
 *   floor qmp SOCKET REQUEST      greeting, negotiation, one request, its reply
 *   floor pipeline SOCKET FILE    the same for FILE's requests, all in one write
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/floor.h"

static int ask(const char *socket_path, const char *request)
{
    struct floor qmp;

    floor_open(&qmp, socket_path);
    floor_ask(&qmp, request);
    puts(floor_await(&qmp, "\"return\"", 1));
    return 0;
}

static int pipeline(const char *socket_path, const char *file_path)
{
    static char requests[1 << 20];
    FILE *file = fopen(file_path, "r");
    size_t size = file != NULL ? fread(requests, 1, sizeof(requests), file) : 0;
    struct floor qmp;
    unsigned count = 0;
    size_t i;

    for (i = 0; i < size; i++)
        count += requests[i] == '\n';
    floor_open(&qmp, socket_path);
    floor_say(&qmp, requests, size);
    (void)floor_await(&qmp, "\"id\"", count);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "qmp") == 0)
        return ask(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "pipeline") == 0)
        return pipeline(argv[2], argv[3]);
    fprintf(stderr, "usage: see the top of floor_main.c\n");
    return 2;
}
