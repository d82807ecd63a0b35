/* SPDX-License-Identifier: MIT */
/* Text as source of a manual page (groff_man(7)). */
#ifndef CLI_ROFF_H
#define CLI_ROFF_H

#include "cli/output.h"

/* One argument of a macro, in quotes. Dashes are those of a command line. */
void roff_argument(struct output *out, const char *text);

/* A line of an example, as it is. */
void roff_literal(struct output *out, const char *text);

/* Running text: a sentence a line, an empty line begins a paragraph (by the macro, ".PP" or
 * ".IP"). Words that begin with a dash are options. */
void roff_text(struct output *out, const char *text, const char *paragraph);

#endif
