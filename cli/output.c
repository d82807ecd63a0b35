/* SPDX-License-Identifier: MIT */
#include "cli/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/printable.h"
#include "qmp/codec.h"

static const char *const styles[] = {
    [OUTPUT_PLAIN] = "\033[0m",
    [OUTPUT_GOOD] = "\033[32m",
    [OUTPUT_DOUBTFUL] = "\033[33m",
    [OUTPUT_BAD] = "\033[31m",
    [OUTPUT_DIM] = "\033[2m",
};

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value != NULL && *value != '\0';
}

void output_init(struct output *out, FILE *stream, bool json)
{
    const char *terminal_type = getenv("TERM");

    *out = (struct output){.stream = stream, .json = json};
    out->terminal = isatty(fileno(stream)) == 1;
    out->live = out->terminal && !json && terminal_type != NULL &&
                strcmp(terminal_type, "dumb") != 0;
    out->colour = out->live && !is_set("NO_COLOR");
}

static void remember_failure(struct output *out)
{
    out->failure = errno != 0 ? errno : EIO;
}

static void put(struct output *out, const char *text)
{
    if (out->failure == 0 && fputs(text, out->stream) < 0)
        remember_failure(out);
}

void output_print(struct output *out, const char *format, ...)
{
    AUTO_FREE char *text = NULL;
    va_list arguments;
    int length;

    if (out->json)
        return;
    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        text = NULL;
        return;
    }
    printable_text(text);
    put(out, text);
}

void output_style(struct output *out, enum output_style style)
{
    if (out->colour && !out->json)
        put(out, styles[style]);
}

void output_erase_line(struct output *out)
{
    if (out->live)
        put(out, "\r\033[K");
}

/* JSON hides control characters below U+0020 only; the others, which are inside of strings if they
 * are anywhere, are written as escapes, too. */
static void put_escaped(struct output *out, char *text)
{
    char escape[8];
    char *at, *from = text;

    for (at = text; *at != '\0'; at++) {
        bool two = (unsigned char)at[0] == 0xc2 && (unsigned char)at[1] >= 0x80 &&
                   (unsigned char)at[1] <= 0x9f;

        if (!two && *at != 0x7f)
            continue;
        (void)snprintf(escape, sizeof(escape), "\\u%04x", two ? (unsigned char)at[1] : 0x7fU);
        *at = '\0';
        put(out, from);
        put(out, escape);
        at += two ? 1 : 0;
        from = at + 1;
    }
    put(out, from);
}

void output_json(struct output *out, const json_t *value, unsigned indent)
{
    AUTO_FREE char *text = codec_dump(value, indent);

    if (text == NULL) {
        out->failure = ENOMEM;
        return;
    }
    put_escaped(out, text);
    put(out, "\n");
    output_flush(out);
}

void output_flush(struct output *out)
{
    if (out->failure == 0 && fflush(out->stream) != 0)
        remember_failure(out);
}

int output_exit_code(const struct output *out, int exit_code)
{
    if (exit_code == 0 && out->failure != 0 && out->failure != EPIPE)
        return 1;
    return exit_code;
}
