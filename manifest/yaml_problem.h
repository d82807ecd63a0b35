/* SPDX-License-Identifier: MIT */
/* What libyaml finds wrong with a text, in words for those who wrote it. */
#ifndef MANIFEST_YAML_PROBLEM_H
#define MANIFEST_YAML_PROBLEM_H

#include <yaml.h>

#include "base/error.h"

/* Tells of the parser's error: ERROR_INVALID, `SOURCE:LINE:COLUMN: what; what to do`, or
 * ERROR_SYSTEM without memory. text is what it parses. Returns -1. */
int yaml_problem(const yaml_parser_t *parser, const char *source, const char *text,
                 struct error *error);

#endif
