/* SPDX-License-Identifier: MIT */
/*
 * A value as YAML, as kubectl prints it: in blocks, indented by two, lists at the level of their
 * key, keys in the order that they have, quotes only around what would read as something else
 * (manifest/scalar.h), several lines behind a '|'.
 */
#ifndef MANIFEST_YAML_WRITE_H
#define MANIFEST_YAML_WRITE_H

#include <jansson.h>

/* The text, to be freed, with a line's end at its end; NULL without memory. What yaml_read_value()
 * has read, it reads again as the same; a real that is a whole number, which it never gives, it
 * reads as an integer. */
char *yaml_write(const json_t *value);

#endif
