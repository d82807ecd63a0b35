/* SPDX-License-Identifier: MIT */
/* Commands of the program's own: who waits for which answer, and the answer as text. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "lib/api.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"

#define GIVEN_UP "the connection was given up"

struct vmplug_reply {
    const struct reply *reply;
    struct vmplug_error error;
    char *text; /* made when asked for */
};

/* The call is gone before its owner hears of it, since that may free everything. */
static void on_reply(void *user, const struct reply *inner)
{
    struct api_call *call = user;
    struct vmplug_reply reply = {.reply = inner};
    vmplug_reply_fn *done = call->done;
    void *done_user = call->user;

    if (inner->error != NULL)
        api_error(inner->error, &reply.error);
    TAILQ_REMOVE(&call->calls->list, call, link);
    free(call);
    if (done != NULL)
        done(done_user, &reply);
    free(reply.text);
}

const struct vmplug_error *vmplug_reply_error(const struct vmplug_reply *reply)
{
    return reply->reply->error != NULL ? &reply->error : NULL;
}

const char *vmplug_reply_json(struct vmplug_reply *reply, size_t *ret_bytes)
{
    if (reply->text == NULL && reply->reply->value != NULL)
        reply->text = codec_dump(reply->reply->value, 0);
    if (ret_bytes != NULL)
        *ret_bytes = reply->text != NULL ? strlen(reply->text) : 0;
    return reply->text;
}

/* Returns 0, or -1 with an error. */
static int parse_arguments(const char *text, json_t **ret, struct error *error)
{
    *ret = NULL;
    if (text == NULL)
        return 0;
    *ret = codec_parse(text, error);
    if (*ret == NULL)
        return -1;
    if (json_is_object(*ret))
        return 0;
    json_decref(STEAL(*ret));
    return error_set(error, ERROR_INVALID, "", "a command's arguments are a JSON object");
}

int64_t api_call(struct api_calls *calls, api_submit_fn *submit, void *peer, const char *command,
                 const char *arguments, int fd, double timeout_ms, vmplug_reply_fn *done,
                 void *user, struct vmplug_error *ret_error)
{
    struct api_call *call = calloc(1, sizeof(*call));
    struct request request = {.command = command,
                              .timeout_ms = api_timeout_ms(timeout_ms),
                              .fd = fd,
                              .done = on_reply,
                              .user = call};
    struct error error = ERROR_INIT;
    bool submitted = false;
    int64_t number = -1;

    if (calls->ended) {
        (void)error_set(&error, ERROR_CANCELLED, "", GIVEN_UP);
    } else if (call == NULL) {
        (void)error_set(&error, ERROR_SYSTEM, "", "out of memory");
    } else if (parse_arguments(arguments, &request.arguments, &error) == 0) {
        number = submit(peer, &request, &error);
        submitted = true; /* the descriptor, too, also where that failed */
    }
    if (!submitted && fd > 0)
        close(fd);
    if (number < 0) {
        free(call);
        api_error(&error, ret_error);
        return -1;
    }
    *call = (struct api_call){.calls = calls, .number = number, .done = done, .user = user};
    TAILQ_INSERT_TAIL(&calls->list, call, link);
    return number;
}

void api_call_drop(struct api_calls *calls, int64_t number)
{
    struct api_call *call;

    TAILQ_FOREACH(call, &calls->list, link) {
        if (call->number != number)
            continue;
        TAILQ_REMOVE(&calls->list, call, link);
        free(call);
        return;
    }
}

/* Not left to the client, which may be in the middle of telling them that the session has ended: it
 * goes on with that when the handle, and the list of calls with it, is gone. */
void api_calls_end(struct api_calls *calls, api_cancel_fn *cancel, void *peer)
{
    struct error error = ERROR_INIT;
    const struct reply reply = {.error = &error};
    struct api_call *call;

    calls->ended = true;
    (void)error_set(&error, ERROR_CANCELLED, "", GIVEN_UP);
    while ((call = TAILQ_FIRST(&calls->list)) != NULL) {
        cancel(peer, call->number);
        on_reply(call, &reply);
    }
}

/* ---- waited for ---- */

struct answer {
    bool given;
    char *text;
    struct vmplug_error error;
};

static void keep_answer(void *user, struct vmplug_reply *reply)
{
    struct answer *answer = user;

    answer->given = true;
    if (vmplug_reply_error(reply) != NULL)
        answer->error = *vmplug_reply_error(reply);
    else if (vmplug_reply_json(reply, NULL) == NULL)
        (void)api_fail(&answer->error, ERROR_SYSTEM, "out of memory");
    answer->text = STEAL(reply->text);
}

static bool is_given(void *user)
{
    return ((const struct answer *)user)->given;
}

char *api_call_wait(struct pump *pump, struct api_calls *calls, api_submit_fn *submit, void *peer,
                    const char *command, const char *arguments, double timeout_ms,
                    struct vmplug_error *error)
{
    struct answer answer = {.given = false};

    if (api_call(calls, submit, peer, command, arguments, 0, timeout_ms, keep_answer, &answer,
                 error) < 0)
        return NULL;
    (void)blocking_run(&pump, 1, is_given, &answer, CLOCK_NEVER_MS);
    if (answer.text == NULL && error != NULL)
        *error = answer.error;
    return answer.text;
}
