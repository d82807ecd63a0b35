/* SPDX-License-Identifier: MIT */
/* What the fuzz targets have in common: their entry point, their oracle, and how those read their
 * input that take it for a script of single steps. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A claim that no input may break. */
#define MUST(claim)  \
    do {             \
        if (!(claim)) \
            abort(); \
    } while (0)

/* What is left of the input. */
struct script {
    const uint8_t *at;
    size_t size;
};

/* The next byte, 0 at the end. */
static inline uint8_t script_byte(struct script *script)
{
    if (script->size == 0)
        return 0;
    script->size--;
    return *script->at++;
}

static inline uint32_t script_u32(struct script *script)
{
    uint32_t number = 0;
    unsigned i;

    for (i = 0; i < 4; i++)
        number = number << 8 | script_byte(script);
    return number;
}

/* The next bytes, at most that many; *size is set to how many they are. */
static inline const uint8_t *script_bytes(struct script *script, size_t *size)
{
    const uint8_t *bytes = script->at;

    if (*size > script->size)
        *size = script->size;
    script->at += *size;
    script->size -= *size;
    return bytes;
}

/* All that is left as a string, to be freed; ends at its first NUL. NULL without memory. */
static inline char *script_text(const struct script *script)
{
    char *text = calloc(1, script->size + 1);

    if (text != NULL && script->size > 0)
        memcpy(text, script->at, script->size);
    return text;
}

#endif
