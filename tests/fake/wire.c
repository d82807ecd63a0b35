/* SPDX-License-Identifier: MIT */
#include "tests/fake/wire.h"

#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/fake/fake.h"

#define PATIENCE_MS 10000

static json_t *values; /* of all outcomes, until wire_close() */

int wire_open(struct wire *wire)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        fake_fail("no socket pair");
    wire->fd = fds[0];
    wire->pump = NULL;
    wire->result = PUMP_IDLE;
    return fds[1];
}

void wire_hang_up(struct wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    wire->fd = -1;
}

void wire_close(struct wire *wire)
{
    wire_hang_up(wire);
    json_decref(values);
    values = NULL;
}

void wire_pump(struct wire *wire)
{
    struct pollfd polled;

    do {
        polled = (struct pollfd){.fd = pump_fd(wire->pump), .events = pump_events(wire->pump)};
        (void)poll(&polled, 1, 0);
        wire->result = pump_process(wire->pump, polled.revents);
    } while (wire->result == PUMP_PROGRESS);
}

void wire_pass_deadline(struct wire *wire)
{
    double deadline_ms = pump_deadline_ms(wire->pump);

    if (isinf(deadline_ms) || deadline_ms - clock_now_ms() > PATIENCE_MS)
        fake_fail("there is no deadline near");
    while (clock_now_ms() < deadline_ms)
        (void)clock_poll(NULL, 0, deadline_ms);
    wire_pump(wire);
}

void wire_say_bytes(struct wire *wire, const char *bytes, size_t size)
{
    ssize_t sent;

    while (size > 0) {
        sent = send(wire->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            bytes += sent;
            size -= (size_t)sent;
        }
        wire_pump(wire);
        if (wire->result == PUMP_DEAD)
            return;
    }
}

void wire_say(struct wire *wire, const char *text)
{
    wire_say_bytes(wire, text, strlen(text));
}

void wire_put(struct wire *wire, const char *text)
{
    if (send(wire->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)strlen(text))
        fake_fail("the wire is full");
}

const char *wire_hear(struct wire *wire)
{
    ssize_t count = recv(wire->fd, wire->heard, sizeof(wire->heard) - 1, MSG_DONTWAIT);

    wire->heard[count > 0 ? count : 0] = '\0';
    return wire->heard;
}

void outcome_take(void *user, const struct reply *reply)
{
    static unsigned turns;
    struct outcome *outcome = user;

    if ((reply->value == NULL) == (reply->error == NULL))
        fake_fail("a reply has a value or an error, and not both");
    outcome->count++;
    outcome->turn = ++turns;
    outcome->value = reply->value;
    if (values == NULL)
        values = json_array();
    if (reply->value != NULL)
        json_array_append(values, reply->value);
    outcome->error = reply->error != NULL ? *reply->error : (struct error)ERROR_INIT;
    if (outcome->also != NULL)
        outcome->also(outcome->user);
}

static void assert_told(const struct outcome *outcome, enum error_code code)
{
    if (outcome->count != 1 || outcome->error.code != code)
        fake_fail("told %u times, with error %d '%s', not once with %d", outcome->count,
                  (int)outcome->error.code, outcome->error.why, (int)code);
}

void outcome_assert_value(const struct outcome *outcome, int value)
{
    assert_told(outcome, ERROR_NONE);
    if (json_integer_value(outcome->value) != value)
        fake_fail("told %" JSON_INTEGER_FORMAT ", not %d", json_integer_value(outcome->value),
                  value);
}

void outcome_assert_error(const struct outcome *outcome, enum error_code code)
{
    assert_told(outcome, code);
}
