/* SPDX-License-Identifier: MIT */
/* A connected, non-blocking socket with a framer on one side and an output buffer on the other. */
#ifndef QMP_CHANNEL_H
#define QMP_CHANNEL_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"
#include "qmp/framer.h"

/* Sees every message as it passes, both ways; bytes are borrowed. They are NULL when the other side
 * has closed the connection. */
struct tap {
    void (*message)(void *user, const char *channel, bool sent, const char *bytes,
                    size_t size_bytes);
    void *user;
};

struct channel {
    int fd; /* -1: closed */
    int pass_fd;
    bool loud; /* the last reading filled more than a quiet one's room */
    const char *name;
    struct framer framer;
    struct buffer out;
    struct tap tap;
};

/* Connects to a Unix socket. Returns a descriptor, -2 when the listener's queue is full (try
 * again later), or -1 with ERROR_CONNECT. */
int channel_connect(const char *path, struct error *error);

void channel_init(struct channel *channel, const char *name, const struct framer_limits *limits,
                  const struct tap *tap);
void channel_open(struct channel *channel, int fd); /* fd is taken over and made non-blocking */
void channel_close(struct channel *channel);        /* idempotent; drops what was not sent */

/* Queues one message and sends what the socket takes. pass_fd (-1: none; taken over) travels with
 * its first byte, and requires that nothing else is queued. Returns 0, or -1 when memory runs
 * out. A broken connection shows when reading. */
int channel_send(struct channel *channel, const char *bytes, size_t size, int pass_fd,
                 struct error *error);
void channel_flush(struct channel *channel);

/* Reads once into the framer. Returns 1 when bytes came, 0 when none wait, -1 with
 * ERROR_DISCONNECTED or ERROR_SYSTEM. */
int channel_fill(struct channel *channel, struct error *error);

/* framer_next(), shown to the tap. */
enum framer_result channel_next(struct channel *channel, struct framer_message *ret_message,
                                struct error *error);

/* POLLIN, and POLLOUT while output waits; 0 when closed. */
/* Nothing is expected for a while: gives back what is kept for the next message. */
void channel_rest(struct channel *channel);

short channel_events(const struct channel *channel);

#endif
