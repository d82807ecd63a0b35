/* SPDX-License-Identifier: MIT */
/*
 * What a scalar of YAML means that has neither quotes nor a tag. As kubectl has it, whose reader
 * (sigs.k8s.io/yaml, with go-yaml 2 in it) goes by YAML 1.1: yes, no, on, off, y and n are true and
 * false; 0777, 0o777, 0x1f and 0b11 are numbers, 1_000 is 1000; dates are strings; 1:30 is one.
 * A whole number is an integer, however it is written, since on its way through JSON kubectl makes
 * "2" of 2.0.
 */
#ifndef MANIFEST_SCALAR_H
#define MANIFEST_SCALAR_H

#include <stdbool.h>
#include <stdint.h>

enum scalar_kind {
    SCALAR_STRING,
    SCALAR_NULL,
    SCALAR_BOOL,
    SCALAR_INTEGER,
    SCALAR_REAL,
    SCALAR_TOO_LARGE, /* an integer beyond 64 bits, signed */
    SCALAR_INFINITE,  /* .inf, .nan: JSON has none */
};

struct scalar {
    enum scalar_kind kind;
    bool boolean;
    int64_t integer;
    double real;
};

struct scalar scalar_resolve(const char *text);

#endif
