/* SPDX-License-Identifier: MIT */
/* Scope-bound ownership: early returns stay safe without goto ladders. */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

static inline void cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cleanup_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define AUTO_FREE CLEANUP(cleanup_free)
#define AUTO_FD CLEANUP(cleanup_fd)

/* Hands over what a pointer or descriptor variable owns and leaves the variable empty. */
#define STEAL(pointer)                      \
    __extension__({                         \
        __typeof__(pointer) stolen_ = (pointer); \
        (pointer) = NULL;                   \
        stolen_;                            \
    })

static inline int steal_fd(int *fd)
{
    int stolen = *fd;

    *fd = -1;
    return stolen;
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
