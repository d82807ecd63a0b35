/* SPDX-License-Identifier: MIT */
/*
 * What vmplug is measured against: a bare socket and lines, by the shortest C that does the same
 * steps at all. No checks beyond what is needed to know that an answer has come; what goes wrong
 * ends the program.
 */
#ifndef TESTS_BENCH_FLOOR_H
#define TESTS_BENCH_FLOOR_H

#include <stdbool.h>
#include <stddef.h>

struct floor {
    int fd;
    bool synchronising; /* with an agent */
    char *input; /* FLOOR_INPUT_MAX bytes */
    size_t start, held;
};

#define FLOOR_INPUT_MAX (1 << 22)

void floor_dial(struct floor *floor, const char *path);
void floor_close(struct floor *floor);

/* Dials a monitor, and negotiates. */
void floor_open(struct floor *floor, const char *path);

/* Dials an agent and asks it to synchronise. Its answer is awaited by floor_synchronise(). */
void floor_open_agent(struct floor *floor, const char *path);

/* Where it has been already, nothing happens. */
void floor_synchronise(struct floor *floor);

void floor_say(const struct floor *floor, const char *text, size_t size);

/* One line. */
void floor_ask(const struct floor *floor, const char *request);

/* Reads until `count` lines that hold `word` have come; returns the last of them, until the next
 * call. */
char *floor_await(struct floor *floor, const char *word, unsigned count);

/* A request that has the id 1, and its reply; an error ends the program. */
char *floor_call(struct floor *floor, const char *request);

#endif
