/* SPDX-License-Identifier: MIT */
/* Bytes that arrive at one end and leave at the other. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>

struct buffer {
    char *bytes;     /* the allocation */
    size_t start;    /* first byte still held */
    size_t end;      /* behind the last byte held */
    size_t capacity; /* of the allocation */
};

/* Room for at least size more bytes; written ones are added by buffer_commit(). Bytes already
 * held keep their distance from start but may move. Returns NULL when memory runs out. */
char *buffer_reserve(struct buffer *buffer, size_t size);
void buffer_commit(struct buffer *buffer, size_t size);

/* Copies size bytes behind the others. Returns 0, or -1 when memory runs out. */
int buffer_append(struct buffer *buffer, const void *bytes, size_t size);

/* Drops size bytes from the front. An emptied buffer gives a large allocation back, so that an
 * idle connection costs next to nothing. */
void buffer_consume(struct buffer *buffer, size_t size);

/* An empty buffer gives its allocation back, whatever its size. */
void buffer_rest(struct buffer *buffer);

void buffer_free(struct buffer *buffer);

/* The first byte still held; NULL while there is no allocation. */
static inline char *buffer_bytes(const struct buffer *buffer)
{
    return buffer->bytes != NULL ? buffer->bytes + buffer->start : NULL;
}

static inline size_t buffer_size(const struct buffer *buffer)
{
    return buffer->bytes != NULL ? buffer->end - buffer->start : 0;
}

#endif
