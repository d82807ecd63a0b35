/* SPDX-License-Identifier: MIT */
/*
 * vmplugd's own API, under /v1: what is asked for, who may ask for it, and who does it. All of it
 * stands in one table of routes, and whether a peer may is decided in one place, before anything of
 * the request is looked at. doc/vmplugd-openapi.json says the same of every route to its clients,
 * and tests/python/test_v1.py holds the two against each other.
 *
 * An error's body is {"error": {"code", "message", "fix"}}: a stable word, one line of what and
 * why, and what to do, or "".
 */
#ifndef DAEMON_V1_API_H
#define DAEMON_V1_API_H

#include "daemon/daemon.h"
#include "daemon/held_vm.h"
#include "daemon/http_server.h"
#include "daemon/policy.h"

#define V1_API_SERVER "vmplugd"      /* header Server */
#define V1_API_CONNECTIONS 1024      /* struct http_server_options.connections */
#define V1_API_WAITING 512           /* requests, of those, that wait for something, or follow */
#define V1_API_WAITING_EACH 384      /* … of one user */
#define V1_API_JSON "application/json"
#define V1_API_MANIFESTS "application/yaml"
#define V1_API_JSON_PATCH "application/json-patch+json"
#define V1_API_MERGE_PATCH "application/merge-patch+json"

struct v1_api;
struct v1_request;

enum v1_scope {
    V1_ANYTHING,  /* the role is needed of some VM; the handler shows no others, v1_api_may() */
    V1_DAEMON,    /* of the daemon itself */
    V1_VM,        /* of the VM that the path names */
    V1_OPERATION, /* of the VM of the operation that the path names, which is there */
};

struct v1_route {
    const char *method;
    const char *pattern; /* "/v1/vms/{name}": at most one part in braces */
    enum v1_scope scope;
    enum role role;
    const char *operation_id; /* in the OpenAPI document, and, of what changes something, in the
                                 audit log */
    void (*run)(struct v1_request *request);
    const char *const *parameters; /* of the query, NULL behind the last; NULL: none */
    const char *const *types;      /* of the body, likewise; NULL: there is to be no body */
    bool waits;                    /* it may be long in coming */
};

/* Until it is answered, the handler's to keep. */
struct v1_request {
    struct v1_api *api;
    struct daemon *daemon;
    const struct v1_route *route;
    struct http_request *http;
    const struct peer_id *peer; /* as long as the request */
    char name[64];    /* what stands in the path for the part in braces, or "" */
    const char *type; /* of the body: one of the route's, or NULL */
    bool counted;     /* it is one of V1_API_WAITING */
    LIST_ENTRY(v1_request) link; /* of those */
    ev_timer retry; /* of v1_api_again() */
    unsigned attempts;
    json_t *begun; /* changes that the audit log has the beginning of: [VM or null, action] */
    /* Of v1_api_look(). */
    struct vm_job job;
    unsigned parts;
    void (*then)(struct v1_request *request, const struct inventory *inventory);
    /* The handler's own, which is freed with the request. */
    void *state;
    void (*free_state)(void *state);
};

/* daemon->operations is there. NULL without memory. */
struct v1_api *v1_api_new(struct daemon *daemon);

/* After the HTTP server. NULL is allowed. */
void v1_api_free(struct v1_api *api);

/* The daemon is about to end: streams end, and what comes from now on is refused. */
void v1_api_stop(struct v1_api *api);

/* The policy was read anew, and holds for what goes on already, too. */
void v1_api_policy_changed(void);

/* For struct http_server_options; user: the struct v1_api. */
void v1_api_handle(void *user, struct http_request *request);
json_t *v1_api_error(unsigned status, const char *what, const char *why, const char *fix);

/* ---- for the handlers: each answer is the last that is done with the request ---- */

/* body: taken over; NULL without memory: 500. */
void v1_api_answer(struct v1_request *request, unsigned status, json_t *body);

/* text: allocated, taken over; NULL without memory: 500. */
void v1_api_answer_text(struct v1_request *request, unsigned status, const char *type, char *text);

/* code: "not-found". what and fix: literals or "". */
void v1_api_fail(struct v1_request *request, unsigned status, const char *code, const char *what,
                 const char *fix);

/* With the status that the error's code has here: 400 invalid, 409 blocked, 429 limit, 503 what
 * may pass, 500 else. */
void v1_api_fail_error(struct v1_request *request, const struct error *error);
void v1_api_fail_as(struct v1_request *request, unsigned status, const struct error *error);

/* Somebody has what it takes at the moment (ERROR_BUSY): the handler is called once more, a little
 * later, with a state of NULL; when that has been so for ten seconds, the error is the answer. */
void v1_api_again(struct v1_request *request, const struct error *error);

/* The HTTP request is somebody else's to answer from now on (http_request_stream(),
 * http_request_upgrade()): all but it is freed. */
void v1_api_let_go(struct v1_request *request);

/* Has the peer this role, or a higher one, of the VM (NULL: of the daemon)? */
bool v1_api_may(const struct v1_request *request, const char *vm, enum role role);

/* Writes to the audit log that the change which the request is about is begun (once, however often
 * it is begun again), or what came of it; of what has only begun a failure's answer writes
 * "error". action: NULL: the route's operation_id. Returns 0, or -1: it has been answered (503). */
int v1_api_audit(struct v1_request *request, const char *vm, const char *action,
                 const char *verdict, json_t *details);

/* What has begun is somebody else's to write the end of. */
void v1_api_audit_later(struct v1_request *request);

/* The VM that the path names; NULL: it is not held, and the request has been answered (404). */
struct held_vm *v1_api_vm(struct v1_request *request);

/* The same, ready; NULL: it is not, and that has been answered (404, 503). */
struct held_vm *v1_api_ready_vm(struct v1_request *request);

/* Looks at the VM, which is ready; parts: enum inventory_part. `then` answers. What goes wrong has
 * been answered. */
void v1_api_look(struct v1_request *request, struct held_vm *held, unsigned parts,
                 void (*then)(struct v1_request *request, const struct inventory *inventory));

/* The body as JSON. NULL: it is none, and that has been answered. A new reference. */
json_t *v1_api_body(struct v1_request *request);

/* A parameter "true" or "false", or without a value; not there is false. Returns 0, or -1: that has
 * been answered (400). */
int v1_api_flag(struct v1_request *request, const char *name, bool *ret);

/* A parameter that is a number from least to most; not there leaves *ret. The same. */
int v1_api_number(struct v1_request *request, const char *name, uint64_t least, uint64_t most,
                  uint64_t *ret);

/* The table. */
extern const struct v1_route v1_routes[];
extern const size_t v1_route_count;

#endif
