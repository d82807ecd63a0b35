/* SPDX-License-Identifier: MIT */
/*
 * Changes to a value. Each function returns a new one, which shares nothing with what it was made
 * of, and leaves that as it was; or NULL with ERROR_INVALID, or ERROR_SYSTEM without memory. Values
 * are as yaml_read_value() gives them, no deeper than LIMITS_DEPTH.
 */
#ifndef MANIFEST_PATCH_H
#define MANIFEST_PATCH_H

#include <jansson.h>

#include "base/error.h"

/* A JSON patch (RFC 6902): all of its operations, or none. The error names the one that fails:
 * `patch[1]: replace /spec/running: …`. What the operations write, in all, is bounded by
 * manifest/limits.h; so is the depth of what comes out. */
json_t *patch_json(const json_t *target, const json_t *operations, struct error *error);

/* A merge patch (RFC 7386): objects are merged, null removes, all else replaces. */
json_t *patch_merge(const json_t *target, const json_t *patch, struct error *error);

/* What `kubectl apply` does with custom resources: takes out of live what was in last, which was
 * applied before (NULL: nothing was), and is not in next, then merges next into it as a merge
 * patch. Lists are replaced as a whole. */
json_t *patch_apply(const json_t *last, const json_t *next, const json_t *live,
                    struct error *error);

#endif
