/* SPDX-License-Identifier: MIT */
/* One question to vmplugd's API, by libcurl, on its Unix socket; waits for the answer. */
#ifndef CLI_REMOTE_HTTP_H
#define CLI_REMOTE_HTTP_H

#include <jansson.h>

#include "base/error.h"

#define REMOTE_HTTP_ANSWER_BYTES ((size_t)64 << 20)

struct remote_question {
    const char *socket;
    const char *method;
    const char *path; /* with its query */
    const char *type; /* of the body; NULL: there is none */
    const char *body;
};

/* The answer, a new reference; or NULL with ERROR_CONNECT, ERROR_PROTOCOL: it is no JSON,
 * ERROR_LIMIT: too long, ERROR_SYSTEM, or what the daemon says: ERROR_INVALID, ERROR_BLOCKED (also
 * of what is not allowed, or not there) or ERROR_BUSY. */
json_t *remote_http_ask(const struct remote_question *question, struct error *error);

#endif
