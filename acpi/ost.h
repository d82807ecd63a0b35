/* SPDX-License-Identifier: MIT */
/*
 * What a guest says of a hotplug request through _OST: source event and status codes, decoded
 * after ACPI 6.5, section 6.3.5. Success of an insertion means that the
 * guest heard, not that the device is usable: Linux answers success for memory it then refuses.
 */
#ifndef ACPI_OST_H
#define ACPI_OST_H

#include <stddef.h>
#include <stdint.h>

enum ost_kind {
    OST_INSERTION, /* a check notification or insertion processing */
    OST_EJECTION,  /* an eject request or ejection processing */
    OST_SHUTDOWN,  /* an orderly shutdown */
    OST_OTHER      /* any other notification: no answer to hotplug */
};

enum ost_outcome {
    OST_SUCCESS,
    OST_IN_PROGRESS, /* not final: another status follows */
    OST_FAILURE      /* final: refused or failed */
};

#define OST_SOURCE_BUS_CHECK 0x00
#define OST_SOURCE_DEVICE_CHECK 0x01
#define OST_SOURCE_EJECT_REQUEST 0x03
#define OST_SOURCE_DEVICE_CHECK_LIGHT 0x04
#define OST_SOURCE_SHUTDOWN 0x100
#define OST_SOURCE_EJECTION 0x103
#define OST_SOURCE_INSERTION 0x200

#define OST_MEANING_MAX 128

enum ost_kind ost_kind(uint32_t source);

enum ost_outcome ost_outcome(uint32_t source, uint32_t status);

/* "eject request", "ejection processing", … Returns "reserved source" where ACPI names none. */
const char *ost_source_name(uint32_t source);

/* Writes what the pair means, such as "device busy" or "insertion failed: resources unavailable
 * (memory)". Returns text. */
const char *ost_meaning(uint32_t source, uint32_t status, char text[OST_MEANING_MAX]);

#endif
