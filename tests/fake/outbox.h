/* SPDX-License-Identifier: MIT */
/* What a server has still to send: when, in which pieces, and in which order. */
#ifndef TESTS_FAKE_OUTBOX_H
#define TESTS_FAKE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>

/* What happens to a chunk that is not sent yet when the next one comes, whatever its due_ms. */
enum outbox_next {
    OUTBOX_KEEP,  /* nothing */
    OUTBOX_MERGE, /* both are one write */
    OUTBOX_SWAP   /* the next goes first */
};

struct outbox_chunk {
    char *bytes;   /* owned */
    size_t size;
    size_t repeat; /* the bytes are sent so often; 0 is 1 */
    size_t piece;  /* so many bytes a write, and a write a turn; 0: as many as the socket takes */
    double due_ms; /* not before, by clock_now_ms() */
    bool alone;    /* what is behind it need not wait for it */
    bool hang_up;  /* the connection ends behind it */
    enum outbox_next next;
    size_t sent, rounds; /* of this round; of `repeat` */
};

struct outbox {
    struct outbox_chunk *chunks;
    size_t count;
};

/* Appends a chunk, and takes its bytes over. */
void outbox_put(struct outbox *outbox, struct outbox_chunk chunk);

/* Sends on the socket what is due and what it takes. in_turn: chunks in pieces get their next
 * write. Returns false when the connection is to end now. */
bool outbox_flush(struct outbox *outbox, int fd, bool in_turn);

/* Something is due. */
bool outbox_is_ready(const struct outbox *outbox);

/* When something will be, if nothing is yet; CLOCK_NEVER_MS when nothing waits for its time. */
double outbox_due_ms(const struct outbox *outbox);

void outbox_free(struct outbox *outbox);

#endif
