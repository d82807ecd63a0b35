/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 on a listening Unix socket, by libmicrohttpd, whose descriptor and deadlines libev
 * watches: no thread, and no wait but the loop's. A request is handed over when all of it has come,
 * and may be answered at any time after, in pieces, too; meanwhile others are served.
 *
 * No client holds others up. A request has HTTP_SERVER_REQUEST_MS to arrive, however lively it is,
 * and an answer has to be taken as fast; of an answer in pieces, each piece. Of more than
 * `connections` the one that has kept us waiting longest is closed. Too long a body is refused
 * before it is read, where it is announced, and too long a head, too; of a body that was not
 * announced as much again is read and dropped, so that its sender hears why. When too much waits to
 * be taken, an answer that is not short is none but 503. What libmicrohttpd
 * itself finds wrong (400, 413, 414, 431 of a request that is no HTTP) it answers with a page of
 * HTML, which can't be helped.
 */
#ifndef DAEMON_HTTP_SERVER_H
#define DAEMON_HTTP_SERVER_H

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "daemon/peer.h"

#define HTTP_SERVER_BODY_BYTES ((size_t)4 << 20)
#define HTTP_SERVER_BODIES_BYTES ((size_t)64 << 20) /* of all requests that are there at once */
#define HTTP_SERVER_ANSWERS_BYTES ((size_t)64 << 20) /* … of answers that have yet to be taken */
#define HTTP_SERVER_HEAD_BYTES ((size_t)16 << 10)   /* of a connection all but the body */
#define HTTP_SERVER_CONNECTIONS 64
#define HTTP_SERVER_REQUEST_MS 10000

struct http_server;

/* Until it is answered, the caller's to keep. */
struct http_request;

/* An error's body: what, why and fix may be "". */
typedef json_t *http_error_fn(unsigned status, const char *what, const char *why, const char *fix);

struct http_server_options {
    struct ev_loop *loop;
    int fd;           /* listens, and does not block; taken over, also on failure */
    const char *name; /* header Server; borrowed */
    unsigned connections; /* at once; 0: HTTP_SERVER_CONNECTIONS */
    http_error_fn *error; /* of what the server itself refuses; NULL: http_server_error() */
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

/* Closes all connections, also of requests that have not been answered: nothing may be done with
 * those any more. NULL is allowed. */
void http_server_free(struct http_server *server);

/* ---- what was asked ---- */

/* Borrowed from the request. The path is what stood in the request, without a query. The body ends
 * with a NUL that its size does not count, and is never NULL. */
const char *http_request_method(const struct http_request *request);
const char *http_request_path(const struct http_request *request);
const char *http_request_body(const struct http_request *request, size_t *ret_size);
bool http_request_has_query(const struct http_request *request);

/* The first of this name; NULL: there is none; of a parameter without '=' "". Borrowed from the
 * request. A header's name is of any case. */
const char *http_request_parameter(const struct http_request *request, const char *name);
const char *http_request_header(const struct http_request *request, const char *name);

/* The name of a parameter that is not in the list, which ends with NULL; else NULL. */
const char *http_request_strange_parameter(const struct http_request *request,
                                           const char *const *known);

/* Who asks. Borrowed from the request; NULL with ERROR_SYSTEM. */
const struct peer_id *http_request_peer(struct http_request *request, struct error *error);

/* ---- what is answered ---- */

/* A further header of the answer to come. name: a literal; value: copied. At most four; what there
 * is no memory for is left out. */
void http_request_set_header(struct http_request *request, const char *name, const char *value);

/* body: JSON, taken over; NULL: none. The request is no longer the caller's. */
void http_request_answer(struct http_request *request, unsigned status, json_t *body);

/* text: allocated, taken over; NULL, for want of memory, is an empty body. */
void http_request_answer_text(struct http_request *request, unsigned status,
                              const char *content_type, char *text);

/* An error of Cloud Hypervisor's kind: an array of strings, outermost first; those that are "" are
 * left out. */
json_t *http_server_error(unsigned status, const char *what, const char *why, const char *fix);

/* ---- an answer in pieces ---- */

struct http_stream_source {
    /* Writes up to `size` bytes, which is more than 0, and returns how many; 0: there is nothing
     * now, and http_stream_wake() will be called; -1: that was all. From the loop alone. */
    ssize_t (*read)(void *user, char *bytes, size_t size);
    /* All has been taken, or the client has gone, or the server ends; the last call, once. */
    void (*closed)(void *user);
    void *user;
};

/* Status 200, and what the source gives, as fast as the client takes it. The request is the
 * caller's to wake until closed() has been called, which is never done in here. Whether a client
 * has gone is only seen when it is sent something. content_type: borrowed for good. */
void http_request_stream(struct http_request *request, const char *content_type,
                         const struct http_stream_source *source);

/* There is something to read. Not from inside of read(). */
void http_stream_wake(struct http_request *request);

/* ---- another protocol ---- */

/* The socket, which does not block and is the callee's to close, and what the client has sent on
 * it already, borrowed; or fd -1: the client has gone. Once, from the loop. */
typedef void http_upgraded_fn(void *user, int fd, const char *bytes, size_t size);

/* Answers 101 (RFC 9110, 7.8): from then on the socket speaks `protocol`, borrowed for good, and is
 * none of the server's connections. The request must have asked for it by HTTP/1.1, which
 * http_request_wants_upgrade() tells. The request is no longer the caller's. `upgraded` is never
 * called in here. */
void http_request_upgrade(struct http_request *request, const char *protocol,
                          http_upgraded_fn *upgraded, void *user);

/* Whether the headers Connection and Upgrade ask for it. */
bool http_request_wants_upgrade(const struct http_request *request, const char *protocol);

#endif
