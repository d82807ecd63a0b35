/* SPDX-License-Identifier: MIT */
/* An audit as scripts read it: `audit --json`. */
#ifndef VMM_AUDIT_JSON_H
#define VMM_AUDIT_JSON_H

#include <jansson.h>

#include "vmm/audit.h"

/* {"clean", "findings", "unseen"}; clean is null when nothing was found and not all could be looked
 * at. A new reference; NULL when memory runs out. */
json_t *audit_json(const struct audit *audit);

#endif
