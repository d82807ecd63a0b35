/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, why, and what to do about it.
 *
 * An error is a plain value that the caller provides (it may be NULL where the caller does not
 * care). It is always the last argument, set in the statement that returns, and untouched on
 * success. It holds no pointer, so that running out of memory can be reported like anything else.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>

enum error_code {
    ERROR_NONE,
    ERROR_INVALID,      /* an argument is malformed */
    ERROR_BLOCKED,      /* a prerequisite or a ceiling forbids it; nothing was sent */
    ERROR_CONNECT,      /* no connection: no such socket, no permission, nobody listens */
    ERROR_BUSY,         /* connected, but another client holds the monitor */
    ERROR_PROTOCOL,     /* the peer does not speak the protocol */
    ERROR_LIMIT,        /* the peer sent more than we accept */
    ERROR_REJECTED,     /* the peer answered with an error; class_name and why are its words */
    ERROR_TIMEOUT,      /* no answer in time: the command may or may not have been carried out */
    ERROR_DISCONNECTED, /* the peer went away */
    ERROR_CANCELLED,    /* the caller withdrew */
    ERROR_SYSTEM,       /* a system call failed, or memory ran out */
    ERROR_CODES_        /* how many there are */
};

struct error {
    enum error_code code;
    char class_name[48]; /* QMP's error class, or "" */
    char why[384];
    char fix[256]; /* what the user can do, or "" */
};

#define ERROR_INIT {.code = ERROR_NONE}

/* Sets *error and returns -1, so that `return error_set(...)` reads as one statement. fix is a
 * literal or "" when there is nothing to advise. Control characters in the text, which may come
 * from a guest, are replaced by '?', and a URI's password by "***". */
int error_set(struct error *error, enum error_code code, const char *fix, const char *why, ...)
    __attribute__((format(printf, 4, 5)));

/* The same with the text of an errno value behind why. */
int error_set_errno(struct error *error, enum error_code code, int errnum, const char *fix,
                    const char *why, ...) __attribute__((format(printf, 5, 6)));

/* Records an error reply of QMP or the agent; texts are the peer's and are cut to fit. */
int error_set_reply(struct error *error, const char *class_name, const char *desc);

/* So that compilers and analysers, too, know what they return: behind it there is no other way. */
#define error_set(...) (error_set(__VA_ARGS__), -1)
#define error_set_errno(...) (error_set_errno(__VA_ARGS__), -1)
#define error_set_reply(...) (error_set_reply(__VA_ARGS__), -1)

/* Replaces the advice of an error that is already set; text is formatted and cut to fit. */
void error_advise(struct error *error, const char *fix, ...) __attribute__((format(printf, 2, 3)));

/* "blocked", "busy", …: a stable word for a code. */
const char *error_code_name(enum error_code code);

#endif
