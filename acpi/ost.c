/* SPDX-License-Identifier: MIT */
#include "acpi/ost.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

struct code {
    uint32_t value;
    const char *name;
};

/* Notify values (ACPI 6.5, 5.6.6) stand for themselves; 0x100 and above are _OST's own. */
static const struct code sources[] = {
    {0x00, "bus check"},
    {0x01, "device check"},
    {0x02, "device wake"},
    {0x03, "eject request"},
    {0x04, "device check light"},
    {0x05, "frequency mismatch"},
    {0x06, "bus mode mismatch"},
    {0x07, "power fault"},
    {0x08, "capabilities check"},
    {0x09, "device _PLD check"},
    {0x0b, "system locality update"},
    {0x0c, "system shutdown request"},
    {0x0d, "system resource affinity update"},
    {0x0e, "memory attributes update"},
    {0x100, "operating system shutdown processing"},
    {0x103, "ejection processing"},
    {0x200, "insertion processing"},
};

static const struct code general_statuses[] = {
    {0x00, "success"},
    {0x01, "non-specific failure"},
    {0x02, "unrecognized notify code"},
};

static const struct code shutdown_statuses[] = {
    {0x80, "shutdown request denied"},
    {0x81, "shutdown in progress"},
    {0x82, "shutdown completed"},
    {0x83, "graceful shutdown not supported"},
};

static const struct code ejection_statuses[] = {
    {0x80, "ejection not supported by the guest"},
    {0x81, "device in use by application"},
    {0x82, "device busy"},
    {0x83, "ejection dependency is busy or not supported for ejection"},
    {0x84, "ejection is in progress"},
};

static const struct code insertion_statuses[] = {
    {0x80, "device insertion in progress"},
    {0x81, "device driver load failure"},
    {0x82, "device insertion not supported by the guest"},
};

/* 0x90 to 0x9f: which resources were unavailable, one bit each. */
static const struct code insertion_resources[] = {
    {0x08, "bus or segment numbers"},
    {0x04, "interrupts"},
    {0x02, "I/O"},
    {0x01, "memory"},
};

static const char *find(const struct code *codes, size_t count, uint32_t value)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (codes[i].value == value)
            return codes[i].name;
    }
    return NULL;
}

enum ost_kind ost_kind(uint32_t source)
{
    switch (source) {
    case OST_SOURCE_BUS_CHECK:
    case OST_SOURCE_DEVICE_CHECK:
    case OST_SOURCE_DEVICE_CHECK_LIGHT:
    case OST_SOURCE_INSERTION:
        return OST_INSERTION;
    case OST_SOURCE_EJECT_REQUEST:
    case OST_SOURCE_EJECTION:
        return OST_EJECTION;
    case OST_SOURCE_SHUTDOWN:
        return OST_SHUTDOWN;
    default:
        return OST_OTHER;
    }
}

enum ost_outcome ost_outcome(uint32_t source, uint32_t status)
{
    enum ost_kind kind = ost_kind(source);

    if (status == 0 || (kind == OST_SHUTDOWN && status == 0x82))
        return OST_SUCCESS;
    if ((kind == OST_INSERTION && status == 0x80) || (kind == OST_EJECTION && status == 0x84) ||
        (kind == OST_SHUTDOWN && status == 0x81))
        return OST_IN_PROGRESS;
    return OST_FAILURE;
}

const char *ost_source_name(uint32_t source)
{
    const char *name = find(sources, COUNT_OF(sources), source);

    if (name != NULL)
        return name;
    return source >= 0x80 && source <= 0xff ? "device-specific notification" : "reserved source";
}

static const char *describe_resources(uint32_t status, char text[OST_MEANING_MAX])
{
    const char *separator = "";
    size_t used, i;

    (void)snprintf(text, OST_MEANING_MAX, "resources unavailable (");
    for (i = 0; i < COUNT_OF(insertion_resources); i++) {
        if ((status & insertion_resources[i].value) == 0)
            continue;
        used = strlen(text);
        (void)snprintf(text + used, OST_MEANING_MAX - used, "%s%s", separator,
                       insertion_resources[i].name);
        separator = ", ";
    }
    used = strlen(text);
    (void)snprintf(text + used, OST_MEANING_MAX - used, "%s)",
                   *separator == '\0' ? "none named" : "");
    return text;
}

const char *ost_meaning(uint32_t source, uint32_t status, char text[OST_MEANING_MAX])
{
    enum ost_kind kind = ost_kind(source);
    const char *name = find(general_statuses, COUNT_OF(general_statuses), status);

    if (name == NULL && kind == OST_INSERTION && status >= 0x90 && status <= 0x9f)
        return describe_resources(status, text);
    if (name == NULL && kind == OST_INSERTION)
        name = find(insertion_statuses, COUNT_OF(insertion_statuses), status);
    if (name == NULL && kind == OST_EJECTION)
        name = find(ejection_statuses, COUNT_OF(ejection_statuses), status);
    if (name == NULL && kind == OST_SHUTDOWN)
        name = find(shutdown_statuses, COUNT_OF(shutdown_statuses), status);
    if (name != NULL)
        (void)snprintf(text, OST_MEANING_MAX, "%s", name);
    else
        (void)snprintf(text, OST_MEANING_MAX, "reserved status 0x%x", (unsigned)status);
    return text;
}
