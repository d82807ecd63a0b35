/* SPDX-License-Identifier: MIT */
#include "lib/api.h"

#include <stdlib.h>

#include "base/clock.h"
#include "config.h"

_Static_assert(sizeof(((struct vmplug_error *)0)->class_name) ==
                   sizeof(((struct error *)0)->class_name) &&
               sizeof(((struct vmplug_error *)0)->why) == sizeof(((struct error *)0)->why) &&
               sizeof(((struct vmplug_error *)0)->fix) == sizeof(((struct error *)0)->fix),
               "an error fits into a public one");
_Static_assert(VMPLUG_ERROR_SYSTEM == (int)ERROR_SYSTEM &&
                   (int)VMPLUG_ERROR_SYSTEM + 1 == (int)ERROR_CODES_,
               "a public code for every code");

void api_error(const struct error *error, struct vmplug_error *ret)
{
    if (ret == NULL)
        return;
    ret->code = (int)error->code;
    memcpy(ret->class_name, error->class_name, sizeof(ret->class_name));
    memcpy(ret->why, error->why, sizeof(ret->why));
    memcpy(ret->fix, error->fix, sizeof(ret->fix));
}

int api_fail(struct vmplug_error *ret, enum error_code code, const char *why)
{
    struct error error = ERROR_INIT;

    (void)error_set(&error, code, "", "%s", why);
    api_error(&error, ret);
    return -1;
}

void api_options(void *ret, size_t size_bytes, const void *given, size_t given_bytes)
{
    memset(ret, 0, size_bytes);
    if (given != NULL)
        memcpy(ret, given, given_bytes < size_bytes ? given_bytes : size_bytes);
}

double api_timeout_ms(double timeout_ms)
{
    return timeout_ms > 0 ? timeout_ms : CLOCK_NEVER_MS;
}

static void show(void *user, const char *channel, bool sent, const char *bytes, size_t size_bytes)
{
    const struct api_trace *trace = user;

    trace->trace(trace->user, channel, sent, bytes, size_bytes);
}

struct tap api_tap(const struct api_trace *trace)
{
    return (struct tap){.message = trace->trace != NULL ? show : NULL, .user = (void *)trace};
}

const char *vmplug_error_name(int code)
{
    return code >= 0 && code < (int)ERROR_CODES_ ? error_code_name((enum error_code)code)
                                                 : "unknown";
}

const char *vmplug_version(void)
{
    return PACKAGE_VERSION;
}

void vmplug_text_free(char *text)
{
    free(text);
}
