/* SPDX-License-Identifier: MIT */
#include "tests/live/proxy.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/channel.h"
#include "qmp/codec.h"

#define CHUNK_BYTES 65536
#define TIMEOUT_MS 3000
#define GRACE_MS 100  /* of vmplug's, beyond the deadline */
#define START_MS 1500 /* for the process to start and end on a busy machine */
#define POLLED_MAX (1 + 3 * PROXY_WIRES_)

static void close_if_open(int *fd)
{
    if (*fd >= 0)
        close(steal_fd(fd));
}

static void open_wire(struct proxy_wire *wire, const char *name, const char *target)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *wire = (struct proxy_wire){.target = target, .listen_fd = -1, .client = -1, .server = -1};
    if (*target == '\0')
        return;
    (void)snprintf(wire->path, sizeof(wire->path), "%s/%s", harness_dir(), name);
    (void)unlink(wire->path);
    memcpy(address.sun_path, wire->path, strlen(wire->path));
    wire->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(wire->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(wire->listen_fd, 1), 0);
}

void proxy_cut(struct proxy *proxy, enum proxy_wire_name name)
{
    struct proxy_wire *wire = &proxy->wires[name];

    close_if_open(&wire->client);
    close_if_open(&wire->server);
    buffer_free(&wire->from_client);
    buffer_free(&wire->from_server);
}

static void send_all(int fd, const char *bytes, size_t size)
{
    ssize_t sent;

    for (; size > 0 && fd >= 0; bytes += sent, size -= (size_t)sent) {
        sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent < 0)
            return; /* it has gone, which shows when reading */
    }
}

/* Before a line (NULL) when so many have passed, or behind one with the words in it. */
static bool is_due(const struct proxy *proxy, const struct proxy_strike *strike,
                   const struct proxy_wire *wire, const char *line, size_t size)
{
    if (strike == NULL || proxy->outcome.struck || wire != &proxy->wires[strike->wire])
        return false;
    if (strike->words == NULL)
        return line == NULL && wire->lines >= strike->after;
    return line != NULL && memmem(line, size, strike->words, strlen(strike->words)) != NULL;
}

/* Forwards the lines that are complete. */
static void forward(struct proxy *proxy, const struct proxy_strike *strike,
                    struct proxy_wire *wire, struct buffer *held, int to)
{
    const char *bytes, *end;
    size_t size;
    bool due;

    while (buffer_size(held) > 0) {
        bytes = buffer_bytes(held);
        end = memchr(bytes, '\n', buffer_size(held));
        if (end == NULL)
            return;
        size = (size_t)(end - bytes) + 1;
        due = is_due(proxy, strike, wire, NULL, 0);
        if (due && strike->half)
            send_all(to, bytes, size / 2);
        if (!due) {
            send_all(to, bytes, size);
            wire->lines++;
            proxy->plugged = proxy->plugged || memmem(bytes, size, "\"device_", 8) != NULL;
            due = is_due(proxy, strike, wire, bytes, size);
            buffer_consume(held, size);
        }
        if (due) {
            proxy->outcome.struck = true;
            proxy->outcome.plugged = proxy->plugged;
            strike->act(proxy, strike->user);
        }
    }
}

static void accept_client(struct proxy_wire *wire)
{
    struct error error = ERROR_INIT;

    assert_int_equal(wire->client, -1);
    wire->client = accept(wire->listen_fd, NULL, NULL);
    wire->server = channel_connect(wire->target, &error);
    if (wire->server < 0) /* QEMU is dead */
        close_if_open(&wire->client);
}

/* Returns false at the end. */
static bool fill(int fd, struct buffer *held)
{
    ssize_t count = read(fd, buffer_reserve(held, CHUNK_BYTES), CHUNK_BYTES);

    if (count > 0)
        buffer_commit(held, (size_t)count);
    return count > 0;
}

static void pump_wire(struct proxy *proxy, const struct proxy_strike *strike,
                      struct proxy_wire *wire, const struct pollfd polled[3])
{
    enum proxy_wire_name name = (enum proxy_wire_name)(wire - proxy->wires);

    if (polled[0].revents != 0)
        accept_client(wire);
    if (polled[1].revents != 0 && wire->client == polled[1].fd) {
        if (fill(wire->client, &wire->from_client))
            forward(proxy, strike, wire, &wire->from_client, wire->server);
        else
            proxy_cut(proxy, name);
    }
    if (polled[2].revents != 0 && wire->server == polled[2].fd) {
        if (fill(wire->server, &wire->from_server))
            forward(proxy, strike, wire, &wire->from_server, wire->client);
        else
            proxy_cut(proxy, name);
    }
}

/* Until vmplug has said all that it had to say. */
static void pump_all(struct proxy *proxy, const struct proxy_strike *strike, int out,
                     struct buffer *text)
{
    struct pollfd polled[POLLED_MAX];
    struct proxy_wire *wire;
    size_t i;

    for (;;) {
        polled[0] = (struct pollfd){.fd = out, .events = POLLIN};
        for (i = 0; i < PROXY_WIRES_; i++) {
            wire = &proxy->wires[i];
            polled[1 + 3 * i] = (struct pollfd){
                .fd = wire->client < 0 ? wire->listen_fd : -1, .events = POLLIN};
            polled[2 + 3 * i] = (struct pollfd){.fd = wire->client, .events = POLLIN};
            polled[3 + 3 * i] = (struct pollfd){.fd = wire->server, .events = POLLIN};
        }
        assert_true(poll(polled, POLLED_MAX, -1) > 0);
        for (i = 0; i < PROXY_WIRES_; i++)
            pump_wire(proxy, strike, &proxy->wires[i], &polled[1 + 3 * i]);
        if (polled[0].revents != 0 && !fill(out, text))
            return;
    }
}

static json_t *parse(struct buffer *text)
{
    json_t *lines = json_array();
    json_t *object;
    char *line, *rest;

    assert_int_equal(buffer_append(text, "", 1), 0);
    rest = text->bytes;
    while ((line = strsep(&rest, "\n")) != NULL) {
        object = codec_parse(line, NULL);
        if (object != NULL)
            (void)json_array_append_new(lines, object);
    }
    buffer_free(text);
    return lines;
}

static void claim_in_time(const struct harness_run *run, double ms)
{
    const json_t *last = json_array_get(run->lines, json_array_size(run->lines) - 1);

    assert_non_null(last);
    assert_true(json_number_value(json_object_get(last, "elapsed_ms")) <= TIMEOUT_MS + GRACE_MS);
    assert_true(ms <= TIMEOUT_MS + GRACE_MS + START_MS);
}

struct harness_run proxy_run(const struct harness_vm *vm, const char *const *arguments,
                             const struct proxy_strike *strike, struct proxy_outcome *ret)
{
    struct harness_run run = {.status = -1};
    struct proxy proxy = {.plugged = false};
    const char *argv[HARNESS_ARGUMENTS_MAX] = {"--json", "--timeout", PROXY_SECONDS, "--qmp",
                                               proxy.wires[PROXY_QMP].path};
    struct buffer text = {0};
    double started_ms;
    size_t count = 5, i;
    pid_t pid;
    int out;

    open_wire(&proxy.wires[PROXY_QMP], "proxy-qmp", vm->qmp);
    open_wire(&proxy.wires[PROXY_AGENT], "proxy-agent", vm->agent);
    if (vm->agent[0] != '\0') {
        argv[count++] = "--agent";
        argv[count++] = proxy.wires[PROXY_AGENT].path;
    }
    for (; *arguments != NULL; arguments++)
        argv[count++] = *arguments;
    started_ms = clock_now_ms();
    pid = harness_spawn(argv, &out);
    pump_all(&proxy, strike, out, &text);
    run.status = harness_await(pid);
    run.lines = parse(&text);
    close(out);
    for (i = 0; i < PROXY_WIRES_; i++) {
        proxy_cut(&proxy, (enum proxy_wire_name)i);
        close_if_open(&proxy.wires[i].listen_fd);
    }
    *ret = proxy.outcome;
    ret->ms = clock_now_ms() - started_ms;
    if (strike != NULL)
        claim_in_time(&run, ret->ms);
    return run;
}
