/* SPDX-License-Identifier: MIT */
/* What each route of /v1 does, by whoever answers it. The request may be answered in here or
 * later. */
#ifndef DAEMON_V1_HANDLERS_H
#define DAEMON_V1_HANDLERS_H

#include "daemon/v1_api.h"

struct v1_api {
    struct daemon *daemon;
    struct v1_events *events;
    LIST_HEAD(, v1_request) waiting;
    bool is_stopping;
};

/* v1_about.c: the daemon itself */
void v1_about_health(struct v1_request *request);
void v1_about_metrics(struct v1_request *request);
void v1_about_openapi(struct v1_request *request);

/* v1_events.c: who follows what happens. NULL without memory; freed after the HTTP server. */
struct v1_events;
struct v1_events *v1_events_new(struct daemon *daemon);
void v1_events_free(struct v1_events *events);
void v1_events_stop(struct v1_events *events); /* all streams end, soon */
size_t v1_events_count(const struct v1_events *events);
void v1_events_follow(struct v1_request *request);

/* v1_vms.c */
void v1_vms_list(struct v1_request *request);
void v1_vms_get(struct v1_request *request);
void v1_vms_instance(struct v1_request *request);
void v1_vms_status(struct v1_request *request);
void v1_vms_plan(struct v1_request *request);
void v1_vms_pause(struct v1_request *request);
void v1_vms_resume(struct v1_request *request);

/* v1_operations.c */
void v1_operations_begin(struct v1_request *request);
void v1_operations_list(struct v1_request *request);
void v1_operations_get(struct v1_request *request);
void v1_operations_interrupt(struct v1_request *request);

/* v1_manifests.c */
void v1_manifests_plan(struct v1_request *request);
void v1_manifests_apply(struct v1_request *request);
void v1_manifests_patch(struct v1_request *request);
void v1_manifests_forget(struct v1_request *request);

/* v1_monitor.c: by Upgrade to "qmp" or "qga" */
void v1_monitor_qmp(struct v1_request *request);
void v1_monitor_agent(struct v1_request *request);
void v1_monitor_policy_changed(void); /* those end whose users have a lower role now */
void v1_monitor_stop(void); /* all of these connections end; after the HTTP server */

#endif
