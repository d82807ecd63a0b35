/* SPDX-License-Identifier: MIT */
/*
 * Lets memory run out, one allocation after the other, and time fly. A program that uses it is
 * linked with $(oom_wraps) (tests/Makefile.inc), which leads malloc() and its kin of all objects to
 * here, and with jump.c, so that nobody waits; jansson is led here, too. What the C library
 * allocates for itself is not: opendir() and snprintf() always have memory.
 */
#ifndef TESTS_FAKE_OOM_H
#define TESTS_FAKE_OOM_H

#include <stdbool.h>

#include "qmp/pump.h"

/* Runs body again and again: the first time its first allocation fails, then its second, … until
 * it has come to its end without a failure. Fails the test when a run leaves memory or a
 * descriptor behind. Returns how many runs had a failure. With VMPLUG_OOM_STRIDE=n in the
 * environment only every n-th allocation fails, for tools that make all this slow. */
typedef void oom_body_fn(void *user);
unsigned oom_each(oom_body_fn *body, void *user);

/* The same with every allocation from then on failing, too, until oom_off(). */
unsigned oom_each_lasting(oom_body_fn *body, void *user);

/* Inside of a body: only between these two do allocations count and fail. */
void oom_on(void);
void oom_off(void);

/* Has one failed in this run? */
bool oom_struck(void);

/* Wraps a fake's pump: what it allocates neither counts nor fails. */
void oom_spare(struct pump *pump);

#endif
