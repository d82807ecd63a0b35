/* SPDX-License-Identifier: MIT */
/* A vmplug-fake-qemu for tests that see of vmplug what a program sees: its public headers. */
#ifndef TESTS_LIB_FIXTURE_H
#define TESTS_LIB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern char fixture_qmp[256], fixture_agent[256], fixture_directory[192];

/* Starts the fake with these further arguments, NULL-ended, and waits until it listens. */
void fixture_start(const char *const *more);
#define FIXTURE_START(...) fixture_start((const char *const[]){__VA_ARGS__, NULL})

/* Kills it at once, as a QEMU that crashes; or ends it, and looks that it ended well. */
void fixture_kill(void);
void fixture_stop(void);

/* The state that the fake keeps, as text; the caller's to free(). */
char *fixture_state(void);

/* Fails unless the text holds this. */
#define assert_holds(text, part)                                        \
    do {                                                                \
        if ((text) == NULL || strstr((text), (part)) == NULL)           \
            fail_msg("no %s in %s", (part), (text) != NULL ? (text) : "NULL"); \
    } while (0)

#endif
