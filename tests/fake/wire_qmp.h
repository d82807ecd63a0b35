/* SPDX-License-Identifier: MIT */
/* A QMP client on a wire whose other end, QEMU, is the test. */
#ifndef TESTS_FAKE_WIRE_QMP_H
#define TESTS_FAKE_WIRE_QMP_H

#include "qmp/qmp_client.h"
#include "tests/fake/wire.h"

/* What QEMU says first, what it hears then, and how it answers. */
#define WIRE_QMP_GREETING \
    "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": [\"oob\"]}}\r\n"
#define WIRE_QMP_NEGOTIATION "{\"execute\":\"qmp_capabilities\",\"id\":0}\n"
#define WIRE_QMP_NEGOTIATED "{\"return\": {}, \"id\": 0}\r\n"

/* Opens the wire and a client on it, to which nothing has been said; options.fd is set here. */
struct qmp_client *wire_qmp_begin_with(struct wire *wire, struct qmp_client_options options);
struct qmp_client *wire_qmp_begin(struct wire *wire);

/* The same, greeted and negotiated. */
struct qmp_client *wire_qmp_begin_ready_with(struct wire *wire,
                                             struct qmp_client_options options);
struct qmp_client *wire_qmp_begin_ready(struct wire *wire);

void wire_qmp_end(struct wire *wire, struct qmp_client *client);

/* Without a time, a minute. Returns the request's id, or -1. */
int64_t wire_qmp_submit_until(struct qmp_client *client, const char *command, double timeout_ms,
                              struct outcome *outcome);
int64_t wire_qmp_submit(struct qmp_client *client, const char *command, struct outcome *outcome);

/* Answers the command of this id by ten times the id. */
void wire_qmp_reply(struct wire *wire, int64_t id);

/* How many commands have been sent since the last time. */
unsigned wire_qmp_heard_count(struct wire *wire);

#endif
