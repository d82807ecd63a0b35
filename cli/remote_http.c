/* SPDX-License-Identifier: MIT */
#include "cli/remote_http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define CONNECT_MS 5000L
#define HOST "http://localhost" /* that there has to be one; the socket says where it is */

static size_t take(char *bytes, size_t size, size_t count, void *user)
{
    struct buffer *answer = user;

    if (buffer_size(answer) + size * count > REMOTE_HTTP_ANSWER_BYTES ||
        buffer_append(answer, bytes, size * count) < 0)
        return 0;
    return size * count;
}

static enum error_code code_of(long status)
{
    switch (status) {
    case 400:
    case 413:
    case 415:
        return ERROR_INVALID;
    case 403:
    case 404:
    case 409:
        return ERROR_BLOCKED;
    case 429:
    case 503:
        return ERROR_BUSY;
    default:
        return ERROR_SYSTEM;
    }
}

/* {"error": {"code", "message", "fix"}}; the object is taken over. */
static json_t *judge(long status, json_t *object, struct error *error)
{
    const json_t *problem = field_object(object, "error");

    if (status < 400)
        return object;
    (void)error_set(error, code_of(status), "", "%s",
                    field_string(problem, "message", "vmplugd refused, and did not say why"));
    error_advise(error, "%s", field_string(problem, "fix", ""));
    json_decref(object);
    return NULL;
}

static void ask(CURL *curl, const struct remote_question *question, struct buffer *answer)
{
    char url[1024];

    (void)snprintf(url, sizeof(url), HOST "%s", question->path);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, question->socket);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (question->body != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, question->body);
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, question->method);
}

static json_t *perform(CURL *curl, const struct remote_question *question, struct error *error)
{
    struct buffer answer = {0};
    json_t *object = NULL;
    CURLcode code;
    long status = 0;

    ask(curl, question, &answer);
    code = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_WRITE_ERROR)
        (void)error_set(error, ERROR_LIMIT, "ask for less at once", "vmplugd's answer is too long");
    else if (code != CURLE_OK || buffer_append(&answer, "", 1) < 0)
        (void)error_set(error, ERROR_CONNECT, "look whether vmplugd runs and has this socket",
                        "%s: %s", question->socket, curl_easy_strerror(code));
    else
        object = codec_parse(buffer_bytes(&answer), NULL);
    if (object != NULL)
        object = judge(status, object, error);
    else if (code == CURLE_OK)
        (void)error_set(error, ERROR_PROTOCOL, "give the socket of vmplugd's own API",
                        "%s: what answers there is not vmplugd", question->socket);
    buffer_free(&answer);
    return object;
}

json_t *remote_http_ask(const struct remote_question *question, struct error *error)
{
    char type[128];
    struct curl_slist *headers = NULL;
    json_t *answer = NULL;
    CURL *curl = curl_easy_init();

    (void)snprintf(type, sizeof(type), "Content-Type: %s",
                   question->type != NULL ? question->type : "");
    if (question->type != NULL)
        headers = curl_slist_append(headers, type);
    if (curl == NULL || (question->type != NULL && headers == NULL)) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
    } else {
        (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        answer = perform(curl, question, error);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return answer;
}
