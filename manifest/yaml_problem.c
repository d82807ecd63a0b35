/* SPDX-License-Identifier: MIT */
#include "manifest/yaml_problem.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

/* libyaml has no numbers for them, but its texts have not changed in ten years; what is not here is
 * told as it is. The first row that fits counts. */
static const struct {
    const char *problem;
    const char *why;
    const char *fix;
} problems[] = {
    {"control characters are not allowed", "a control character", "take it out"},
    {"found invalid Unicode character escape code",
     "an escaped character that does not exist, or half of one that JSON splits in two",
     "write the character itself, or \\U and its eight digits"},
    {"found unknown escape character", "a backslash before a character that it does not go with",
     "write the backslash twice, or put the text in single quotes"},
    {"did not find expected hexdecimal number", "an escaped character with too few digits",
     "give \\x two, \\u four and \\U eight digits"},
    {"found unexpected end of stream", "a quote that is never closed", "close it"},
    {"found unexpected document indicator", "a quote that is not closed before the document ends",
     "close it"},
    {"found a tab character", "a tab in the indentation", "indent with spaces"},
    {"mapping values are not allowed in this context", "a ':' where no key is expected",
     "put what has ': ' in it in quotes, and a key on a line of its own"},
    {"block sequence entries are not allowed in this context", "a '- ' where no list is expected",
     "begin the list on the next line"},
    {"mapping keys are not allowed in this context", "a '? ' where no key is expected", ""},
    {"could not find expected ':'", "a key without its ':'",
     "write key: value, and indent the lines of a longer text"},
    {"did not find expected key", "something other than a key, or an indentation that does not fit",
     "indent the keys of an object alike, and close every quote"},
    {"did not find expected '-' indicator", "something that is no item of the list",
     "indent the items of a list alike, each with its '- '"},
    {"did not find expected ',' or ']'", "a list that is not closed, or lacks a comma",
     "put commas between its items and a ']' at its end"},
    {"did not find expected ',' or '}'", "an object that is not closed, or lacks a comma",
     "put commas between its members and a '}' at its end"},
    {"did not find expected node content", "nothing where a value is expected", ""},
    {"did not find expected <document start>", "something behind the end of a value",
     "put a line of --- between documents, and behind lines with a %"},
    {"did not find expected alphabetic or numeric character", "a & or a * without a name",
     "put the text in quotes"},
    {"did not find expected comment or line break", "something behind a | or a >",
     "begin the text on the next line"},
    {"found an indentation indicator equal to 0", "a text behind | or > that is indented by 0",
     "leave the number out"},
    {"found duplicate %", "a %YAML or %TAG line like one before it", "take it out"},
    {"found unknown directive name", "a line with a % that is neither %YAML nor %TAG",
     "take it out"},
    {"found unexpected ':'", "a ':' where none is expected", "put the text in quotes"},
    {"found incompatible YAML document", "a version of YAML other than 1.1 and 1.2",
     "take the %YAML line out"},
    {"found undefined tag handle", "a tag that is not defined", "take it out"},
};

/* libyaml's reader counts bytes only. */
static void find_offset(const char *text, size_t offset, size_t *line, size_t *column)
{
    size_t i;

    *line = 1;
    *column = 1;
    for (i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

/* What can't begin a value is known by the character; index counts characters, too. */
static int refuse_character(const char *place, const char *text, size_t index, struct error *error)
{
    char character;

    for (; index > 0; text++)
        index -= ((unsigned char)text[1] & 0xc0) != 0x80;
    character = text[0];
    if (character == '\t')
        return error_set(error, ERROR_INVALID, "indent with spaces", "%s: a tab in the indentation",
                         place);
    return error_set(error, ERROR_INVALID, "put the text in quotes",
                     "%s: a '%c', with which no text can begin", place, character);
}

int yaml_problem(const yaml_parser_t *parser, const char *source, const char *text,
                 struct error *error)
{
    const char *problem = parser->problem != NULL ? parser->problem : "";
    size_t line = parser->problem_mark.line + 1, column = parser->problem_mark.column + 1, i;
    char place[160];

    /* What is not closed is told where it begins. */
    if (strcmp(problem, "found unexpected end of stream") == 0 ||
        strcmp(problem, "found unexpected document indicator") == 0) {
        line = parser->context_mark.line + 1;
        column = parser->context_mark.column + 1;
    }
    if (parser->error == YAML_MEMORY_ERROR)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    if (parser->error == YAML_READER_ERROR)
        find_offset(text, parser->problem_offset, &line, &column);
    (void)snprintf(place, sizeof(place), "%.100s:%zu:%zu", source, line, column);
    if (strcmp(problem, "found character that cannot start any token") == 0)
        return refuse_character(place, text, parser->problem_mark.index, error);
    for (i = 0; i < COUNT_OF(problems); i++) {
        if (strncmp(problem, problems[i].problem, strlen(problems[i].problem)) == 0)
            return error_set(error, ERROR_INVALID, problems[i].fix, "%s: %s", place,
                             problems[i].why);
    }
    if (parser->error == YAML_READER_ERROR)
        return error_set(error, ERROR_INVALID, "save the file as UTF-8",
                         "%s: a byte that is no UTF-8", place);
    return error_set(error, ERROR_INVALID, "", "%s: no valid YAML: %s", place, problem);
}
