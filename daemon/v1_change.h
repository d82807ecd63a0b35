/* SPDX-License-Identifier: MIT */
/*
 * A change of a VM as a client of /v1 asks for it: an object whose member `operation` is one of the
 * command's names, "cpu-add" for `vmplug cpu add`, and whose others are those of that one's results
 * and options. It is read strictly: a member that the operation does not have, or has of another
 * type or range, is an error that names it.
 */
#ifndef DAEMON_V1_CHANGE_H
#define DAEMON_V1_CHANGE_H

#include <jansson.h>

#include "vmm/batch.h"
#include "vmm/batch_plan.h"

#define V1_CHANGE_COUNT 4096 /* of devices in one operation */
#define V1_CHANGE_MS 3600000 /* timeout_ms at most */

/* Strings are those of the object. */
struct v1_change {
    json_t *object;
    const char *name; /* "cpu-add" */
    struct batch_request request;
    const char *resume; /* "wait": the device whose request on record is taken up; else NULL */
    const char **texts; /* what request.files or request.ids points to */
};

/* object: borrowed; what is kept of it is a reference. timeout_ms: where none is said. NULL with
 * ERROR_INVALID or ERROR_SYSTEM. */
struct v1_change *v1_change_read(json_t *object, double timeout_ms, struct error *error);

/* NULL is allowed. */
void v1_change_free(struct v1_change *change);

/* The names that there are, NULL behind the last: for tests. */
extern const char *const v1_change_names[];

#endif
