/* SPDX-License-Identifier: MIT */
#include "daemon/ch_socket.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "daemon/ch_api.h"
#include "daemon/device_told.h"
#include "daemon/listener.h"
#include "daemon/metrics.h"

struct ch_socket {
    struct daemon *daemon;
    struct ch_api api;
    struct listener listener;
    struct http_server *http;
};

static void on_stage(void *user, const struct operation_result *so_far,
                     const struct operation_stage *stage)
{
    const struct ch_socket *self = user;

    device_told_stage(self->daemon, self->api.vm, so_far, stage);
}

static void on_result(void *user, const struct operation_result *result)
{
    const struct ch_socket *self = user;

    device_told_result(self->daemon, self->api.vm, result);
}

static void on_forbidden(void *user)
{
    const struct ch_socket *self = user;

    metrics_forbidden(self->daemon->metrics);
}

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
    self->daemon = daemon;
    self->api = (struct ch_api){.vm = vm,
                                .policy = daemon->policy,
                                .audit_log = daemon->audit_log,
                                .stage = on_stage,
                                .result = on_result,
                                .forbidden = on_forbidden,
                                .user = self};
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
