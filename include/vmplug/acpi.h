/* SPDX-License-Identifier: MIT */
/*
 * What a guest's firmware interface says of a hotplug request, by _OST: the numbers of QEMU's event
 * ACPI_DEVICE_OST and of query-acpi-ospm-status, read after ACPI 6.5, section 6.3.5. Pure
 * functions. Success of an insertion means that the guest has heard, not that the device is usable.
 */
#ifndef VMPLUG_ACPI_H
#define VMPLUG_ACPI_H

#include <stddef.h>
#include <stdint.h>

#include "vmplug/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum vmplug_ost_kind {
    VMPLUG_OST_INSERTION = 0, /* a check notification, or insertion processing */
    VMPLUG_OST_EJECTION = 1,  /* an eject request, or ejection processing */
    VMPLUG_OST_SHUTDOWN = 2,  /* an orderly shutdown */
    VMPLUG_OST_OTHER = 3      /* no answer to hotplug */
};

enum vmplug_ost_outcome {
    VMPLUG_OST_SUCCESS = 0,
    VMPLUG_OST_IN_PROGRESS = 1, /* not final: another status follows */
    VMPLUG_OST_FAILURE = 2      /* final: refused or failed */
};

/* An enum vmplug_ost_kind. */
VMPLUG_API int vmplug_ost_kind(uint32_t source);

/* An enum vmplug_ost_outcome. */
VMPLUG_API int vmplug_ost_outcome(uint32_t source, uint32_t status);

/* "eject request", "ejection processing", …; "reserved source" where ACPI names none. */
VMPLUG_API const char *vmplug_ost_source_name(uint32_t source);

/* Writes what the pair means, such as "device busy", at most size_bytes with the final NUL (128 are
 * enough). Returns text. */
VMPLUG_API const char *vmplug_ost_meaning(uint32_t source, uint32_t status, char *text,
                                          size_t size_bytes);

#ifdef __cplusplus
}
#endif

#endif
