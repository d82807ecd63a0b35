/* SPDX-License-Identifier: MIT */
/* Carries out what adds, removes or changes devices, and tells of it as it goes. */
#ifndef CLI_PERFORM_H
#define CLI_PERFORM_H

#include "cli/command.h"
#include "vmm/batch.h"

/* What every operation of this command line has in common. */
struct operation_request perform_request(const struct invocation *invocation,
                                         enum operation_type type);

/* Takes back the devices that the operands name. Returns the exit code. */
int perform_removal(struct invocation *invocation, enum operation_type type);

/* Runs the batch to its end. The first signal interrupts it properly, a second one at once.
 * Returns the exit code; everything has been printed. */
int perform(struct invocation *invocation, const struct batch_request *request);

/* Something else that is carried out like a batch, and tells of itself in the same way. */
struct perform_work {
    enum operation_type type; /* of its first device */
    void *(*start)(const struct perform_work *work, struct vm *vm,
                   const struct batch_observer *observer, struct error *error);
    void (*interrupt)(void *under_way);
    void (*free)(void *under_way);
    const void *what; /* for start() */
};

int perform_work(struct invocation *invocation, const struct perform_work *work);

#endif
