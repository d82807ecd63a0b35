/* SPDX-License-Identifier: MIT */
#include "manifest/argv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "qmp/codec.h"

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=,:+@%"

static void add_word(struct argv *argv, char *word)
{
    char **grown = word == NULL
                       ? NULL
                       : reallocarray(argv->words, argv->count + 2, sizeof(*argv->words));

    if (grown == NULL) {
        free(word);
        argv->failed = true;
        return;
    }
    argv->words = grown;
    argv->words[argv->count++] = word;
    argv->words[argv->count] = NULL;
}

static void add_formatted(struct argv *argv, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
static void add_formatted(struct argv *argv, const char *format, va_list arguments)
{
    char *word;

    if (vasprintf(&word, format, arguments) < 0)
        word = NULL;
    add_word(argv, word);
}

void argv_add(struct argv *argv, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add_formatted(argv, format, arguments);
    va_end(arguments);
}

void argv_option(struct argv *argv, const char *option, const char *format, ...)
{
    va_list arguments;

    add_word(argv, strdup(option));
    va_start(arguments, format);
    add_formatted(argv, format, arguments);
    va_end(arguments);
}

void argv_json(struct argv *argv, const char *option, json_t *value)
{
    add_word(argv, strdup(option));
    add_word(argv, value != NULL ? codec_dump(value, 0) : NULL);
    json_decref(value);
}

void argv_free(struct argv *argv)
{
    size_t i;

    for (i = 0; i < argv->count; i++)
        free(argv->words[i]);
    free(argv->words);
    *argv = (struct argv){0};
}

const char *argv_escape(const char *value, char *text, size_t size)
{
    size_t used = 0;

    for (; *value != '\0' && used + 2 < size; value++) {
        if (*value == ',')
            text[used++] = ',';
        text[used++] = *value;
    }
    text[used] = '\0';
    return text;
}

static int append(struct buffer *buffer, const char *text, size_t length)
{
    return buffer_append(buffer, text, length);
}

static int quote_word(struct buffer *buffer, const char *word)
{
    size_t length;

    if (*word != '\0' && strspn(word, PLAIN) == strlen(word))
        return append(buffer, word, strlen(word));
    if (append(buffer, "'", 1) < 0)
        return -1;
    for (;;) {
        length = strcspn(word, "'");
        if (append(buffer, word, length) < 0)
            return -1;
        if (word[length] == '\0')
            return append(buffer, "'", 1);
        if (append(buffer, "'\\''", 4) < 0)
            return -1;
        word += length + 1;
    }
}

/* A word is a value when the one before it is an option. */
static bool begins_line(const struct argv *argv, size_t i)
{
    return argv->words[i][0] == '-' || argv->words[i - 1][0] != '-';
}

char *argv_quote(const struct argv *argv)
{
    struct buffer buffer = {0};
    char *text = NULL;
    int status = 0;
    size_t i;

    for (i = 0; status == 0 && i < argv->count; i++) {
        if (i > 0)
            status = begins_line(argv, i) ? append(&buffer, " \\\n  ", 5) : append(&buffer, " ", 1);
        if (status == 0)
            status = quote_word(&buffer, argv->words[i]);
    }
    if (status == 0)
        status = append(&buffer, "\n", 2); /* and the NUL */
    if (status == 0)
        text = strdup(buffer_bytes(&buffer));
    buffer_free(&buffer);
    return text;
}
