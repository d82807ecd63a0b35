/* SPDX-License-Identifier: MIT */
/*
 * A manifest as it was written: its value, and the place of every part of it.
 *
 * Readers of a manifest go down from document_root() by key or index. What they read falls into
 * place by itself: a node that is not there leads to nodes that are not there, and leaves the
 * variable that it was to be read into as it was, so that a variable starts as its default. What is
 * there and wrong is noted in the error that document_root() was given; the first one stays, and
 * one look at its code, at the end, is enough:
 *
 *     struct node cpu = document_get(domain, "cpu");
 *     unsigned sockets = 1;
 *
 *     document_unsigned(document_get(cpu, "sockets"), 1, 512, &sockets);
 *     …
 *     return error->code == ERROR_NONE ? 0 : -1;
 *
 * An error is ERROR_INVALID, and why reads `FILE:LINE:COLUMN: spec.domain.cpu.sockets: must be a
 * whole number from 1 to 512, not "two"`. Null is as good as not there, as it is to Kubernetes.
 */
#ifndef MANIFEST_DOCUMENT_H
#define MANIFEST_DOCUMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Where a value stands, counted from 1; 0: it was not read from text. */
struct place {
    unsigned line, column;
    unsigned key_line, key_column; /* a member's key; that of the value, if it is none */
    unsigned values;               /* it and all inside of it */
};

struct document {
    char *source;         /* "web.yaml", "stdin" */
    json_t *root;         /* must not be changed: places would no longer fit */
    struct place *places; /* of each value, in the order of the text, outer before inner */
    const struct document *written; /* of one without lines: the text that it has come from in part,
                                       which lends its own; NULL: none */
};

/* Takes a value that does not come from text, such as a patched one: its errors have a path, and a
 * line if it is given `written`: that of the same part, or of what is there around it. It keeps a
 * reference. Returns 0, or -1 with ERROR_SYSTEM without memory. */
int document_init(struct document *document, const char *source, json_t *value,
                  struct error *error);
void document_free(struct document *document);

struct document_list {
    struct document *items;
    size_t count;
};

void document_list_free(struct document_list *list);

/* A part of a document, or one that is not there; passed by value, and lives as long as the
 * document and the error do. */
struct node {
    const struct document *document;
    struct error *error;
    const json_t *value;  /* NULL: not there */
    const json_t *parent; /* NULL: the root */
    const char *key;      /* of an object's member; the first that is missing, if it is not there */
    size_t index;         /* of a list's item */
    size_t place;         /* in the document's places; of the innermost that is there */
};

/* error: ERROR_NONE, and not NULL. */
struct node document_root(const struct document *document, struct error *error);

/* A member. Notes an error where object is there and no object. */
struct node document_get(struct node object, const char *key);

/* The items of a list, or the members of an object, one after the other. Notes an error where the
 * outer one is there and neither (document_is_list() and document_is_object() say which). */
struct node document_first(struct node outer);
struct node document_next(struct node inner);
#define DOCUMENT_EACH(inner, outer) \
    for ((inner) = document_first(outer); (inner).value != NULL; (inner) = document_next(inner))

/* Is it there, and not null? */
bool document_is_there(struct node node);

/* False when it is not there, and when it is something else, of which an error is noted. */
bool document_is_object(struct node node);
bool document_is_list(struct node node);

/* Notes that it is missing. Returns whether it is there. */
bool document_require(struct node node);

/* Read the value into *ret, and say whether they did. The string is the document's. */
bool document_string(struct node node, const char **ret);
bool document_bool(struct node node, bool *ret);
bool document_integer(struct node node, int64_t least, int64_t most, int64_t *ret);
bool document_unsigned(struct node node, unsigned least, unsigned most, unsigned *ret);

/* A quantity of bytes, as manifest/quantity.h reads it, or a number. */
bool document_bytes(struct node node, uint64_t *ret_bytes);

/* One of some words, NULL behind the last of them; *ret is its number. */
bool document_choice(struct node node, const char *const *words, unsigned *ret);

/* Notes an error of the caller's own at the node's place, unless there is one already; fix and why
 * are as error_set() has them. */
void document_refuse(struct node node, const char *fix, const char *why, ...)
    __attribute__((format(printf, 3, 4)));

/* Calls tell, before it returns, for each member of an object whose key is not in known (behind the
 * last is NULL). What is no object has none. */
typedef void document_unknown_fn(struct node member, void *user);
void document_each_unknown(struct node object, const char *const *known,
                           document_unknown_fn *tell, void *user);

/* "web.yaml:7:13: spec.running", of a member's key or of what is none. Returns text. */
#define DOCUMENT_WHERE_MAX 320
const char *document_where(struct node node, char text[DOCUMENT_WHERE_MAX]);

#endif
