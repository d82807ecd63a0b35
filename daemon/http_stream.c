/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "daemon/http_parts.h"

/* ---- an answer in pieces ---- */

/* libmicrohttpd asks for more once what it had has gone to the socket. */
static ssize_t on_read(void *user, uint64_t position, char *bytes, size_t size)
{
    struct http_request *request = user;
    struct http_connection *connection = http_connection_of(request);
    ssize_t got = request->source.read(request->source.user, bytes, size);

    (void)position;
    if (got < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (got > 0 && connection != NULL)
        http_connection_wait(request->server, connection);
    if (got > 0)
        return got;
    if (connection != NULL)
        http_connection_wait_no_more(request->server, connection);
    request->is_asleep = true;
    MHD_suspend_connection(request->connection);
    return 0;
}

#define BLOCK_BYTES 4096 /* of HTTP/1.0, which has no chunks */

void http_request_stream(struct http_request *request, const char *content_type,
                         const struct http_stream_source *source)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read, request, NULL);

    request->source = *source;
    request->is_stream = true;
    if (response != NULL) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    }
    http_request_respond(request, MHD_HTTP_OK, response);
}

void http_stream_wake(struct http_request *request)
{
    if (!request->is_asleep)
        return;
    request->is_asleep = false;
    MHD_resume_connection(request->connection);
    http_server_run_soon(request->server);
}

void http_stream_close(struct http_request *request)
{
    if (request->is_stream)
        request->source.closed(request->source.user);
    if (request->upgraded != NULL)
        request->upgraded(request->user, -1, NULL, 0);
}

/* ---- another protocol ---- */

/* A descriptor of our own, so that to libmicrohttpd the connection is at its end. */
static void on_upgrade(void *user, struct MHD_Connection *handle, void *context, const char *bytes,
                       size_t size, MHD_socket socket, struct MHD_UpgradeResponseHandle *upgrade)
{
    struct http_request *request = user;
    http_upgraded_fn *upgraded = STEAL(request->upgraded);
    struct http_connection *connection = http_connection_of(request);

    (void)handle;
    (void)context;
    if (connection != NULL)
        http_connection_let_go(request->server, connection);
    upgraded(request->user, fcntl(socket, F_DUPFD_CLOEXEC, 0), bytes, size);
    (void)MHD_upgrade_action(upgrade, MHD_UPGRADE_ACTION_CLOSE);
    http_server_run_soon(request->server);
}

void http_request_upgrade(struct http_request *request, const char *protocol,
                          http_upgraded_fn *upgraded, void *user)
{
    struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, request);

    request->upgraded = upgraded;
    request->user = user;
    if (response != NULL)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, protocol);
    http_request_respond(request, MHD_HTTP_SWITCHING_PROTOCOLS, response);
}

/* One of the words between commas. */
static bool has_word(const char *list, const char *word)
{
    size_t size;

    for (; list != NULL && *list != '\0'; list += size) {
        list += strspn(list, ", \t");
        size = strcspn(list, ", \t");
        if (size == strlen(word) && strncasecmp(list, word, size) == 0)
            return true;
    }
    return false;
}

bool http_request_wants_upgrade(const struct http_request *request, const char *protocol)
{
    return request->is_1_1 &&
           has_word(http_request_header(request, MHD_HTTP_HEADER_CONNECTION), "upgrade") &&
           has_word(http_request_header(request, MHD_HTTP_HEADER_UPGRADE), protocol);
}
