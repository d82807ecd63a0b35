/* SPDX-License-Identifier: MIT */
/*
 * The floor that vmplug is measured against: the same steps, done by the shortest C program that
 * does them at all. No checks beyond what is needed to know that an answer has come.
 *
 *   floor qmp SOCKET REQUEST          greeting, negotiation, one request, its reply
 *   floor pipeline SOCKET FILE        the same for FILE's requests, all in one write
 *   floor cpu-add QMP AGENT REQUEST   device_add, wait for _OST, put the new vCPU online
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char input[1 << 22];
static size_t held;

static void die(const char *what)
{
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("cannot connect");
    return fd;
}

static void say(int fd, const char *text, size_t size)
{
    if (write(fd, text, size) != (ssize_t)size)
        die("short write");
}

/* Reads until `count` lines that hold `word` have come; returns the last of them. */
static char *await(int fd, const char *word, unsigned count)
{
    char *line = input, *end;
    ssize_t size;

    held = 0;
    for (;;) {
        while ((end = memchr(line, '\n', held - (size_t)(line - input))) != NULL) {
            *end = '\0';
            if (strstr(line, word) != NULL && --count == 0)
                return line;
            line = end + 1;
        }
        size = read(fd, input + held, sizeof(input) - held);
        if (size <= 0)
            die("the other side ended");
        held += (size_t)size;
    }
}

static int negotiate(const char *path)
{
    static const char request[] = "{\"execute\":\"qmp_capabilities\"}\n";
    int fd = dial(path);

    (void)await(fd, "\"QMP\"", 1);
    say(fd, request, strlen(request));
    (void)await(fd, "\"return\"", 1);
    return fd;
}

static void ask(int fd, const char *request)
{
    char line[4096];
    int size = snprintf(line, sizeof(line), "%s\n", request);

    say(fd, line, (size_t)size);
}

static int pipeline(const char *socket_path, const char *file_path)
{
    static char requests[1 << 20];
    FILE *file = fopen(file_path, "r");
    size_t size = file != NULL ? fread(requests, 1, sizeof(requests), file) : 0;
    unsigned count = 0;
    size_t i;
    int fd;

    for (i = 0; i < size; i++)
        count += requests[i] == '\n';
    fd = negotiate(socket_path);
    say(fd, requests, size);
    (void)await(fd, "\"id\"", count);
    return 0;
}

static unsigned count_cpus(int agent)
{
    const char *at;
    unsigned count = 0;

    ask(agent, "{\"execute\":\"guest-get-vcpus\"}");
    for (at = await(agent, "\"return\"", 1); (at = strstr(at, "logical-id")) != NULL; at++)
        count++;
    return count;
}

static int cpu_add(const char *qmp_path, const char *agent_path, const char *request)
{
    char online[256];
    int qmp = negotiate(qmp_path), agent = dial(agent_path);
    unsigned before;

    say(agent, "\xff", 1);
    ask(agent, "{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":1234567}}");
    (void)await(agent, "1234567", 1);
    ask(qmp, "{\"execute\":\"query-hotpluggable-cpus\",\"id\":1}");
    (void)await(qmp, "\"id\"", 1);
    before = count_cpus(agent);
    ask(qmp, request);
    (void)await(qmp, "ACPI_DEVICE_OST", 1);
    if (count_cpus(agent) != before + 1)
        die("the guest shows no new vCPU");
    (void)snprintf(online, sizeof(online),
                   "{\"execute\":\"guest-set-vcpus\",\"arguments\":{\"vcpus\":[{\"logical-id\":%u,"
                   "\"online\":true}]}}",
                   before);
    ask(agent, online);
    (void)await(agent, "\"return\"", 1);
    (void)count_cpus(agent);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "qmp") == 0) {
        int fd = negotiate(argv[2]);

        ask(fd, argv[3]);
        puts(await(fd, "\"return\"", 1));
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "pipeline") == 0)
        return pipeline(argv[2], argv[3]);
    if (argc == 5 && strcmp(argv[1], "cpu-add") == 0)
        return cpu_add(argv[2], argv[3], argv[4]);
    fprintf(stderr, "usage: see the top of floor.c\n");
    return 2;
}
