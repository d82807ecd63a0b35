/* SPDX-License-Identifier: MIT */
#include "daemon/ch_socket.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "daemon/ch_api.h"
#include "daemon/listener.h"

struct ch_socket {
    struct ch_api api;
    struct listener listener;
    struct http_server *http;
};

static int open_socket(struct ch_socket *self, struct daemon *daemon, const char *path,
                       struct error *error)
{
    struct http_server_options options = {
        .loop = daemon->loop,
        .name = CH_API_SERVER,
        .handle = ch_api_handle,
        .user = &self->api,
    };

    if (path[0] != '/')
        return error_set(error, ERROR_INVALID, "write it from the root on",
                         "vmplug/api-socket is no absolute path: '%.100s'", path);
    if (listener_open(&self->listener, path, error) < 0 ||
        (daemon->socket_group != NULL &&
         listener_share(&self->listener, daemon->socket_group, error) < 0))
        return -1;
    options.fd = steal_fd(&self->listener.fd);
    self->http = http_server_new(&options, error);
    return self->http != NULL ? 0 : -1;
}

struct ch_socket *ch_socket_new(struct daemon *daemon, const char *vm, const char *path,
                                struct error *error)
{
    struct ch_socket *self = calloc(1, sizeof(*self));

    if (self == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    self->listener.fd = -1;
    self->api = (struct ch_api){
        .vm = vm, .policy = daemon->policy, .audit_log = daemon->audit_log};
    if (open_socket(self, daemon, path, error) == 0)
        return self;
    ch_socket_free(self);
    return NULL;
}

void ch_socket_set_jobs(struct ch_socket *self, struct vm_jobs *jobs)
{
    if (self != NULL)
        self->api.jobs = jobs;
}

const char *ch_socket_path(const struct ch_socket *self)
{
    return self->listener.path;
}

void ch_socket_free(struct ch_socket *self)
{
    if (self == NULL)
        return;
    http_server_free(self->http);
    listener_close(&self->listener);
    free(self);
}
