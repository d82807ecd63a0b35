/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/http_parts.h"
#include "qmp/codec.h"

#define SHORT_BYTES 4096 /* of an answer that there is always room for */

static void request_free(struct http_request *request)
{
    size_t i;

    LIST_REMOVE(request, link);
    http_stream_close(request);
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    for (i = 0; i < request->header_count; i++)
        free(request->headers[i].value);
    request->server->body_bytes -= buffer_size(&request->body);
    request->server->answer_bytes -= request->answer_bytes;
    buffer_free(&request->body);
    peer_free(&request->peer);
    free(request->method);
    free(request->path);
    free(request);
}

static struct http_request *request_new(struct http_server *server,
                                        struct MHD_Connection *connection, const char *method,
                                        const char *path, const char *version)
{
    struct http_request *request = calloc(1, sizeof(*request));

    if (request == NULL)
        return NULL;
    LIST_INSERT_HEAD(&server->requests, request, link);
    request->server = server;
    request->connection = connection;
    request->is_1_1 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    request->method = strdup(method);
    request->path = strdup(path);
    if (request->method != NULL && request->path != NULL)
        return request;
    request_free(request);
    return NULL;
}

static bool announces_too_much(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);

    return length != NULL && strtoull(length, NULL, 10) > HTTP_SERVER_BODY_BYTES;
}

static void mark_handed_over(struct http_request *request)
{
    request->handed_over = true;
    request->server->request_count++;
}

/* The client's turn again: it is to take the answer. */
static enum MHD_Result send_answer(struct http_request *request)
{
    struct http_connection *connection = http_connection_of(request);

    if (connection != NULL)
        http_connection_wait(request->server, connection);
    return MHD_queue_response(request->connection, request->status, request->response);
}

/* Nobody is asked: the request is the server's own to answer. */
static enum MHD_Result refuse(struct http_request *request, unsigned status, const char *what,
                              const char *why, const char *fix)
{
    mark_handed_over(request);
    http_request_answer(request, status, request->server->options.error(status, what, why, fix));
    return send_answer(request);
}

static enum MHD_Result begin_request(struct http_request *request)
{
    if (!announces_too_much(request->connection))
        return MHD_YES;
    return refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "The request's body is too large",
                  "it is announced as longer than 4 MiB", "send less");
}

static void drop_body(struct http_request *request, enum http_body why)
{
    request->body_is = why;
    request->server->body_bytes -= buffer_size(&request->body);
    buffer_free(&request->body);
}

/* Where its length was not announced, it is found out here. libmicrohttpd takes no answer until
 * all has come. */
static enum MHD_Result take_body(struct http_request *request, const char *bytes, size_t *size)
{
    struct http_server *server = request->server;
    size_t got = *size;

    *size = 0;
    if (request->body_is == HTTP_BODY_TAKEN) {
        if (buffer_size(&request->body) + got > HTTP_SERVER_BODY_BYTES)
            drop_body(request, HTTP_BODY_TOO_LARGE);
        else if (server->body_bytes + got > HTTP_SERVER_BODIES_BYTES ||
                 buffer_append(&request->body, bytes, got) < 0)
            drop_body(request, HTTP_BODY_NO_ROOM);
        else
            server->body_bytes += got;
    }
    if (request->body_is == HTTP_BODY_TAKEN)
        return MHD_YES;
    request->dropped_bytes += got;
    return request->dropped_bytes <= HTTP_SERVER_BODY_BYTES ? MHD_YES : MHD_NO;
}

static enum MHD_Result hand_over(struct http_request *request)
{
    struct http_server *server = request->server;
    struct http_connection *connection = http_connection_of(request);

    if (connection != NULL)
        http_connection_wait_no_more(server, connection);
    if (request->body_is == HTTP_BODY_TOO_LARGE)
        return refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "The request's body is too large",
                      "it is longer than 4 MiB", "send less");
    if (request->body_is == HTTP_BODY_NO_ROOM || buffer_append(&request->body, "", 1) < 0)
        return refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "The request could not be taken",
                      "there is no memory for its body beside those of others",
                      "try again later");
    server->body_bytes++;
    mark_handed_over(request);
    server->options.handle(server->options.user, request);
    if (request->answered)
        return send_answer(request);
    request->suspended = true;
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

enum MHD_Result http_request_step(void *user, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **context)
{
    struct http_request *request = *context;

    if (request == NULL) {
        request = request_new(user, connection, method, url, version);
        *context = request;
        return request != NULL ? begin_request(request) : MHD_NO;
    }
    if (*size > 0)
        return take_body(request, bytes, size);
    return request->handed_over ? send_answer(request) : hand_over(request);
}

/* The answer has gone, or the client has. As long as the request is at work, it is suspended, and
 * libmicrohttpd does not see that its client has gone. */
void http_request_completed(void *user, struct MHD_Connection *handle, void **context,
                            enum MHD_RequestTerminationCode how)
{
    struct http_server *server = user;
    struct http_request *request = *context;
    struct http_connection *connection;

    (void)handle;
    (void)how;
    if (request == NULL)
        return;
    connection = http_connection_of(request);
    if (connection != NULL)
        http_connection_wait(server, connection);
    server->request_count -= request->handed_over ? 1 : 0;
    request_free(request);
    *context = NULL;
}

/* ---- what was asked ---- */

const char *http_request_method(const struct http_request *request)
{
    return request->method;
}

const char *http_request_path(const struct http_request *request)
{
    return request->path;
}

const char *http_request_body(const struct http_request *request, size_t *ret_size)
{
    *ret_size = buffer_size(&request->body) - 1;
    return buffer_bytes(&request->body);
}

bool http_request_has_query(const struct http_request *request)
{
    return MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, NULL, NULL) > 0;
}

struct lookup {
    const char *name, *found;
};

/* MHD_lookup_connection_value() has no answer for one without a value. */
static enum MHD_Result compare(void *user, enum MHD_ValueKind kind, const char *key,
                               const char *value)
{
    struct lookup *lookup = user;

    (void)kind;
    if (strcmp(key, lookup->name) != 0)
        return MHD_YES;
    lookup->found = value != NULL ? value : "";
    return MHD_NO;
}

const char *http_request_parameter(const struct http_request *request, const char *name)
{
    struct lookup lookup = {.name = name};

    (void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, compare, &lookup);
    return lookup.found;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct known {
    const char *const *names;
    const char *strange;
};

static enum MHD_Result look_for_strange(void *user, enum MHD_ValueKind kind, const char *key,
                                        const char *value)
{
    struct known *known = user;
    size_t i;

    (void)kind;
    (void)value;
    for (i = 0; known->names[i] != NULL; i++) {
        if (strcmp(known->names[i], key) == 0)
            return MHD_YES;
    }
    known->strange = key;
    return MHD_NO;
}

const char *http_request_strange_parameter(const struct http_request *request,
                                           const char *const *names)
{
    struct known known = {.names = names};

    (void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, look_for_strange,
                                    &known);
    return known.strange;
}

const struct peer_id *http_request_peer(struct http_request *request, struct error *error)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (!request->peer_read && peer_read(info->connect_fd, &request->peer, error) < 0)
        return NULL;
    request->peer_read = true;
    return &request->peer;
}

/* ---- what is answered ---- */

void http_request_set_header(struct http_request *request, const char *name, const char *value)
{
    char *copy = request->header_count < HTTP_REQUEST_HEADERS ? strdup(value) : NULL;

    if (copy == NULL)
        return;
    request->headers[request->header_count].name = name;
    request->headers[request->header_count++].value = copy;
}

void http_request_respond(struct http_request *request, unsigned status,
                          struct MHD_Response *response)
{
    const char *server = request->server->options.name;
    size_t i;

    if (response != NULL)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, server);
    for (i = 0; response != NULL && i < request->header_count; i++)
        (void)MHD_add_response_header(response, request->headers[i].name,
                                      request->headers[i].value);
    request->response = response;
    request->status = status;
    request->answered = true;
    if (!request->suspended)
        return;
    request->suspended = false;
    MHD_resume_connection(request->connection);
    http_server_run_soon(request->server);
}

/* All that clients have asked for, and do not take, would add up. */
static bool is_too_much(const struct http_request *request, size_t size)
{
    return size > SHORT_BYTES &&
           request->server->answer_bytes + size > HTTP_SERVER_ANSWERS_BYTES;
}

/* Without memory there is an answer without a body. */
void http_request_answer_text(struct http_request *request, unsigned status,
                              const char *content_type, char *text)
{
    size_t size = text != NULL ? strlen(text) : 0;
    struct MHD_Response *response;

    if (is_too_much(request, size)) {
        free(text);
        http_request_answer(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                            request->server->options.error(
                                MHD_HTTP_SERVICE_UNAVAILABLE, "The answer could not be kept",
                                "too much waits for clients that do not take it",
                                "try again later"));
        return;
    }
    request->answer_bytes = size;
    request->server->answer_bytes += size;
    response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(text);
    else if (text != NULL)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    http_request_respond(request, status, response);
}

void http_request_answer(struct http_request *request, unsigned status, json_t *body)
{
    char *text = body != NULL ? codec_dump(body, 0) : NULL;

    json_decref(body);
    http_request_answer_text(request, status, "application/json", text);
}

json_t *http_server_error(unsigned status, const char *what, const char *why, const char *fix)
{
    const char *const texts[] = {what, why, fix};
    json_t *array = json_array();
    size_t i;

    (void)status;
    for (i = 0; i < COUNT_OF(texts); i++) {
        if (texts[i][0] != '\0')
            (void)json_array_append_new(array, codec_string(texts[i]));
    }
    return array;
}
