/* SPDX-License-Identifier: MIT */
/*
 * What goes to stdout: text for people, or one JSON value a line. Text is cleaned on its way, so
 * that nothing a guest says can steer a terminal. When nobody reads any more, output falls silent
 * and the command goes on: what was begun in QEMU is finished properly.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum output_style { OUTPUT_PLAIN, OUTPUT_GOOD, OUTPUT_DOUBTFUL, OUTPUT_BAD, OUTPUT_DIM };

struct output {
    FILE *stream;
    bool terminal;
    bool live;   /* a terminal on which a line can be drawn anew */
    bool colour; /* and NO_COLOR does not say otherwise (no-color.org) */
    bool json;   /* nothing but JSON */
    int failure; /* errno of the write that failed, else 0 */
};

void output_init(struct output *out, FILE *stream, bool json);

/* Text for people; with json, nothing. A style lasts until the next. */
void output_print(struct output *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void output_style(struct output *out, enum output_style style);
void output_erase_line(struct output *out);

/* A value on one line of its own, or indented by so many columns, and flushed. */
void output_json(struct output *out, const json_t *value, unsigned indent);

void output_flush(struct output *out);

/* The command's exit code, considering that its output may not have arrived: a full disk is a
 * failure, a reader that has left is none. */
int output_exit_code(const struct output *out, int exit_code);

#endif
