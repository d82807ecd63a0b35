/* SPDX-License-Identifier: MIT */
/*
 * What the fakes have in common: JSON written in C, a private directory for sockets and images,
 * failing, and serving from a child process.
 */
#ifndef TESTS_FAKE_FAKE_H
#define TESTS_FAKE_FAKE_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "qmp/pump.h"

/* Parses JSON in which ' stands for ", so that it can be read in C; "" and NULL give NULL. Fails
 * the test when it is none. A new reference. */
json_t *fake_json(const char *text);

/* The same after formatting. */
json_t *fake_jsonf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Every member of wanted is in value, with the same content; objects inside likewise. */
bool fake_json_has(const json_t *value, const json_t *wanted);

/* A directory of this program alone; it is emptied and removed at exit. */
const char *fake_dir(void);

/* fake_dir()/name; one of a few static buffers, so copy what shall live long. */
const char *fake_path(const char *name);

/* Writes a file of this content into fake_dir() and returns its path, as above. */
const char *fake_file(const char *name, const void *bytes, size_t size);

/* Removes all that is in this directory, and below it. */
void fake_empty(const char *path);

/* Fails the test. In a child process: says why on stderr and ends with 1. Whoever is no test has
 * one of its own, instead of fake_fail.c's. */
extern bool fake_in_child;
void fake_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Something that fakes a process: pumps to drive, and a last check when the test is over. */
struct fake_actor {
    struct pump *pump;
    void (*check)(void *user); /* fake_fail() when something is missing; may be NULL */
    void *user;
};

/* Drives the actors in a child process until fake_join(). The child inherits their sockets, so
 * they can be connected to at once; the parent must not drive them any more. */
struct fake_child {
    pid_t pid;
    int stop_fd;
};

struct fake_child fake_serve(const struct fake_actor actors[], size_t count);

/* Lets the child make its last checks and end; fails the test when anything was wrong in it. */
void fake_join(struct fake_child *child);

#endif
