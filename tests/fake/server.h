/* SPDX-License-Identifier: MIT */
/*
 * One listening socket and at most one client, like a monitor of QEMU or a guest agent's port: a
 * second client is left waiting. Cuts what comes in by JSON value, with jansson alone: nothing of
 * what is under test is used. Driven as a pump, in the test's own loop or by fake_serve().
 */
#ifndef TESTS_FAKE_SERVER_H
#define TESTS_FAKE_SERVER_H

#include <jansson.h>

#include "base/buffer.h"
#include "qmp/pump.h"
#include "tests/fake/outbox.h"

struct server_handler {
    void (*connected)(void *user); /* may be NULL, like all */
    void (*received)(void *user, json_t *value);
    void (*malformed)(void *user); /* no JSON came, and was dropped; NULL: it fails the test */
    void (*sentinel)(void *user);  /* a byte 0xFF between values */
    void (*closed)(void *user);    /* by the client */
    void (*woken)(void *user);     /* wake_ms has come */
};

struct server {
    struct pump pump; /* first */
    char path[108];
    int listen_fd;
    int fd; /* -1: no client */
    struct buffer in;
    struct outbox out;
    double wake_ms;
    const struct server_handler *handler;
    void *user;
};

/* Listens at path, which is made anew, for its owner only; NULL: nowhere. Ends by fake_fail() when
 * it can't. */
void server_open(struct server *server, const char *path, const struct server_handler *handler,
                 void *user);

/* Sends, or queues what the socket does not take. Without a client nothing happens. */
void server_send(struct server *server, const char *bytes, size_t size);

/* The same of what has its own time and pieces. Its bytes are taken over. */
void server_queue(struct server *server, struct outbox_chunk chunk);

/* Sends a value and CRLF. The value is taken over. */
void server_send_json(struct server *server, json_t *value);

/* Closes the client's connection; what is unread or unsent is lost. */
void server_hang_up(struct server *server);

void server_close(struct server *server);

#endif
