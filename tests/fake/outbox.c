/* SPDX-License-Identifier: MIT */
#include "tests/fake/outbox.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tests/fake/fake.h"

static void merge(struct outbox_chunk *first, struct outbox_chunk *second)
{
    first->bytes = realloc(first->bytes, first->size + second->size);
    if (first->bytes == NULL)
        fake_fail("out of memory");
    memcpy(first->bytes + first->size, second->bytes, second->size);
    first->size += second->size;
    first->hang_up = second->hang_up;
    free(second->bytes);
}

void outbox_put(struct outbox *outbox, struct outbox_chunk chunk)
{
    struct outbox_chunk *last = outbox->count > 0 ? &outbox->chunks[outbox->count - 1] : NULL;
    enum outbox_next next = last != NULL && last->sent == 0 ? last->next : OUTBOX_KEEP;

    if (next != OUTBOX_KEEP) {
        last->next = OUTBOX_KEEP;
        last->due_ms = 0;
    }
    if (next == OUTBOX_MERGE) {
        merge(last, &chunk);
        return;
    }
    outbox->chunks = realloc(outbox->chunks, (outbox->count + 1) * sizeof(outbox->chunks[0]));
    if (outbox->chunks == NULL)
        fake_fail("out of memory");
    last = &outbox->chunks[outbox->count++];
    *last = chunk;
    if (next == OUTBOX_SWAP) {
        last[0] = last[-1];
        last[-1] = chunk;
    }
}

/* The first chunk that may be sent now, or NULL. *ret_due_ms: when there will be one. */
static struct outbox_chunk *find_ready(const struct outbox *outbox, double *ret_due_ms)
{
    double now_ms = clock_now_ms();
    struct outbox_chunk *chunk;

    *ret_due_ms = CLOCK_NEVER_MS;
    for (chunk = outbox->chunks; chunk < outbox->chunks + outbox->count; chunk++) {
        if (chunk->due_ms <= now_ms)
            return chunk;
        *ret_due_ms = clock_earlier_ms(*ret_due_ms, chunk->due_ms);
        if (!chunk->alone)
            return NULL;
    }
    return NULL;
}

static void drop(struct outbox *outbox, struct outbox_chunk *chunk)
{
    size_t index = (size_t)(chunk - outbox->chunks);

    free(chunk->bytes);
    outbox->count--;
    memmove(chunk, chunk + 1, (outbox->count - index) * sizeof(*chunk));
}

/* One write. Returns false when the socket takes no more. */
static bool send_some(struct outbox_chunk *chunk, int fd)
{
    size_t left = chunk->size - chunk->sent;
    ssize_t sent;

    if (left == 0)
        return true;
    sent = send(fd, chunk->bytes + chunk->sent,
                chunk->piece > 0 && chunk->piece < left ? chunk->piece : left,
                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return false; /* a client that is gone shows when reading */
    chunk->sent += (size_t)sent;
    return true;
}

bool outbox_flush(struct outbox *outbox, int fd, bool in_turn)
{
    struct outbox_chunk *chunk;
    bool hang_up;
    double due_ms;

    while ((chunk = find_ready(outbox, &due_ms)) != NULL) {
        if (chunk->piece > 0 && !in_turn)
            break;
        if (!send_some(chunk, fd))
            break;
        if (chunk->piece > 0 && chunk->sent < chunk->size)
            break;
        if (chunk->sent < chunk->size)
            continue;
        chunk->sent = 0;
        if (++chunk->rounds < chunk->repeat)
            continue;
        hang_up = chunk->hang_up;
        drop(outbox, chunk);
        if (hang_up)
            return false;
    }
    return true;
}

bool outbox_is_ready(const struct outbox *outbox)
{
    double due_ms;

    return find_ready(outbox, &due_ms) != NULL;
}

double outbox_due_ms(const struct outbox *outbox)
{
    double due_ms;

    return find_ready(outbox, &due_ms) != NULL ? CLOCK_NEVER_MS : due_ms;
}

void outbox_free(struct outbox *outbox)
{
    size_t i;

    for (i = 0; i < outbox->count; i++)
        free(outbox->chunks[i].bytes);
    free(outbox->chunks);
    *outbox = (struct outbox){.count = 0};
}
