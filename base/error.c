/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

static const char *const code_names[] = {
    [ERROR_NONE] = "none",
    [ERROR_INVALID] = "invalid",
    [ERROR_BLOCKED] = "blocked",
    [ERROR_CONNECT] = "connect",
    [ERROR_BUSY] = "busy",
    [ERROR_PROTOCOL] = "protocol",
    [ERROR_LIMIT] = "limit",
    [ERROR_REJECTED] = "rejected",
    [ERROR_TIMEOUT] = "timeout",
    [ERROR_DISCONNECTED] = "disconnected",
    [ERROR_CANCELLED] = "cancelled",
    [ERROR_SYSTEM] = "system",
};

_Static_assert(COUNT_OF(code_names) == ERROR_CODES_, "every error code has a name");

__attribute__((format(printf, 4, 0)))
static void set(struct error *error, enum error_code code, const char *fix, const char *why,
                va_list arguments)
{
    error->code = code;
    error->class_name[0] = '\0';
    (void)vsnprintf(error->why, sizeof(error->why), why, arguments);
    (void)snprintf(error->fix, sizeof(error->fix), "%s", fix);
    text_make_printable(error->why);
    text_hide_credentials(error->why);
}

int (error_set)(struct error *error, enum error_code code, const char *fix, const char *why, ...)
{
    va_list arguments;

    if (error == NULL)
        return -1;
    va_start(arguments, why);
    set(error, code, fix, why, arguments);
    va_end(arguments);
    return -1;
}

int (error_set_errno)(struct error *error, enum error_code code, int errnum, const char *fix,
                    const char *why, ...)
{
    va_list arguments;
    size_t used;

    if (error == NULL)
        return -1;
    va_start(arguments, why);
    set(error, code, fix, why, arguments);
    va_end(arguments);
    used = strlen(error->why);
    (void)snprintf(error->why + used, sizeof(error->why) - used, ": %s", strerror(errnum));
    text_make_printable(error->why); /* a translation may have been cut */
    return -1;
}

int (error_set_reply)(struct error *error, const char *class_name, const char *desc)
{
    if (error == NULL)
        return -1;
    (void)error_set(error, ERROR_REJECTED, "", "%s", desc);
    (void)snprintf(error->class_name, sizeof(error->class_name), "%s", class_name);
    text_make_printable(error->class_name);
    return -1;
}

void error_advise(struct error *error, const char *fix, ...)
{
    va_list arguments;

    if (error == NULL)
        return;
    va_start(arguments, fix);
    (void)vsnprintf(error->fix, sizeof(error->fix), fix, arguments);
    va_end(arguments);
    text_make_printable(error->fix);
}

const char *error_code_name(enum error_code code)
{
    return code < ERROR_CODES_ ? code_names[code] : "unknown";
}
