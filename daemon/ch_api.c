/* SPDX-License-Identifier: MIT */
#include "daemon/ch_api.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/ch_endpoints.h"
#include "daemon/ch_json.h"
#include "daemon/gate.h"
#include "qmp/codec.h"

#define ROOT "/api/v1/"

/* A body with this member asks for this kind of change, which a feature gate may switch off. */
struct gated {
    const char *member; /* NULL: behind the last */
    enum operation_type type;
};

struct endpoint {
    const char *name, *method;
    bool has_body;
    bool changes;
    void (*run)(struct ch_job *job); /* NULL: answered at once */
    struct gated gated[4];
};

static const struct endpoint endpoints[] = {
    {"vmm.ping", "GET", false, false, NULL, {{NULL}}},
    {"vm.info", "GET", false, false, ch_vm_info, {{NULL}}},
    {"vm.counters", "GET", false, false, ch_vm_counters, {{NULL}}},
    {"vm.resize", "PUT", true, true, ch_resize_run,
     {{"desired_vcpus", OPERATION_CPU_ADD},
      {"desired_ram", OPERATION_DIMM_ADD},
      {"desired_balloon", OPERATION_VIRTIO_MEM_RESIZE},
      {NULL}}},
    {"vm.resize-disk", "PUT", true, true, ch_disk_resize, {{"id", OPERATION_DISK_RESIZE}, {NULL}}},
    {"vm.add-disk", "PUT", true, true, ch_disk_add, {{"path", OPERATION_DISK_ADD}, {NULL}}},
    {"vm.remove-device", "PUT", true, true, ch_disk_remove,
     {{"id", OPERATION_DISK_REMOVE}, {NULL}}},
    {"vm.pause", "PUT", false, true, ch_vm_pause, {{NULL}}},
    {"vm.resume", "PUT", false, true, ch_vm_resume, {{NULL}}},
};

static const struct endpoint *find_endpoint(const struct http_request *request)
{
    const char *path = http_request_path(request);
    size_t i;

    if (strncmp(path, ROOT, strlen(ROOT)) != 0 || http_request_has_query(request))
        return NULL;
    for (i = 0; i < COUNT_OF(endpoints); i++) {
        if (strcmp(endpoints[i].name, path + strlen(ROOT)) == 0)
            return &endpoints[i];
    }
    return NULL;
}

static void refuse(struct http_request *request, unsigned status, const char *what,
                   const struct error *error)
{
    http_request_answer(request, status, http_server_error(status, what, error->why, error->fix));
}

/* Returns 0 and the body, or NULL where there is to be none; or -1 with ERROR_INVALID. */
static int read_body(const struct endpoint *endpoint, const struct http_request *request,
                     json_t **ret, struct error *error)
{
    size_t size;
    const char *text = http_request_body(request, &size);

    *ret = NULL;
    if (!endpoint->has_body)
        return size == 0 ? 0
                         : error_set(error, ERROR_INVALID, "send none",
                                     "%s takes no body", endpoint->name);
    if (size == 0)
        return error_set(error, ERROR_INVALID, "send a JSON object", "%s needs a body",
                         endpoint->name);
    if (strlen(text) != size)
        return error_set(error, ERROR_INVALID, "send a JSON object", "the body is no text");
    *ret = codec_parse(text, error);
    if (*ret == NULL)
        return -1;
    if (json_is_object(*ret))
        return 0;
    json_decref(STEAL(*ret));
    return error_set(error, ERROR_INVALID, "send a JSON object", "the body is no object");
}

/* Whoever is nobody to this VM learns nothing of it, not even what is wrong with a request. */
static int check_role(const struct ch_api *api, const struct endpoint *endpoint,
                      struct http_request *request, struct error *error)
{
    bool changes = endpoint != NULL && endpoint->changes;
    const struct peer_id *peer;

    if (api->policy == NULL)
        return 0;
    peer = http_request_peer(request, error);
    if (peer == NULL)
        return -1;
    if (policy_check(api->policy, peer, api->vm, changes ? ROLE_OPERATOR : ROLE_VIEWER, error) == 0)
        return 0;
    if (api->forbidden != NULL)
        api->forbidden(api->user);
    if (changes)
        (void)audit_log_add(api->audit_log, peer, api->vm, endpoint->name, AUDIT_LOG_FORBIDDEN,
                            NULL, NULL);
    return -1;
}

static int check_gates(const struct endpoint *endpoint, const json_t *body, struct error *error)
{
    const struct gated *gated;
    const json_t *member;

    for (gated = endpoint->gated; gated->member != NULL; gated++) {
        member = json_object_get(body, gated->member);
        if (member != NULL && !json_is_null(member) &&
            gate_check_operation(gated->type, error) < 0)
            return -1;
    }
    return 0;
}

static void start(const struct ch_api *api, const struct endpoint *endpoint,
                  struct http_request *request, json_t *body)
{
    const struct ch_job_options options = {
        .api = api,
        .name = endpoint->name,
        .changes = endpoint->changes,
        .request = request,
        .body = body,
        .run = endpoint->run,
    };

    ch_job_start(&options);
}

/* What is well-formed, and may be. */
static void take(const struct ch_api *api, const struct endpoint *endpoint,
                 struct http_request *request)
{
    struct error error = ERROR_INIT;
    json_t *body;

    if (read_body(endpoint, request, &body, &error) < 0) {
        refuse(request, CH_BAD_REQUEST, "The request can't be understood", &error);
    } else if (endpoint->run == NULL) {
        http_request_answer(request, 200, ch_json_ping());
    } else if (api->jobs == NULL) {
        (void)error_set(&error, ERROR_CONNECT, "start it", "its QEMU does not run, or is busy");
        refuse(request, CH_NOT_FOUND, "The VM is not there", &error);
        json_decref(body);
    } else if (check_gates(endpoint, body, &error) < 0) {
        refuse(request, error.code == ERROR_BLOCKED ? CH_FORBIDDEN : CH_FAILED,
               "The request is not allowed", &error);
        json_decref(body);
    } else {
        start(api, endpoint, request, body);
    }
}

void ch_api_handle(void *user, struct http_request *request)
{
    const struct ch_api *api = user;
    const struct endpoint *endpoint = find_endpoint(request);
    struct error error = ERROR_INIT;

    if (check_role(api, endpoint, request, &error) < 0) {
        refuse(request, error.code == ERROR_BLOCKED ? CH_FORBIDDEN : CH_FAILED,
               "The request is not allowed", &error);
    } else if (endpoint == NULL) {
        (void)error_set(&error, ERROR_INVALID, "see vmplug help serve for those there are",
                        "%.256s is none", http_request_path(request));
        refuse(request, CH_NOT_FOUND, "There is no such endpoint", &error);
    } else if (strcmp(http_request_method(request), endpoint->method) != 0) {
        (void)error_set(&error, ERROR_INVALID, "", "%s is not asked by %.32s", endpoint->name,
                        http_request_method(request));
        error_advise(&error, "use %s", endpoint->method);
        refuse(request, CH_BAD_REQUEST, "The request can't be understood", &error);
    } else {
        take(api, endpoint, request);
    }
}
