/* SPDX-License-Identifier: MIT */
/* A diagnosis as scripts read it: `doctor --json`. */
#ifndef VMM_DOCTOR_JSON_H
#define VMM_DOCTOR_JSON_H

#include <jansson.h>

#include "vmm/doctor.h"

/* {"can", "checks"} of what is in cans; a new reference. NULL when memory runs out. */
json_t *doctor_json(const struct doctor *doctor, unsigned cans);

#endif
