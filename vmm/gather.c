/* SPDX-License-Identifier: MIT */
#include "vmm/gather.h"

#include <stdlib.h>

#include "base/clock.h"

struct question {
    TAILQ_ENTRY(question) link;
    struct gather *gather;
    enum peer peer;
    int64_t id; /* -1: could not be sent, error says why */
    gather_take_fn *take;
    void *item;
    struct error error;
};

TAILQ_HEAD(question_list, question);

struct gather {
    struct vm *vm;
    double deadline_ms; /* of all answers, also to questions that follow from others */
    double agent_timeout_ms;
    gather_done_fn *done;
    void *user;
    struct question_list open;
    struct vm_timer unsent; /* answers what could not be sent, and ends an empty gathering */
    struct error failure;
};

static void gather_free(struct gather *gather)
{
    struct question *question;

    vm_timer_stop(gather->vm, &gather->unsent);
    while ((question = TAILQ_FIRST(&gather->open)) != NULL) {
        TAILQ_REMOVE(&gather->open, question, link);
        free(question);
    }
    free(gather);
}

static void end_if_answered(struct gather *gather)
{
    const struct error failure = gather->failure;
    gather_done_fn *done = gather->done;
    void *user = gather->user;

    if (!TAILQ_EMPTY(&gather->open))
        return;
    gather_free(gather);
    done(user, failure.code != ERROR_NONE ? &failure : NULL);
}

static void answer(struct question *question, const json_t *value, const struct error *error)
{
    struct gather *gather = question->gather;

    if (error != NULL && error->code != ERROR_REJECTED && gather->failure.code == ERROR_NONE &&
        (question->peer == PEER_QMP || error->code == ERROR_SYSTEM))
        gather->failure = *error;
    question->take(gather->user, question->item, value, error);
    TAILQ_REMOVE(&gather->open, question, link);
    free(question);
    end_if_answered(gather);
}

static void on_reply(void *user, const struct reply *reply)
{
    answer(user, reply->value, reply->error);
}

static void on_unsent(void *user)
{
    struct gather *gather = user;
    struct question *question;

    TAILQ_FOREACH(question, &gather->open, link) {
        if (question->id >= 0)
            continue;
        vm_timer_set(gather->vm, &gather->unsent, 0); /* there may be more of them */
        answer(question, NULL, &question->error);
        return;
    }
    end_if_answered(gather);
}

struct gather *gather_new(struct vm *vm, double timeout_ms, double agent_timeout_ms,
                          gather_done_fn *done, void *user, struct error *error)
{
    struct gather *gather = calloc(1, sizeof(*gather));

    if (gather == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    gather->vm = vm;
    gather->deadline_ms = clock_now_ms() + timeout_ms;
    gather->agent_timeout_ms = agent_timeout_ms;
    gather->done = done;
    gather->user = user;
    gather->unsent.fired = on_unsent;
    gather->unsent.user = gather;
    TAILQ_INIT(&gather->open);
    return gather;
}

void gather_out_of_memory(struct gather *gather)
{
    (void)error_set(&gather->failure, ERROR_SYSTEM, "", "out of memory");
}

void *gather_allocate(struct gather *gather, size_t count, size_t size)
{
    void *room = calloc(count, size);

    if (room == NULL)
        gather_out_of_memory(gather);
    return room;
}

static void ask(struct gather *gather, enum peer peer, const char *command, json_t *arguments,
                gather_take_fn *take, void *item)
{
    struct question *question = gather_allocate(gather, 1, sizeof(*question));
    double left_ms = gather->deadline_ms - clock_now_ms();
    const struct request request = {
        .command = command,
        .arguments = arguments,
        .timeout_ms = peer == PEER_QMP
                          ? left_ms
                          : clock_earlier_ms(left_ms, gather->agent_timeout_ms),
        .done = on_reply,
        .user = question,
    };

    if (question == NULL) {
        json_decref(arguments);
        return;
    }
    question->gather = gather;
    question->peer = peer;
    question->take = take;
    question->item = item;
    TAILQ_INSERT_TAIL(&gather->open, question, link);
    question->id = vm_submit(gather->vm, peer, &request, &question->error);
    if (question->id < 0)
        vm_timer_set(gather->vm, &gather->unsent, 0);
}

void gather_ask(struct gather *gather, enum peer peer, const char *command, gather_take_fn *take,
                void *item)
{
    ask(gather, peer, command, NULL, take, item);
}

void gather_ask_with(struct gather *gather, enum peer peer, const char *command,
                     json_t *arguments, gather_take_fn *take, void *item)
{
    if (arguments != NULL)
        ask(gather, peer, command, arguments, take, item);
    else
        gather_out_of_memory(gather);
}

bool gather_is_late(const struct gather *gather)
{
    return clock_now_ms() >= gather->deadline_ms;
}

void gather_begin(struct gather *gather)
{
    if (TAILQ_EMPTY(&gather->open))
        vm_timer_set(gather->vm, &gather->unsent, 0);
}

void gather_cancel(struct gather *gather)
{
    const struct question *question;

    if (gather == NULL)
        return;
    TAILQ_FOREACH(question, &gather->open, link) {
        if (question->id >= 0)
            vm_cancel(gather->vm, question->peer, question->id);
    }
    gather_free(gather);
}

void gather_qom_get(struct gather *gather, const char *path, const char *property,
                    gather_take_fn *take, void *item)
{
    gather_ask_with(gather, PEER_QMP, "qom-get",
                    json_pack("{s:s, s:s}", "path", path, "property", property), take, item);
}

void gather_qom_list(struct gather *gather, const char *path, gather_take_fn *take, void *item)
{
    gather_ask_with(gather, PEER_QMP, "qom-list", json_pack("{s:s}", "path", path), take, item);
}
