/* SPDX-License-Identifier: MIT */
#include "cli/roff.h"

#include <string.h>

static void put(struct output *out, char character, bool literal_dash)
{
    switch (character) {
    case '\\':
        output_print(out, "\\e");
        break;
    case '-':
        output_print(out, literal_dash ? "\\-" : "-");
        break;
    case '\'':
        output_print(out, "\\(aq");
        break;
    case '"':
        output_print(out, "\\(dq");
        break;
    case '`':
        output_print(out, "\\(ga");
        break;
    case '^':
        output_print(out, "\\(ha");
        break;
    case '~':
        output_print(out, "\\(ti");
        break;
    default:
        output_print(out, "%c", character);
        break;
    }
}

void roff_argument(struct output *out, const char *text)
{
    output_print(out, "\"");
    for (; *text != '\0'; text++)
        put(out, *text, true);
    output_print(out, "\"");
}

void roff_literal(struct output *out, const char *text)
{
    if (*text == '.')
        output_print(out, "\\&");
    for (; *text != '\0'; text++)
        put(out, *text, true);
    output_print(out, "\n");
}

/* Does a sentence end here, and another begin? */
static bool ends_sentence(const char *text)
{
    return (text[0] == '.' || text[0] == ':') && text[1] == ' ' && text[2] >= 'A' && text[2] <= 'Z';
}

void roff_text(struct output *out, const char *text, const char *paragraph)
{
    bool line_start = true, word_start = true, is_option = false;

    for (; *text != '\0'; text++) {
        if (strncmp(text, "\n\n", 2) == 0) {
            output_print(out, "\n%s\n", paragraph);
            line_start = word_start = true;
            text++;
            continue;
        }
        if (line_start && *text == '.')
            output_print(out, "\\&");
        if (word_start)
            is_option = *text == '-';
        put(out, *text, is_option);
        line_start = false;
        word_start = *text == ' ' || *text == '(' || *text == '"';
        if (ends_sentence(text)) {
            output_print(out, "\n");
            text++;
            line_start = word_start = true;
        }
    }
    output_print(out, "\n");
}
