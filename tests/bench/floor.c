/* SPDX-License-Identifier: MIT */
#include "tests/bench/floor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

void floor_dial(struct floor *floor, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *floor = (struct floor){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                            .input = malloc(FLOOR_INPUT_MAX)};
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    if (floor->input == NULL || connect(floor->fd, (struct sockaddr *)&address, sizeof(address)))
        die("cannot connect");
}

void floor_close(struct floor *floor)
{
    close(floor->fd);
    free(floor->input);
}

void floor_say(const struct floor *floor, const char *text, size_t size)
{
    if (write(floor->fd, text, size) != (ssize_t)size)
        die("short write");
}

void floor_ask(const struct floor *floor, const char *request)
{
    char line[4096];
    int size = snprintf(line, sizeof(line), "%s\n", request);

    floor_say(floor, line, (size_t)size);
}

char *floor_await(struct floor *floor, const char *word, unsigned count)
{
    char *line, *end;
    ssize_t size;

    for (;;) {
        line = floor->input + floor->start;
        while ((end = memchr(line, '\n', floor->held - floor->start)) != NULL) {
            *end = '\0';
            floor->start = (size_t)(end + 1 - floor->input);
            if (strstr(line, word) != NULL && --count == 0)
                return line;
            line = end + 1;
        }
        memmove(floor->input, line, floor->held - floor->start);
        floor->held -= floor->start;
        floor->start = 0;
        size = read(floor->fd, floor->input + floor->held, FLOOR_INPUT_MAX - floor->held);
        if (size <= 0)
            die("the other side ended");
        floor->held += (size_t)size;
    }
}

char *floor_call(struct floor *floor, const char *request)
{
    char *reply;

    floor_ask(floor, request);
    reply = floor_await(floor, "\"id\": 1", 1);
    if (strstr(reply, "\"error\": {") != NULL)
        die(reply);
    return reply;
}

void floor_open(struct floor *floor, const char *path)
{
    floor_dial(floor, path);
    (void)floor_await(floor, "\"QMP\"", 1);
    floor_ask(floor, "{\"execute\":\"qmp_capabilities\"}");
    (void)floor_await(floor, "\"return\"", 1);
}

void floor_open_agent(struct floor *floor, const char *path)
{
    floor_dial(floor, path);
    floor_ask(floor, "\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":1234567}}");
    floor->synchronising = true;
}

void floor_synchronise(struct floor *floor)
{
    if (floor->synchronising)
        (void)floor_await(floor, "1234567", 1);
    floor->synchronising = false;
}
