/* SPDX-License-Identifier: MIT */
/*
 * YAML, and JSON, which is YAML, to documents. What a scalar means is in manifest/scalar.h; objects
 * keep the order of their keys. Refused are: a key twice in one object, keys that are no strings,
 * merge keys (<<), an alias inside of what it stands for, tags other than those of JSON's types,
 * NUL, and what goes beyond manifest/limits.h, which holds of what aliases stand for, too. Each
 * alias becomes a copy.
 *
 * source names the text in errors, which are ERROR_INVALID and begin with `SOURCE:LINE:COLUMN: `
 * (columns are counted in characters), or ERROR_SYSTEM without memory.
 */
#ifndef MANIFEST_YAML_READ_H
#define MANIFEST_YAML_READ_H

#include <stddef.h>

#include "base/error.h"
#include "manifest/document.h"

/* Puts a text's documents behind those of the list. Each is an object; those of a List (of any kind
 * that ends so, with items) are taken out of it; empty ones are left out. Returns 0, or -1: the
 * list is still to be freed. */
int yaml_read(struct document_list *list, const char *source, const char *text, size_t size_bytes,
              struct error *error);

/* Reads a text that holds one value of any kind, such as a patch. Returns 0, or -1. */
int yaml_read_value(struct document *document, const char *source, const char *text,
                    size_t size_bytes, struct error *error);

#endif
