/* SPDX-License-Identifier: MIT */
/*
 * The floor as a program, for what is measured from the start of a process to its end.
 *
 *   floor qmp SOCKET REQUEST          greeting, negotiation, one request, its reply
 *   floor pipeline SOCKET FILE        the same for FILE's requests, all in one write
 *   floor cpu-add QMP AGENT REQUEST   device_add, wait for _OST, put the new vCPU online
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

static unsigned count_cpus(struct floor *agent)
{
    const char *at;
    unsigned count = 0;

    floor_ask(agent, "{\"execute\":\"guest-get-vcpus\"}");
    for (at = floor_await(agent, "\"return\"", 1); (at = strstr(at, "logical-id")) != NULL; at++)
        count++;
    return count;
}

static int cpu_add(const char *qmp_path, const char *agent_path, const char *request)
{
    struct floor qmp, agent;
    char online[256];
    unsigned before;

    floor_open(&qmp, qmp_path);
    floor_dial(&agent, agent_path);
    floor_say(&agent, "\xff", 1);
    floor_ask(&agent, "{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":1234567}}");
    (void)floor_await(&agent, "1234567", 1);
    (void)floor_call(&qmp, "{\"execute\":\"query-hotpluggable-cpus\",\"id\":1}");
    before = count_cpus(&agent);
    floor_ask(&qmp, request);
    (void)floor_await(&qmp, "ACPI_DEVICE_OST", 1);
    if (count_cpus(&agent) != before + 1) {
        fprintf(stderr, "floor: the guest shows no new vCPU\n");
        return 1;
    }
    (void)snprintf(online, sizeof(online),
                   "{\"execute\":\"guest-set-vcpus\",\"arguments\":{\"vcpus\":[{\"logical-id\":%u,"
                   "\"online\":true}]}}",
                   before);
    floor_ask(&agent, online);
    (void)floor_await(&agent, "\"return\"", 1);
    (void)count_cpus(&agent);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "qmp") == 0)
        return ask(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "pipeline") == 0)
        return pipeline(argv[2], argv[3]);
    if (argc == 5 && strcmp(argv[1], "cpu-add") == 0)
        return cpu_add(argv[2], argv[3], argv[4]);
    fprintf(stderr, "usage: see the top of floor_main.c\n");
    return 2;
}
