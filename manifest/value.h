/* SPDX-License-Identifier: MIT */
/* How much a JSON value is: what is copied is measured first. */
#ifndef MANIFEST_VALUE_H
#define MANIFEST_VALUE_H

#include <jansson.h>
#include <stddef.h>

struct measure {
    size_t values; /* it and all inside of it */
    size_t bytes;  /* of their strings and keys */
    unsigned depth; /* objects and lists that are one inside of the other; 0: a scalar */
};

/* Calls itself, as deep as the value is: which is for whoever made it to bound. */
struct measure value_measure(const json_t *value);

#endif
