/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "acpi/ost.h"
#include "vmplug/acpi.h"

_Static_assert(VMPLUG_OST_OTHER == (int)OST_OTHER && VMPLUG_OST_FAILURE == (int)OST_FAILURE,
               "the public numbers are the inner ones");

int vmplug_ost_kind(uint32_t source)
{
    return (int)ost_kind(source);
}

int vmplug_ost_outcome(uint32_t source, uint32_t status)
{
    return (int)ost_outcome(source, status);
}

const char *vmplug_ost_source_name(uint32_t source)
{
    return ost_source_name(source);
}

const char *vmplug_ost_meaning(uint32_t source, uint32_t status, char *text, size_t size_bytes)
{
    char meaning[OST_MEANING_MAX];

    (void)snprintf(text, size_bytes, "%s", ost_meaning(source, status, meaning));
    return text;
}
