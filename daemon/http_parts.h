/* SPDX-License-Identifier: MIT */
/* What http_server.c (connections, and the loop), http_request.c (requests and their answers) and
 * http_stream.c (answers in pieces, other protocols) have in common. For them alone. */
#ifndef DAEMON_HTTP_PARTS_H
#define DAEMON_HTTP_PARTS_H

#include <microhttpd.h>
#include <sys/queue.h>

#include "base/buffer.h"
#include "daemon/http_server.h"

#define HTTP_REQUEST_HEADERS 4 /* of an answer, beside those that are always there */

/* Its place in the list of those that keep us waiting is that of its request, which is to come, or
 * whose answer it is to take. */
struct http_connection {
    TAILQ_ENTRY(http_connection) link;
    int fd;
    double since_ms;
    bool waited_for;
};

TAILQ_HEAD(http_connection_list, http_connection);
LIST_HEAD(http_request_list, http_request);

struct http_server {
    struct MHD_Daemon *daemon;
    struct http_server_options options;
    ev_io io;
    ev_timer timer;
    struct http_connection_list waited_for; /* longest first */
    struct http_request_list requests;
    bool run_again;          /* asked for, also while libmicrohttpd runs */
    size_t connection_count; /* but for those that have been told to go */
    size_t request_count;    /* handed over, and their answers not yet gone */
    size_t body_bytes;       /* of all requests that there are */
    size_t answer_bytes;     /* likewise */
};

enum http_body { HTTP_BODY_TAKEN, HTTP_BODY_TOO_LARGE, HTTP_BODY_NO_ROOM };

struct http_request {
    LIST_ENTRY(http_request) link;
    struct http_server *server;
    struct MHD_Connection *connection;
    char *method, *path;
    struct buffer body;
    enum http_body body_is; /* of another than a taken one nothing is kept */
    size_t dropped_bytes;
    struct peer_id peer;
    bool is_1_1, handed_over, suspended, answered, peer_read;
    struct MHD_Response *response; /* NULL, although answered: without memory */
    unsigned status;
    size_t answer_bytes; /* of the response */
    struct {
        const char *name;
        char *value;
    } headers[HTTP_REQUEST_HEADERS];
    size_t header_count;
    /* An answer in pieces. */
    struct http_stream_source source;
    bool is_stream, is_asleep;
    /* Another protocol. */
    http_upgraded_fn *upgraded;
    void *user;
};

/* ---- http_server.c ---- */

/* The client's turn: as long as it has not done what it is to do, it keeps us waiting. */
void http_connection_wait(struct http_server *server, struct http_connection *connection);
void http_connection_wait_no_more(struct http_server *server, struct http_connection *connection);

/* It counts no more, and is never sent away. */
void http_connection_let_go(struct http_server *server, struct http_connection *connection);

/* NULL without memory for it, and when it has been let go or sent away. */
struct http_connection *http_connection_of(const struct http_request *request);

/* What libmicrohttpd has to do is done at the loop's next turn. */
void http_server_run_soon(struct http_server *server);

/* ---- http_request.c: what libmicrohttpd calls ---- */

enum MHD_Result http_request_step(void *user, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **context);
void http_request_completed(void *user, struct MHD_Connection *handle, void **context,
                            enum MHD_RequestTerminationCode how);

/* The response, which is there or not, is the answer. */
void http_request_respond(struct http_request *request, unsigned status,
                          struct MHD_Response *response);

/* ---- http_stream.c ---- */

/* The request is about to be freed: whoever gave the answer its pieces, or waits for the socket,
 * is told. */
void http_stream_close(struct http_request *request);

#endif
