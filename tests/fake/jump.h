/* SPDX-License-Identifier: MIT */
/*
 * A clock that jumps: it stands while anybody has something to do, and goes on to the next deadline
 * when nobody has. A test that is linked with jump.c gets it in the place of base/clock.c; whatever
 * the test drives in its one process then waits for nothing, and its times are the same on every
 * machine. Waiting for a deadline that never comes fails the test.
 */
#ifndef TESTS_FAKE_JUMP_H
#define TESTS_FAKE_JUMP_H

#include <stdbool.h>
#include <stddef.h>

#include "qmp/pump.h"

#define JUMP_PEERS_MAX 2

/* Time passes: somebody is busy for so long. */
void jump_ms(double ms);

/* So much passes once, between what was sent last and what has come, when everybody has waited so
 * many times more: nobody is driven meanwhile. */
void jump_later(unsigned waits, double ms);

/* These answer from now on while somebody waits, be it in a function that does not know of them.
 * Borrowed; count 0: none. */
void jump_serve(struct pump *const peers[], size_t count);

/* That has come. */
bool jump_has_come(void);

#endif
