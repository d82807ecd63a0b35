/* SPDX-License-Identifier: MIT */
#include "daemon/v1_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "daemon/audit_log.h"
#include "daemon/fleet.h"
#include "daemon/metrics.h"
#include "daemon/v1_handlers.h"
#include "daemon/v1_operation.h"
#include "qmp/codec.h"

struct v1_api *v1_api_new(struct daemon *daemon)
{
    struct v1_api *api = calloc(1, sizeof(*api));

    if (api == NULL)
        return NULL;
    api->daemon = daemon;
    api->events = v1_events_new(daemon);
    if (api->events != NULL)
        return api;
    free(api);
    return NULL;
}

void v1_api_free(struct v1_api *api)
{
    if (api == NULL)
        return;
    v1_monitor_stop();
    v1_events_free(api->events);
    free(api);
}

void v1_api_stop(struct v1_api *api)
{
    api->is_stopping = true;
    v1_events_stop(api->events);
}

void v1_api_policy_changed(void)
{
    v1_monitor_policy_changed();
}

/* ---- answers ---- */

static json_t *make_error(const char *code, const char *what, const char *fix)
{
    return json_pack("{s:{s:s, s:o, s:o}}", "error", "code", code, "message", codec_string(what),
                     "fix", codec_string(fix));
}

json_t *v1_api_error(unsigned status, const char *what, const char *why, const char *fix)
{
    struct error error;

    (void)error_set(&error, ERROR_LIMIT, "", "%s: %s", what, why);
    return make_error(status == 413 ? "too-large" : "unavailable", error.why, fix);
}

static void free_state(struct v1_request *request)
{
    if (request->free_state != NULL)
        request->free_state(STEAL(request->state));
    request->free_state = NULL;
}

void v1_api_let_go(struct v1_request *request)
{
    if (request->counted)
        LIST_REMOVE(request, link);
    free_state(request);
    json_decref(request->begun);
    free(request);
}

void v1_api_answer_text(struct v1_request *request, unsigned status, const char *type, char *text)
{
    http_request_answer_text(request->http, text != NULL ? status : 500, type, text);
    v1_api_let_go(request);
}

void v1_api_answer(struct v1_request *request, unsigned status, json_t *body)
{
    char *text = body != NULL ? codec_dump(body, 0) : NULL;

    json_decref(body);
    v1_api_answer_text(request, status, V1_API_JSON, text);
}

/* Of each change that the audit log has the beginning of, it has the end, too. */
static void end_changes(struct v1_request *request)
{
    const json_t *change;
    size_t i;

    json_array_foreach(request->begun, i, change)
        (void)audit_log_add(request->daemon->audit_log, request->peer,
                            json_string_value(json_array_get(change, 0)),
                            json_string_value(json_array_get(change, 1)), "error", NULL, NULL);
    v1_api_audit_later(request);
}

void v1_api_fail(struct v1_request *request, unsigned status, const char *code, const char *what,
                 const char *fix)
{
    end_changes(request);
    v1_api_answer(request, status, make_error(code, what, fix));
}

void v1_api_fail_as(struct v1_request *request, unsigned status, const struct error *error)
{
    bool is_told = error->fix[0] != '\0' || status != 400;

    v1_api_fail(request, status, error_code_name(error->code), error->why,
                is_told ? error->fix : "see /v1/openapi.json for what is taken");
}

void v1_api_fail_error(struct v1_request *request, const struct error *error)
{
    static const unsigned statuses[ERROR_CODES_] = {
        [ERROR_INVALID] = 400,  [ERROR_BLOCKED] = 409,      [ERROR_CONNECT] = 503,
        [ERROR_BUSY] = 503,     [ERROR_LIMIT] = 429,        [ERROR_TIMEOUT] = 503,
        [ERROR_CANCELLED] = 503, [ERROR_DISCONNECTED] = 503,
    };

    v1_api_fail_as(request, statuses[error->code] != 0 ? statuses[error->code] : 500, error);
}

#define RETRY_SECONDS 0.05
#define RETRIES 200

static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct v1_request *request = timer->data;

    (void)loop;
    (void)events;
    request->route->run(request);
}

void v1_api_again(struct v1_request *request, const struct error *error)
{
    if (request->attempts++ == RETRIES || request->api->is_stopping) {
        http_request_set_header(request->http, "Retry-After", "1");
        v1_api_fail_error(request, error);
        return;
    }
    free_state(request);
    ev_timer_init(&request->retry, on_retry, RETRY_SECONDS, 0);
    request->retry.data = request;
    ev_timer_start(request->daemon->loop, &request->retry);
}

/* ---- who may ---- */

bool v1_api_may(const struct v1_request *request, const char *vm, enum role role)
{
    return policy_role(request->daemon->policy, request->peer, vm) >= role;
}

/* Whom the request is about. */
static const char *vm_of(const struct v1_request *request)
{
    const struct v1_operation *operation;

    if (request->route->scope == V1_VM)
        return request->name;
    if (request->route->scope != V1_OPERATION)
        return NULL;
    operation = v1_operation_find(request->daemon->operations, request->name);
    return operation != NULL ? v1_operation_vm(operation) : NULL;
}

/* Without any role nobody learns what there is. */
static int check_role(const struct v1_request *request, struct error *error)
{
    const struct v1_route *route = request->route;
    struct policy *policy = request->daemon->policy;
    enum role highest = policy_highest_role(policy, request->peer);

    if (highest == ROLE_NONE || route == NULL)
        return highest != ROLE_NONE ? 0
                                    : policy_check(policy, request->peer, NULL, ROLE_VIEWER, error);
    if (route->scope == V1_ANYTHING || (route->scope == V1_OPERATION && vm_of(request) == NULL)) {
        if (highest >= route->role)
            return 0;
        (void)error_set(error, ERROR_BLOCKED, "ask the host's administrator for it",
                        "uid %u is no %s of any VM", (unsigned)request->peer->uid,
                        policy_role_name(route->role));
        return -1;
    }
    return policy_check(policy, request->peer, vm_of(request), route->role, error);
}

static void forbid(struct v1_request *request, const struct error *error)
{
    const struct v1_route *route = request->route;

    metrics_forbidden(request->daemon->metrics);
    if (route != NULL && strcmp(route->method, "GET") != 0)
        (void)audit_log_add(request->daemon->audit_log, request->peer, vm_of(request),
                            route->operation_id, AUDIT_LOG_FORBIDDEN, NULL, NULL);
    v1_api_fail(request, 403, "forbidden", error->why, error->fix);
}

/* Its index, or the number of all. */
static size_t find_begun(const struct v1_request *request, const json_t *change)
{
    const json_t *other;
    size_t i;

    json_array_foreach(request->begun, i, other) {
        if (json_equal(other, change))
            break;
    }
    return i;
}

int v1_api_audit(struct v1_request *request, const char *vm, const char *action,
                 const char *verdict, json_t *details)
{
    const char *name = action != NULL ? action : request->route->operation_id;
    bool begins = strcmp(verdict, AUDIT_LOG_BEGUN) == 0;
    AUTO_JSON json_t *change = json_pack("[s?, s]", vm, name);
    size_t index = find_begun(request, change);
    struct error error = ERROR_INIT;

    if (begins && index < json_array_size(request->begun)) {
        json_decref(details);
        return 0;
    }
    if (audit_log_add(request->daemon->audit_log, request->peer, vm, name, verdict, details,
                      &error) < 0) {
        v1_api_fail_as(request, 503, &error);
        return -1;
    }
    if (request->begun == NULL)
        request->begun = json_array();
    if (begins)
        (void)json_array_append(request->begun, change);
    else
        (void)json_array_remove(request->begun, index);
    return 0;
}

void v1_api_audit_later(struct v1_request *request)
{
    json_decref(STEAL(request->begun));
}

/* ---- which route ---- */

/* Writes what stands in the place of the part in braces. */
static bool matches(const char *pattern, const char *path, char *name, size_t size)
{
    size_t prefix = strcspn(pattern, "{"), length;

    name[0] = '\0';
    if (pattern[prefix] == '\0')
        return strcmp(pattern, path) == 0;
    if (strncmp(pattern, path, prefix) != 0)
        return false;
    length = strcspn(path + prefix, "/");
    if (length == 0 || length >= size ||
        strcmp(strchr(pattern, '}') + 1, path + prefix + length) != 0)
        return false;
    memcpy(name, path + prefix, length);
    name[length] = '\0';
    return true;
}

#define ALLOW_MAX 64

/* allow: the methods that there are, "" where there is nothing. */
static void find_route(struct v1_request *request, char allow[ALLOW_MAX])
{
    const char *method = http_request_method(request->http);
    const char *path = http_request_path(request->http);
    char name[sizeof(request->name)];
    size_t i, used = 0;

    for (i = 0; i < v1_route_count; i++) {
        if (!matches(v1_routes[i].pattern, path, name, sizeof(name)))
            continue;
        used += (size_t)snprintf(allow + used, ALLOW_MAX - used, "%s%s", used > 0 ? ", " : "",
                                 v1_routes[i].method);
        if (strcmp(method, v1_routes[i].method) != 0)
            continue;
        request->route = &v1_routes[i];
        memcpy(request->name, name, sizeof(name));
    }
}

static void fail_route(struct v1_request *request, const char *allow)
{
    struct error error;

    if (allow[0] == '\0') {
        (void)error_set(&error, ERROR_INVALID, "", "there is no '%.256s'",
                        http_request_path(request->http));
        v1_api_fail(request, 404, "not-found", error.why, "see /v1/openapi.json for what there is");
        return;
    }
    (void)error_set(&error, ERROR_INVALID, "", "'%.256s' is not asked by %.32s",
                    http_request_path(request->http), http_request_method(request->http));
    error_advise(&error, "use %s", allow);
    http_request_set_header(request->http, "Allow", allow);
    v1_api_fail(request, 405, "method-not-allowed", error.why, error.fix);
}

/* ---- what the route asks of a request ---- */

static bool is_type(const char *header, const char *type)
{
    size_t length = strlen(type);

    return strncasecmp(header, type, length) == 0 &&
           (header[length] == '\0' || header[length] == ';' || header[length] == ' ');
}

/* The first type is that of a body of which nothing is said. */
static bool find_type(struct v1_request *request)
{
    const char *header = http_request_header(request->http, "Content-Type");
    const char *const *type = request->route->types;

    for (; *type != NULL; type++) {
        if (header == NULL || is_type(header, *type)) {
            request->type = *type;
            return true;
        }
    }
    return false;
}

static int check_form(struct v1_request *request)
{
    static const char *const none[] = {NULL};
    const struct v1_route *route = request->route;
    const char *strange = http_request_strange_parameter(
        request->http, route->parameters != NULL ? route->parameters : none);
    struct error error;
    size_t size;

    (void)http_request_body(request->http, &size);
    if (strange != NULL) {
        (void)error_set(&error, ERROR_INVALID, "leave it out", "there is no parameter '%.64s' here",
                        strange);
        v1_api_fail_error(request, &error);
    } else if (route->types == NULL && size > 0) {
        v1_api_fail(request, 400, "invalid", "there is to be no body", "send none");
    } else if (route->types != NULL && !find_type(request)) {
        (void)error_set(&error, ERROR_INVALID, "", "the body is of no type that is read here");
        error_advise(&error, "say Content-Type: %s", route->types[0]);
        v1_api_fail(request, 415, "unsupported-media-type", error.why, error.fix);
    } else if (route->types != NULL && size == 0) {
        v1_api_fail(request, 400, "invalid", "there is no body", "send one");
    } else {
        return 0;
    }
    return -1;
}

/* Those that wait can't be sent away for others' sake (daemon/http_server.h), so they are few
 * enough that others always find room; and one user's so few that others can wait, too. */
static bool is_crowded(const struct v1_request *request)
{
    const struct v1_request *other;
    size_t count = 0, own = 0;

    LIST_FOREACH(other, &request->api->waiting, link) {
        count++;
        own += other->peer->uid == request->peer->uid ? 1 : 0;
    }
    return count >= V1_API_WAITING || own >= V1_API_WAITING_EACH;
}

static int check_room(struct v1_request *request)
{
    if (request->api->is_stopping) {
        v1_api_fail(request, 503, "unavailable", "the daemon is about to end",
                    "ask again when it has been started");
        return -1;
    }
    if (!request->route->waits)
        return 0;
    if (is_crowded(request)) {
        http_request_set_header(request->http, "Retry-After", "1");
        v1_api_fail(request, 503, "unavailable", "too many requests wait already",
                    "try again later");
        return -1;
    }
    request->counted = true;
    LIST_INSERT_HEAD(&request->api->waiting, request, link);
    return 0;
}

void v1_api_handle(void *user, struct http_request *http)
{
    struct v1_api *api = user;
    struct v1_request *request = calloc(1, sizeof(*request));
    struct error error = ERROR_INIT;
    char allow[ALLOW_MAX] = "";

    if (request == NULL) {
        http_request_answer(http, 500, make_error("system", "out of memory", "try again later"));
        return;
    }
    request->api = api;
    request->daemon = api->daemon;
    request->http = http;
    request->peer = http_request_peer(http, &error);
    if (request->peer == NULL) {
        v1_api_fail_error(request, &error);
        return;
    }
    find_route(request, allow);
    if (check_role(request, &error) < 0)
        forbid(request, &error);
    else if (request->route == NULL)
        fail_route(request, allow);
    else if (check_form(request) == 0 && check_room(request) == 0)
        request->route->run(request);
}

/* ---- for the handlers ---- */

struct held_vm *v1_api_vm(struct v1_request *request)
{
    struct held_vm *held = fleet_find(request->daemon->fleet, request->name);
    struct error error;

    if (held != NULL)
        return held;
    (void)error_set(&error, ERROR_INVALID, "", "there is no VM '%s'", request->name);
    v1_api_fail(request, 404, "not-found", error.why,
                "apply a manifest of it, or see /v1/vms for those there are");
    return NULL;
}

struct held_vm *v1_api_ready_vm(struct v1_request *request)
{
    struct held_vm *held = v1_api_vm(request);
    const struct error *failure;
    struct error error;

    if (held == NULL || held_vm_state(held) == HELD_READY)
        return held;
    failure = held_vm_failure(held);
    (void)error_set(&error, ERROR_CONNECT, "", "the VM '%s' is %s%s%s", request->name,
                    held_vm_state_name(held_vm_state(held)),
                    failure->code != ERROR_NONE ? ": " : "", failure->why);
    v1_api_fail(request, 503, held_vm_state_name(held_vm_state(held)), error.why,
                failure->fix[0] != '\0' ? failure->fix : "try again when it runs");
    return NULL;
}

static void on_looked(void *user, const struct inventory *inventory)
{
    struct v1_request *request = user;

    vm_job_end(&request->job);
    request->then(request, inventory);
}

static void on_look_failed(void *user, const struct error *error)
{
    v1_api_fail_error(user, error);
}

static void run_look(void *user)
{
    struct v1_request *request = user;

    vm_job_look(&request->job, request->parts, on_looked);
}

void v1_api_look(struct v1_request *request, struct held_vm *held, unsigned parts,
                 void (*then)(struct v1_request *request, const struct inventory *inventory))
{
    struct error error = ERROR_INIT;

    request->parts = parts;
    request->then = then;
    request->job = (struct vm_job){.name = request->route->operation_id,
                                   .run = run_look,
                                   .failed = on_look_failed,
                                   .user = request};
    if (vm_jobs_add(held_vm_jobs(held), &request->job, &error) < 0)
        v1_api_fail_error(request, &error);
}

json_t *v1_api_body(struct v1_request *request)
{
    struct error error = ERROR_INIT;
    size_t size;
    const char *text = http_request_body(request->http, &size);
    json_t *body = NULL;

    if (strlen(text) != size)
        (void)error_set(&error, ERROR_INVALID, "send JSON", "the body is no text");
    else
        body = codec_parse(text, &error);
    if (body != NULL)
        return body;
    error_advise(&error, "send one value in JSON");
    v1_api_fail_error(request, &error);
    return NULL;
}

static int fail_parameter(struct v1_request *request, const char *name, const char *what)
{
    struct error error;

    (void)error_set(&error, ERROR_INVALID, "", "the parameter '%s' is %s", name, what);
    v1_api_fail_error(request, &error);
    return -1;
}

int v1_api_flag(struct v1_request *request, const char *name, bool *ret)
{
    const char *value = http_request_parameter(request->http, name);

    *ret = value != NULL && strcmp(value, "false") != 0;
    if (value == NULL || value[0] == '\0' || strcmp(value, "true") == 0 || !*ret)
        return 0;
    return fail_parameter(request, name, "neither true nor false");
}

int v1_api_number(struct v1_request *request, const char *name, uint64_t least, uint64_t most,
                  uint64_t *ret)
{
    const char *value = http_request_parameter(request->http, name);
    uint64_t number;

    if (value == NULL)
        return 0;
    if (value[0] == '\0' || strlen(value) > 19 || value[strspn(value, "0123456789")] != '\0')
        return fail_parameter(request, name, "no whole number");
    number = strtoull(value, NULL, 10);
    if (number < least || number > most)
        return fail_parameter(request, name, "out of range");
    *ret = number;
    return 0;
}
