/* SPDX-License-Identifier: MIT */
/* All that /v1 can be asked, by whom. */
#include "base/cleanup.h"
#include "daemon/v1_handlers.h"

static const char *const json[] = {V1_API_JSON, NULL};
static const char *const manifests[] = {V1_API_MANIFESTS, V1_API_JSON, NULL};
static const char *const patches[] = {V1_API_JSON_PATCH, V1_API_MERGE_PATCH, NULL};
static const char *const wait[] = {"wait", NULL};
static const char *const patching[] = {"wait", "dry_run", NULL};
static const char *const paging[] = {"after", "limit", NULL};
static const char *const listing[] = {"vm", "limit", NULL};
static const char *const following[] = {"since", "vm", NULL};

#define VM "/v1/vms/{name}"

const struct v1_route v1_routes[] = {
    {"GET", "/v1/health", V1_ANYTHING, ROLE_VIEWER, "getHealth", v1_about_health, NULL, NULL,
     false},
    {"GET", "/metrics", V1_DAEMON, ROLE_VIEWER, "getMetrics", v1_about_metrics, NULL, NULL, false},
    {"GET", "/v1/metrics", V1_DAEMON, ROLE_VIEWER, "getV1Metrics", v1_about_metrics, NULL, NULL,
     false},
    {"GET", "/v1/openapi.json", V1_ANYTHING, ROLE_VIEWER, "getOpenapi", v1_about_openapi, NULL,
     NULL, false},
    {"GET", "/v1/events", V1_ANYTHING, ROLE_VIEWER, "followEvents", v1_events_follow, following,
     NULL, true},
    {"GET", "/v1/vms", V1_ANYTHING, ROLE_VIEWER, "listVms", v1_vms_list, paging, NULL, false},
    {"GET", VM, V1_VM, ROLE_VIEWER, "getVm", v1_vms_get, NULL, NULL, true},
    {"PATCH", VM, V1_VM, ROLE_OPERATOR, "patchVm", v1_manifests_patch, patching, patches, true},
    {"DELETE", VM, V1_VM, ROLE_ADMINISTRATOR, "forgetVm", v1_manifests_forget, NULL, NULL, false},
    {"GET", VM "/instance", V1_VM, ROLE_VIEWER, "getInstance", v1_vms_instance, NULL, NULL, true},
    {"GET", VM "/status", V1_VM, ROLE_VIEWER, "getStatus", v1_vms_status, NULL, NULL, true},
    {"GET", VM "/plan", V1_VM, ROLE_VIEWER, "getPlan", v1_vms_plan, NULL, NULL, true},
    {"POST", VM "/pause", V1_VM, ROLE_OPERATOR, "pauseVm", v1_vms_pause, NULL, NULL, true},
    {"POST", VM "/resume", V1_VM, ROLE_OPERATOR, "resumeVm", v1_vms_resume, NULL, NULL, true},
    {"POST", VM "/operations", V1_VM, ROLE_OPERATOR, "beginOperation", v1_operations_begin, wait,
     json, true},
    {"GET", VM "/qmp", V1_VM, ROLE_VIEWER, "connectQmp", v1_monitor_qmp, NULL, NULL, false},
    {"GET", VM "/agent", V1_VM, ROLE_VIEWER, "connectAgent", v1_monitor_agent, NULL, NULL, false},
    {"GET", "/v1/operations", V1_ANYTHING, ROLE_VIEWER, "listOperations", v1_operations_list,
     listing, NULL, false},
    {"GET", "/v1/operations/{id}", V1_OPERATION, ROLE_VIEWER, "getOperation", v1_operations_get,
     wait, NULL, true},
    {"DELETE", "/v1/operations/{id}", V1_OPERATION, ROLE_OPERATOR, "interruptOperation",
     v1_operations_interrupt, NULL, NULL, false},
    {"POST", "/v1/plan", V1_ANYTHING, ROLE_OPERATOR, "planManifests", v1_manifests_plan, NULL,
     manifests, true},
    {"POST", "/v1/apply", V1_ANYTHING, ROLE_OPERATOR, "applyManifests", v1_manifests_apply, wait,
     manifests, true},
};

const size_t v1_route_count = COUNT_OF(v1_routes);
