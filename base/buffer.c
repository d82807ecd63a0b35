/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_BYTES 8192

char *buffer_reserve(struct buffer *buffer, size_t size)
{
    size_t held = buffer_size(buffer);
    size_t capacity;
    bool grows;
    char *bytes;

    if (buffer->capacity - buffer->end >= size)
        return buffer->bytes + buffer->end;
    if (size > SIZE_MAX / 2 - held)
        return NULL;
    /* Moving alone is worth it only when it frees at least as much as it copies: each byte then
     * moves a constant number of times. */
    grows = buffer->start < held || buffer->capacity - held < size;
    if (buffer->start > 0 && held > 0)
        memmove(buffer->bytes, buffer->bytes + buffer->start, held);
    buffer->start = 0;
    buffer->end = held;
    if (grows) {
        capacity = held + size > 2 * buffer->capacity ? held + size : 2 * buffer->capacity;
        bytes = realloc(buffer->bytes, capacity); /* large ones change their pages, not bytes */
        if (bytes == NULL)
            return NULL;
        buffer->bytes = bytes;
        buffer->capacity = capacity;
    }
    return buffer->bytes + buffer->end;
}

void buffer_commit(struct buffer *buffer, size_t size)
{
    buffer->end += size;
}

int buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
    char *room;

    if (size == 0)
        return 0; /* a buffer without an allocation has room for that, too */
    room = buffer_reserve(buffer, size);
    if (room == NULL)
        return -1;
    memcpy(room, bytes, size);
    buffer_commit(buffer, size);
    return 0;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    buffer->start += size;
    if (buffer->start < buffer->end)
        return;
    buffer->start = 0;
    buffer->end = 0;
    if (buffer->capacity > KEEP_BYTES)
        buffer_free(buffer);
}

void buffer_rest(struct buffer *buffer)
{
    if (buffer_size(buffer) == 0)
        buffer_free(buffer);
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}
