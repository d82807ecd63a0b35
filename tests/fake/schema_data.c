/* SPDX-License-Identifier: MIT */
#include "tests/fake/schema_data.h"

/* SCHEMA_DIR comes from the Makefile, which also knows that this depends on the files. */
#define EMBED(symbol, file)                                              \
    __asm__(".section .rodata\n"                                         \
            ".globl " #symbol "\n.globl " #symbol "_end\n"               \
            #symbol ":\n.incbin \"" SCHEMA_DIR "/" file "\"\n" #symbol "_end:\n" \
            ".previous\n")

EMBED(schema_7_2, "schema-7.2.json");
EMBED(schema_10_0, "schema-10.0.json");
EMBED(schema_agent, "schema-agent.json");
