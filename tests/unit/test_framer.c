/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/framer.h"

#define MESSAGES_MAX 8

static const struct framer_limits limits = {.message_bytes = 1 << 16, .depth = 16};

static void feed(struct framer *framer, const char *bytes, size_t size)
{
    char *room = framer_reserve(framer, size + 1);

    assert_non_null(room);
    memcpy(room, bytes, size);
    framer_fed(framer, size);
}

/* ---- a corpus, cut in every way ---- */

static const struct {
    const char *stream;
    const char *messages[MESSAGES_MAX]; /* what must come out, in order */
} corpus[] = {
    {"{}", {"{}"}},
    {"{}\r\n", {"{}"}},
    {"{}\n", {"{}"}},
    {" \t\r\n {} \n", {"{}"}},
    {"{}{}{}", {"{}", "{}", "{}"}},
    {"{\"a\":1}{\"b\":2}\n{\"c\":3}\r\n", {"{\"a\":1}", "{\"b\":2}", "{\"c\":3}"}},
    {"{\"return\": {}, \"id\": 1}\r\n", {"{\"return\": {}, \"id\": 1}"}},
    {"{\n    \"return\": {\n        \"a\": [\n            1,\n            2\n        ]\n    "
     "}\n}\r\n",
     {"{\n    \"return\": {\n        \"a\": [\n            1,\n            2\n        ]\n    "
      "}\n}"}},
    {"{\"a\":\"}\"}{\"b\":\"{\"}", {"{\"a\":\"}\"}", "{\"b\":\"{\"}"}},
    {"{\"a\":\"]}{[\"}", {"{\"a\":\"]}{[\"}"}},
    {"{\"a\":\"\\\"}\"}", {"{\"a\":\"\\\"}\"}"}},
    {"{\"a\":\"\\\\\"}{}", {"{\"a\":\"\\\\\"}", "{}"}},
    {"{\"a\":\"\\\\\\\"}\"}{}", {"{\"a\":\"\\\\\\\"}\"}", "{}"}},
    {"{\"a\\\"}\":\"b\"}", {"{\"a\\\"}\":\"b\"}"}},
    {"{\"a\":\"\\u007d\\n\"}", {"{\"a\":\"\\u007d\\n\"}"}},
    {"{\"\xc3\xbc\":\"\xe2\x82\xac\xf0\x9f\x98\x80\"}",
     {"{\"\xc3\xbc\":\"\xe2\x82\xac\xf0\x9f\x98\x80\"}"}},
    {"{\"a\":[[[],[{}]],{}]}{\"b\":[]}", {"{\"a\":[[[],[{}]],{}]}", "{\"b\":[]}"}},
    {"{\"a\":[1,-2.5e3,true,false,null]}", {"{\"a\":[1,-2.5e3,true,false,null]}"}},
    /* Brackets that do not match are the parser's business. */
    {"{]{}", {"{]", "{}"}},
    {"{\"event\":\"STOP\"}\r\n{\"QMP\":{}}", {"{\"event\":\"STOP\"}", "{\"QMP\":{}}"}},
};

struct take {
    size_t entry;
    unsigned next; /* message awaited */
};

static void take_all(struct framer *framer, struct take *take)
{
    struct error error = ERROR_INIT;
    struct framer_message message;
    enum framer_result result;
    const char *expected;

    while ((result = framer_next(framer, &message, &error)) == FRAMER_MESSAGE) {
        expected = corpus[take->entry].messages[take->next++];
        assert_non_null(expected);
        assert_int_equal(message.size_bytes, strlen(expected));
        assert_memory_equal(message.bytes, expected, message.size_bytes);
    }
    assert_int_equal(result, FRAMER_MORE);
    assert_int_equal(error.code, ERROR_NONE);
}

static void assert_all_taken(const struct take *take)
{
    assert_true(take->next > 0);
    assert_null(corpus[take->entry].messages[take->next]);
}

static void test_all_at_once(void **state)
{
    struct framer framer;
    struct take take;

    (void)state;
    for (take.entry = 0; take.entry < COUNT_OF(corpus); take.entry++) {
        take.next = 0;
        framer_init(&framer, &limits);
        feed(&framer, corpus[take.entry].stream, strlen(corpus[take.entry].stream));
        take_all(&framer, &take);
        assert_all_taken(&take);
        framer_free(&framer);
    }
}

static void test_split_everywhere(void **state)
{
    struct framer framer;
    struct take take;
    const char *stream;
    size_t at;

    (void)state;
    for (take.entry = 0; take.entry < COUNT_OF(corpus); take.entry++) {
        stream = corpus[take.entry].stream;
        for (at = 0; at <= strlen(stream); at++) {
            take.next = 0;
            framer_init(&framer, &limits);
            feed(&framer, stream, at);
            take_all(&framer, &take);
            feed(&framer, stream + at, strlen(stream) - at);
            take_all(&framer, &take);
            assert_all_taken(&take);
            framer_free(&framer);
        }
    }
}

static void test_byte_by_byte(void **state)
{
    struct framer framer;
    struct take take;
    const char *byte;

    (void)state;
    for (take.entry = 0; take.entry < COUNT_OF(corpus); take.entry++) {
        take.next = 0;
        framer_init(&framer, &limits);
        for (byte = corpus[take.entry].stream; *byte != '\0'; byte++) {
            feed(&framer, byte, 1);
            take_all(&framer, &take);
        }
        assert_all_taken(&take);
        framer_free(&framer);
    }
}

/* One framer for the whole corpus: nothing of one message may touch the next. */
static void test_one_stream(void **state)
{
    struct framer framer;
    struct take take;

    (void)state;
    framer_init(&framer, &limits);
    for (take.entry = 0; take.entry < COUNT_OF(corpus); take.entry++) {
        take.next = 0;
        feed(&framer, corpus[take.entry].stream, strlen(corpus[take.entry].stream));
        take_all(&framer, &take);
        assert_all_taken(&take);
    }
    framer_free(&framer);
}

/* ---- limits ---- */

static enum framer_result frame(const struct framer_limits *tight, const char *stream,
                                bool bytewise, struct error *error)
{
    struct framer_message message;
    enum framer_result result = FRAMER_MORE;
    struct framer framer;
    size_t size = strlen(stream), at;

    framer_init(&framer, tight);
    for (at = 0; at < size && result == FRAMER_MORE; at += bytewise ? 1 : size) {
        feed(&framer, stream + at, bytewise ? 1 : size);
        result = framer_next(&framer, &message, error);
    }
    framer_free(&framer);
    return result;
}

static void test_limits(void **state)
{
    static const struct {
        size_t bytes;
        unsigned depth;
        const char *stream;
        enum framer_result result;
    } cases[] = {
        {10, 9, "{\"a\":1234}", FRAMER_MESSAGE},
        {9, 9, "{\"a\":1234}", FRAMER_BAD},
        {9, 9, "{\"a\":\"abcdefghijklmn", FRAMER_BAD},  /* no end in sight */
        {20, 9, "{\"a\":\"abcdefghijklm", FRAMER_MORE},
        {10, 9, "                    {\"a\":1234}", FRAMER_MESSAGE}, /* space is nobody's */
        {2, 9, "{}{\"a\":1234}", FRAMER_MESSAGE},
        {99, 1, "{}", FRAMER_MESSAGE},
        {99, 1, "{\"a\":[]}", FRAMER_BAD},
        {99, 2, "{\"a\":[]}", FRAMER_MESSAGE},
        {99, 3, "{\"a\":[{}],\"b\":[{}],\"c\":{\"d\":[]}}", FRAMER_MESSAGE},
        {99, 3, "{\"a\":[{\"b\":[", FRAMER_BAD},
        {99, 1, "{\"a\":\"[[[[{{{{\"}", FRAMER_MESSAGE},
    };
    enum framer_result result;
    size_t i, bytewise;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        for (bytewise = 0; bytewise < 2; bytewise++) {
            const struct framer_limits tight = {cases[i].bytes, cases[i].depth, 0};
            struct error error = ERROR_INIT;

            result = frame(&tight, cases[i].stream, bytewise == 1, &error);
            if (result != cases[i].result)
                fail_msg("case %zu, bytewise %zu: %d", i, bytewise, (int)result);
            assert_int_equal(error.code, result == FRAMER_BAD ? ERROR_LIMIT : ERROR_NONE);
        }
    }
}

/* What is short on the wire may be long in memory. */
static void test_values(void **state)
{
    static const struct {
        unsigned values;
        const char *stream;
        enum framer_result result;
    } cases[] = {
        {0, "{\"a\":[1,2,3,4,5,6,7,8,9]}", FRAMER_MESSAGE}, /* no limit */
        {2, "{\"a\":[]}", FRAMER_MESSAGE},
        {1, "{\"a\":[]}", FRAMER_BAD},
        {4, "{\"a\":[1,2,3]}", FRAMER_MESSAGE},
        {3, "{\"a\":[1,2,3", FRAMER_BAD},
        {2, "{\"a\":{}}{\"a\":{}}", FRAMER_MESSAGE}, /* counted anew */
        {1, "{\"a\":\",[{,[{\"}", FRAMER_MESSAGE},
    };
    enum framer_result result;
    size_t i, bytewise;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        for (bytewise = 0; bytewise < 2; bytewise++) {
            const struct framer_limits tight = {99, 9, cases[i].values};
            struct error error = ERROR_INIT;

            result = frame(&tight, cases[i].stream, bytewise == 1, &error);
            if (result != cases[i].result)
                fail_msg("case %zu, bytewise %zu: %d", i, bytewise, (int)result);
            assert_int_equal(error.code, result == FRAMER_BAD ? ERROR_LIMIT : ERROR_NONE);
        }
    }
}

static void test_garbage(void **state)
{
    static const char *const cases[] = {
        "x", "[]", "\"a\"", "1", "}", "\xff", "{}x", "{}\r\n]", "SSH-2.0-OpenSSH_9.2\r\n", "\x01",
    };
    struct framer_message message;
    enum framer_result result;
    struct framer framer;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct error error = ERROR_INIT;

        framer_init(&framer, &limits);
        feed(&framer, cases[i], strlen(cases[i]));
        do {
            result = framer_next(&framer, &message, &error);
        } while (result == FRAMER_MESSAGE);
        assert_int_equal(result, FRAMER_BAD);
        assert_int_equal(error.code, ERROR_PROTOCOL);
        framer_free(&framer);
    }
    framer_init(&framer, &limits);
    feed(&framer, "", 1); /* NUL */
    assert_int_equal(framer_next(&framer, &message, NULL), FRAMER_BAD);
    framer_free(&framer);
}

/* ---- seeking ---- */

static void expect_message(struct framer *framer, const char *expected)
{
    struct error error = ERROR_INIT;
    struct framer_message message;

    assert_int_equal(framer_next(framer, &message, &error), FRAMER_MESSAGE);
    assert_int_equal(message.size_bytes, strlen(expected));
    assert_memory_equal(message.bytes, expected, message.size_bytes);
}

static void expect_more(struct framer *framer)
{
    struct framer_message message;

    assert_int_equal(framer_next(framer, &message, NULL), FRAMER_MORE);
}

/* Whatever state the framer was in, what stands before the 0xFF is gone. */
static void test_seek_in_every_state(void **state)
{
    static const char *const befores[] = {
        "", "{}", "{}\n", "{\"a\":", "{\"a\":\"text", "{\"a\":\"text\\", "{\"a\":[[", "garbage",
        "]", "{\"a\":1234567890123456789012", "{\"error\": {\"class\": \"x\"}}\n", "  ",
    };
    struct framer_message message;
    struct framer framer;
    size_t i, held;

    (void)state;
    for (i = 0; i < COUNT_OF(befores); i++) {
        for (held = 0; held < 3; held++) {
            framer_init(&framer, &limits);
            feed(&framer, befores[i], strlen(befores[i]));
            if (held == 1) /* looked at before; a message may have been returned, or nonsense met */
                (void)framer_next(&framer, &message, NULL);
            if (held == 2) { /* the sentinel is there when it is sought */
                feed(&framer, "\xff{\"return\":7}\n", 14);
                framer_seek(&framer);
            } else {
                framer_seek(&framer);
                expect_more(&framer);
                feed(&framer, "more {\" nonsense", 16);
                expect_more(&framer);
                feed(&framer, "\xff{\"return\":7}\n", 14);
            }
            expect_message(&framer, "{\"return\":7}");
            expect_more(&framer);
            feed(&framer, "{}", 2);
            expect_message(&framer, "{}");
            framer_free(&framer);
        }
    }
}

static void test_seek_stops_at_the_first(void **state)
{
    struct framer framer;

    (void)state;
    framer_init(&framer, &limits);
    feed(&framer, "x\xff{\"a\":1}\xff{\"a\":2}", 17);
    framer_seek(&framer);
    expect_message(&framer, "{\"a\":1}");
    framer_seek(&framer);
    expect_message(&framer, "{\"a\":2}");
    framer_free(&framer);
}

/* While seeking, nothing is kept, and no limit applies to what is thrown away. */
static void test_seek_keeps_nothing(void **state)
{
    static char rubbish[4096];
    struct framer framer;
    size_t i;

    (void)state;
    memset(rubbish, '{', sizeof(rubbish));
    framer_init(&framer, &limits);
    framer_seek(&framer);
    for (i = 0; i < 1000; i++) {
        feed(&framer, rubbish, sizeof(rubbish));
        expect_more(&framer);
        assert_int_equal(buffer_size(&framer.buffer), 0);
        assert_true(framer.buffer.capacity < 4 * sizeof(rubbish));
    }
    framer_free(&framer);
}

/* ---- numbers ---- */

static void test_wide_numbers_are_noticed(void **state)
{
    static const struct {
        const char *stream;
        bool wide;
    } cases[] = {
        {"{\"a\":1}", false},
        {"{\"a\":999999999999999999}", false},  /* 18 digits */
        {"{\"a\":9223372036854775807}", true},
        {"{\"a\":9223372036854775808}", true},
        {"{\"a\":18446744073709551615}", true},
        {"{\"a\":-9223372036854775809}", true},
        {"{\"a\":[1,2,{\"b\":9223372036854775808}],\"c\":1}", true},
        {"{\"a\":1e400}", true},
        {"{\"a\":1E5}", true},
        {"{\"a\":1.5e400}", true},
        {"{\"a\":true,\"b\":false}", false}, /* letters e that follow no digit */
        {"{\"a\":\"18446744073709551615\"}", false},
        {"{\"a\":\"1e400\"}", false},
        {"{\"18446744073709551615\":1}", false},
        {"{\"a\":123456789012,\"b\":123456789012}", false},
    };
    struct framer_message message;
    struct framer framer;
    size_t i;
    const char *byte;

    (void)state;
    framer_init(&framer, &limits);
    for (i = 0; i < COUNT_OF(cases); i++) {
        feed(&framer, cases[i].stream, strlen(cases[i].stream));
        assert_int_equal(framer_next(&framer, &message, NULL), FRAMER_MESSAGE);
        if (message.wide_number != cases[i].wide)
            fail_msg("%s", cases[i].stream);
        for (byte = cases[i].stream; *byte != '\0'; byte++) {
            expect_more(&framer);
            feed(&framer, byte, 1);
        }
        assert_int_equal(framer_next(&framer, &message, NULL), FRAMER_MESSAGE);
        assert_int_equal(message.wide_number, cases[i].wide);
    }
    framer_free(&framer);
}

/* ---- work ---- */

/* Each byte is looked at once: after each step all that is held has been looked at, and the next
 * step begins there. Were it otherwise, this would take minutes instead of a moment. */
static void test_a_byte_is_scanned_once(void **state)
{
    static const struct framer_limits wide = {.message_bytes = 2 << 20, .depth = 4};
    const size_t size = (size_t)1 << 20;
    struct framer_message message;
    struct framer framer;
    size_t i;

    (void)state;
    framer_init(&framer, &wide);
    feed(&framer, "{\"a\":[\"", 7);
    expect_more(&framer);
    for (i = 7; i < size; i++) {
        assert_int_equal(framer.scanned, i);
        feed(&framer, i % 64 == 0 ? "\"" : i % 64 == 1 ? "," : i % 64 == 2 ? "\"" : "x", 1);
        expect_more(&framer);
    }
    feed(&framer, framer.in_string ? "\"]}" : "]}", framer.in_string ? 3 : 2);
    assert_int_equal(framer_next(&framer, &message, NULL), FRAMER_MESSAGE);
    assert_true(message.size_bytes > size);
    framer_free(&framer);
}

/* Many small messages in one piece: taking one must not move all the others. */
static void test_many_messages_in_one_piece(void **state)
{
    enum { COUNT = 200000 };
    struct framer_message message;
    struct framer framer;
    char *stream = malloc(COUNT * 3);
    const char *allocation;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT; i++)
        memcpy(stream + 3 * i, "{}\n", 3);
    framer_init(&framer, &limits);
    feed(&framer, stream, COUNT * 3);
    allocation = framer.buffer.bytes;
    for (i = 0; i < COUNT; i++) {
        assert_int_equal(framer_next(&framer, &message, NULL), FRAMER_MESSAGE);
        assert_ptr_equal(message.bytes, allocation + 3 * i);
    }
    expect_more(&framer);
    assert_int_equal(framer.buffer.capacity, 0); /* and the room was given back */
    framer_free(&framer);
    free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_split_everywhere),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_one_stream),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_seek_in_every_state),
        cmocka_unit_test(test_seek_stops_at_the_first),
        cmocka_unit_test(test_seek_keeps_nothing),
        cmocka_unit_test(test_wide_numbers_are_noticed),
        cmocka_unit_test(test_a_byte_is_scanned_once),
        cmocka_unit_test(test_many_messages_in_one_piece),
    };

    return cmocka_run_group_tests_name("framer", tests, NULL, NULL);
}
