/* SPDX-License-Identifier: MIT */
/*
 * Asks a VM several things at once, and tells when all have been answered. An answer may lead to
 * further questions: they belong to the same gathering, which ends when none is open.
 */
#ifndef VMM_GATHER_H
#define VMM_GATHER_H

#include "vmm/vm.h"

struct gather;

/* One answer: value is borrowed, or NULL with *error set (ERROR_REJECTED: the peer does not know
 * or does not want to; anything else: the answer is unknown). */
typedef void gather_take_fn(void *user, void *item, const json_t *value,
                            const struct error *error);

/* failure is NULL, or why QEMU could not be asked (never ERROR_REJECTED), or ERROR_SYSTEM: what was
 * answered could not be kept. An agent's failure is no failure of the gathering. The gathering is
 * freed after this returns. */
typedef void gather_done_fn(void *user, const struct error *failure);

/* timeout_ms counts from now for all questions, agent_timeout_ms for each of the agent.
 * NULL with ERROR_SYSTEM. */
struct gather *gather_new(struct vm *vm, double timeout_ms, double agent_timeout_ms,
                          gather_done_fn *done, void *user, struct error *error);

/* Asks; item comes back with the answer. A question that can't even be sent is answered with its
 * error, from the pump like all others; without memory it gets no answer, and the gathering will
 * fail. */
void gather_ask(struct gather *gather, enum peer peer, const char *command, gather_take_fn *take,
                void *item);

/* The same with arguments, which are taken over; NULL: memory was lacking to make them. */
void gather_ask_with(struct gather *gather, enum peer peer, const char *command,
                     json_t *arguments, gather_take_fn *take, void *item);

/* calloc(3) for what is answered. NULL without memory, and then the gathering will fail: a list
 * that is empty for that reason must not be taken for an answer. */
void *gather_allocate(struct gather *gather, size_t count, size_t size);

/* Its time is over: what is asked now is not sent any more. */
bool gather_is_late(const struct gather *gather);

/* What was answered could not be kept. */
void gather_out_of_memory(struct gather *gather);

/* The first questions have been asked. When there are none, done fires from the pump. */
void gather_begin(struct gather *gather);

/* Nothing more will be called. NULL is allowed. */
void gather_cancel(struct gather *gather);

/* qom-get PATH PROPERTY and qom-list PATH, the questions that come in numbers. */
void gather_qom_get(struct gather *gather, const char *path, const char *property,
                    gather_take_fn *take, void *item);
void gather_qom_list(struct gather *gather, const char *path, gather_take_fn *take, void *item);

#endif
