/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, why, and what to do about it.
 *
 * Every function that can fail takes a struct vmplug_error last; it may be NULL. It is filled when
 * the function fails and left alone when it does not. It owns nothing.
 */
#ifndef VMPLUG_ERROR_H
#define VMPLUG_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#define VMPLUG_API __attribute__((visibility("default")))

enum vmplug_error_code {
    VMPLUG_ERROR_NONE = 0,
    VMPLUG_ERROR_INVALID = 1,      /* an argument is malformed */
    VMPLUG_ERROR_BLOCKED = 2,      /* a prerequisite or a ceiling forbids it; nothing was sent */
    VMPLUG_ERROR_CONNECT = 3,      /* no such socket, no permission, nobody listens */
    VMPLUG_ERROR_BUSY = 4,         /* connected, but another client holds the monitor */
    VMPLUG_ERROR_PROTOCOL = 5,     /* the peer does not speak the protocol */
    VMPLUG_ERROR_LIMIT = 6,        /* the peer sent more than is accepted, or too much is pending */
    VMPLUG_ERROR_REJECTED = 7,     /* the peer answered with an error, whose words these are */
    VMPLUG_ERROR_TIMEOUT = 8,      /* no answer in time: it may or may not have been carried out */
    VMPLUG_ERROR_DISCONNECTED = 9, /* the peer went away */
    VMPLUG_ERROR_CANCELLED = 10,   /* the caller withdrew */
    VMPLUG_ERROR_SYSTEM = 11       /* a system call failed, or memory ran out */
};

struct vmplug_error {
    int code;            /* enum vmplug_error_code */
    char class_name[48]; /* the peer's error class, with VMPLUG_ERROR_REJECTED, or "" */
    char why[384];       /* one line, printable */
    char fix[256];       /* what the user can do, or "" */
};

/* "blocked", "busy", …: a stable word; "unknown" for a number that is none of the above. */
VMPLUG_API const char *vmplug_error_name(int code);

/* The library's version, "0.1.0". */
VMPLUG_API const char *vmplug_version(void);

/* Frees what a function of this library has handed over as text. NULL is allowed. */
VMPLUG_API void vmplug_text_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
