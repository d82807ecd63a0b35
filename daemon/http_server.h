/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 on a listening socket, by libmicrohttpd, whose descriptor and deadlines libev watches:
 * no thread, and no wait but the loop's. A request is handed over when all of it has come, and may
 * be answered at any time after; meanwhile others are served.
 *
 * No client holds others up. A request has HTTP_SERVER_REQUEST_MS to arrive, however lively it is,
 * and an answer has to be taken as fast. Of more than HTTP_SERVER_CONNECTIONS the one that has kept
 * us waiting longest is closed. Too long a body is refused before it is read, where it is
 * announced, and too long a head, too.
 */
#ifndef DAEMON_HTTP_SERVER_H
#define DAEMON_HTTP_SERVER_H

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define HTTP_SERVER_BODY_BYTES ((size_t)4 << 20)
#define HTTP_SERVER_HEAD_BYTES ((size_t)16 << 10) /* of a connection all but the body */
#define HTTP_SERVER_CONNECTIONS 64
#define HTTP_SERVER_REQUEST_MS 10000

struct http_server;

/* Until it is answered, the caller's to keep. */
struct http_request;

struct http_server_options {
    struct ev_loop *loop;
    int fd;           /* listens, and does not block; taken over, also on failure */
    const char *name; /* header Server; borrowed */
    /* A request has come. It may be answered in here or later, and must be answered once. */
    void (*handle)(void *user, struct http_request *request);
    void *user;
};

/* NULL with ERROR_SYSTEM. */
struct http_server *http_server_new(const struct http_server_options *options,
                                    struct error *error);

/* No new connection from now on; those that there are go on. */
void http_server_quiesce(struct http_server *server);

/* Every request has been answered, and the answer taken or given up. */
bool http_server_is_idle(const struct http_server *server);

/* Closes all connections. Only when every request has been answered. NULL is allowed. */
void http_server_free(struct http_server *server);

/* Borrowed from the request. The path is what stood in the request, without a query. The body ends
 * with a NUL that its size does not count, and is never NULL. */
const char *http_request_method(const struct http_request *request);
const char *http_request_path(const struct http_request *request);
const char *http_request_body(const struct http_request *request, size_t *ret_size);
bool http_request_has_query(const struct http_request *request);

/* body: JSON, taken over; NULL: none. The request is no longer the caller's. */
void http_request_answer(struct http_request *request, unsigned status, json_t *body);

/* An error of Cloud Hypervisor's kind: an array of strings, outermost first; those that are "" are
 * left out. */
json_t *http_server_error(const char *what, const char *why, const char *fix);

#endif
