/* SPDX-License-Identifier: MIT */
#include "qmp/codec.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* A string that begins with NUL and this word stands for a number. Nothing that QEMU sends begins
 * so; a guest that forges one has merely sent a number. */
#define TAG "number:"
#define TAG_ESCAPED "\"\\u0000" TAG
#define DEPTH_MAX 64
#define READABLE_DIGITS 15 /* the most that do not show a double's rounding */
#define NUMBER_MAX 512 /* longer digits are nobody's number */

static bool is_number_byte(char byte)
{
    return isdigit((unsigned char)byte) || byte == '-' || byte == '+' || byte == '.' ||
           byte == 'e' || byte == 'E';
}

static size_t skip_digits(const char *text, size_t size, size_t from)
{
    while (from < size && isdigit((unsigned char)text[from]))
        from++;
    return from;
}

/* RFC 8259, section 6. */
static bool is_json_number(const char *text, size_t size)
{
    size_t at = size > 0 && text[0] == '-' ? 1 : 0;
    size_t from = at;

    at = skip_digits(text, size, at);
    if (at == from || (text[from] == '0' && at > from + 1))
        return false;
    if (at < size && text[at] == '.') {
        from = ++at;
        at = skip_digits(text, size, at);
        if (at == from)
            return false;
    }
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < size && (text[at] == '+' || text[at] == '-'))
            at++;
        from = at;
        at = skip_digits(text, size, at);
        if (at == from)
            return false;
    }
    return at == size;
}

/* Does jansson take this number token? Integers must fit 63 bits, reals a finite double. What is
 * no number at all is left for jansson to complain about. */
static bool fits(const char *token, size_t size)
{
    char text[NUMBER_MAX];

    if (!is_json_number(token, size))
        return true;
    if (size >= sizeof(text))
        return false;
    memcpy(text, token, size);
    text[size] = '\0';
    errno = 0;
    if (strpbrk(text, ".eE") != NULL)
        return isfinite(strtod(text, NULL));
    (void)strtoimax(text, NULL, 10);
    return errno == 0;
}

/* Copies JSON text with every number that does not fit replaced by its tagged string. */
static int tag_wide_numbers(struct buffer *out, const char *text, size_t size)
{
    bool in_string = false;
    size_t from = 0; /* first byte not copied yet */
    size_t at = 0;
    size_t end;

    while (at < size) {
        if (in_string || !is_number_byte(text[at]) || isalpha((unsigned char)text[at])) {
            if (in_string && text[at] == '\\')
                at++;
            else if (text[at] == '"')
                in_string = !in_string;
            at++;
            continue;
        }
        for (end = at; end < size && is_number_byte(text[end]);)
            end++;
        if (!fits(text + at, end - at)) {
            if (buffer_append(out, text + from, at - from) < 0 ||
                buffer_append(out, TAG_ESCAPED, strlen(TAG_ESCAPED)) < 0 ||
                buffer_append(out, text + at, end - at) < 0 || buffer_append(out, "\"", 1) < 0)
                return -1;
            from = end;
        }
        at = end;
    }
    return buffer_append(out, text + from, size - from);
}

/* What jansson allocates is watched while it reads: without memory it complains of bad JSON, or
 * even goes on with a byte of a string lost. */
static json_malloc_t allocate = malloc;
static _Thread_local bool ran_out;

static void *allocate_watched(size_t size)
{
    void *room = allocate(size);

    ran_out = ran_out || room == NULL;
    return room;
}

static void watch(void)
{
    json_malloc_t current;
    json_free_t release;

    json_get_alloc_funcs(&current, &release);
    if (current != allocate_watched) { /* the program may have its own, and set them late */
        allocate = current;
        json_set_alloc_funcs(allocate_watched, release);
    }
    ran_out = false;
}

static json_t *load(const char *text, size_t size, size_t flags, json_error_t *problem)
{
    json_t *value;

    watch();
    value = json_loadb(text, size, flags | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, problem);
    if (!ran_out)
        return value;
    json_decref(value);
    return NULL;
}

static json_t *load_wide(const char *text, size_t size, size_t flags, json_error_t *problem)
{
    struct buffer tagged = {0};
    json_t *value = NULL;

    if (size == 0)
        return load("", 0, flags, problem);
    if (tag_wide_numbers(&tagged, text, size) == 0)
        value = load(tagged.bytes + tagged.start, buffer_size(&tagged), flags, problem);
    else
        ran_out = true;
    buffer_free(&tagged);
    return value;
}

/* jansson's words without "near '…'": what stands there may be secret, and goes into messages. */
static const char *complaint(json_error_t *problem)
{
    char *near = strstr(problem->text, " near '");

    if (near != NULL)
        *near = '\0';
    return problem->text;
}

json_t *codec_decode(const struct framer_message *message, struct error *error)
{
    json_error_t problem = {.text = ""};
    json_t *value = message->wide_number
                        ? load_wide(message->bytes, message->size_bytes, 0, &problem)
                        : load(message->bytes, message->size_bytes, 0, &problem);

    if (value == NULL && ran_out)
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
    else if (value == NULL)
        (void)error_set(error, ERROR_PROTOCOL, "", "the peer sent bad JSON: %s",
                        complaint(&problem));
    return value;
}

/* jansson recurses; text from a person is checked before it may. */
static bool nests_too_deep(const char *text)
{
    unsigned depth = 0;
    bool in_string = false;

    for (; *text != '\0'; text++) {
        if (in_string && *text == '\\' && text[1] != '\0')
            text++;
        else if (*text == '"')
            in_string = !in_string;
        else if (!in_string && (*text == '{' || *text == '['))
            depth++;
        else if (!in_string && depth > 0 && (*text == '}' || *text == ']'))
            depth--;
        if (depth > DEPTH_MAX)
            return true;
    }
    return false;
}

json_t *codec_parse(const char *text, struct error *error)
{
    json_error_t problem = {.text = ""};
    json_t *value;

    if (nests_too_deep(text)) {
        (void)error_set(error, ERROR_INVALID, "", "the JSON nests deeper than %d levels",
                        DEPTH_MAX);
        return NULL;
    }
    value = load_wide(text, strlen(text), JSON_DECODE_ANY, &problem);
    if (value == NULL && ran_out)
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
    else if (value == NULL)
        (void)error_set(error, ERROR_INVALID, "quote the JSON for the shell: '{\"key\": 1}'",
                        "bad JSON at column %d: %s", problem.column, complaint(&problem));
    return value;
}

/* Where the text goes. jansson goes on when a key could not be written. */
struct sink {
    struct buffer *buffer;
    int status;
};

static int append_chunk(const char *bytes, size_t size, void *user)
{
    struct sink *sink = user;

    if (sink->status == 0)
        sink->status = buffer_append(sink->buffer, bytes, size);
    return sink->status;
}

/* The length of the number in a tagged string that begins at text, 0 when none does. A guest may
 * forge the tag, so what follows it must be a number, or the output would not be JSON. */
static size_t tagged_number(const char *text, size_t size)
{
    const size_t tag_size = strlen(TAG_ESCAPED);
    size_t digits = 0;

    if (size <= tag_size || memcmp(text, TAG_ESCAPED, tag_size) != 0)
        return 0;
    while (tag_size + digits < size && is_number_byte(text[tag_size + digits]))
        digits++;
    if (tag_size + digits == size || text[tag_size + digits] != '"' ||
        !is_json_number(text + tag_size, digits))
        return 0;
    return digits;
}

/* Turns tagged strings back into numbers, in place: the text only shrinks. */
static void untag(struct buffer *buffer, size_t from)
{
    char *read = buffer->bytes + buffer->start + from;
    char *end = buffer->bytes + buffer->end;
    char *write = read;
    bool in_string = false;
    size_t digits;

    while (read < end) {
        digits = in_string ? 0 : tagged_number(read, (size_t)(end - read));
        if (digits > 0) {
            memmove(write, read + strlen(TAG_ESCAPED), digits);
            write += digits;
            read += strlen(TAG_ESCAPED) + digits + 1;
            continue;
        }
        if (*read == '"')
            in_string = !in_string;
        else if (*read == '\\')
            *write++ = *read++; /* what it hides is no end of the string */
        *write++ = *read++;
    }
    buffer->end = (size_t)(write - buffer->bytes);
}

static int append(struct buffer *buffer, const json_t *value, size_t flags)
{
    size_t before = buffer_size(buffer);
    struct sink sink = {.buffer = buffer};

    if (json_dump_callback(value, append_chunk, &sink, flags | JSON_ENCODE_ANY) < 0 ||
        sink.status < 0)
        return -1;
    untag(buffer, before);
    return 0;
}

int codec_append(struct buffer *buffer, const json_t *value)
{
    return append(buffer, value, JSON_COMPACT | JSON_ENSURE_ASCII);
}

char *codec_dump(const json_t *value, unsigned indent)
{
    struct buffer text = {0};

    if (append(&text, value,
               JSON_REAL_PRECISION(READABLE_DIGITS) |
                   (indent > 0 ? JSON_INDENT(indent) : JSON_COMPACT)) < 0 ||
        buffer_append(&text, "", 1) < 0) {
        buffer_free(&text);
        return NULL;
    }
    return text.bytes;
}

json_t *codec_string(const char *text)
{
    json_t *value = json_string(text);
    AUTO_FREE char *copy = NULL;

    if (value != NULL)
        return value;
    copy = strdup(text);
    if (copy == NULL)
        return NULL;
    text_make_printable(copy);
    return json_string(copy);
}

bool codec_get_u64(const json_t *value, uint64_t *ret_number)
{
    const char *text;
    char *end;
    uintmax_t number;

    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret_number = (uint64_t)json_integer_value(value);
        return true;
    }
    if (!json_is_string(value) || json_string_length(value) <= strlen(TAG) + 1)
        return false;
    text = json_string_value(value);
    if (text[0] != '\0' || memcmp(text + 1, TAG, strlen(TAG)) != 0)
        return false;
    text += 1 + strlen(TAG);
    if (*text == '-' || !is_json_number(text, json_string_length(value) - 1 - strlen(TAG)))
        return false;
    errno = 0;
    number = strtoumax(text, &end, 10);
    if (errno != 0 || *end != '\0' || number > UINT64_MAX)
        return false;
    *ret_number = number;
    return true;
}
