/* SPDX-License-Identifier: MIT */
/* Recorded device trees (tests/data/fdt, made by scripts/record-fdt), and what is read from one. */
#ifndef TESTS_FAKE_TREE_H
#define TESTS_FAKE_TREE_H

#include "acpi/fdt.h"

#define TREE_ROOM ((size_t)1 << 20)

/* What was read last; large, hence not on the stack. */
extern struct fdt_board tree_board;

/* A recorded blob in a buffer of TREE_ROOM bytes that libfdt can edit; or as small as it is. To be
 * freed. */
void *tree_load(const char *name);
void *tree_load_packed(const char *name, size_t *ret_size);

/* Reads it into tree_board; fails the test when it is refused. */
void tree_read_well(const void *blob, size_t size);

/* It is refused with this code, these words in the why, an advice, and nothing half-read. */
void tree_read_badly(const void *blob, size_t size, enum error_code code, const char *why);

/* tree_board's memory and vCPUs: "memory ADDR+BYTES@NODE cpu REG@NODE/SOCKET.CLUSTER.CORE.THREAD ",
 * addresses in hex, '-' for what is not known. Static. */
const char *tree_describe(void);

#endif
