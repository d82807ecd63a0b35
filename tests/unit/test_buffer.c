/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"

static void assert_holds(const struct buffer *buffer, const char *bytes)
{
    assert_int_equal(buffer_size(buffer), strlen(bytes));
    assert_memory_equal(buffer_bytes(buffer), bytes, strlen(bytes));
}

static void test_first_in_first_out(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    assert_int_equal(buffer_size(&buffer), 0);
    assert_int_equal(buffer_append(&buffer, "hello ", 6), 0);
    assert_int_equal(buffer_append(&buffer, "world", 5), 0);
    assert_holds(&buffer, "hello world");
    buffer_consume(&buffer, 6);
    assert_holds(&buffer, "world");
    assert_int_equal(buffer_append(&buffer, "!", 1), 0);
    assert_holds(&buffer, "world!");
    buffer_consume(&buffer, 6);
    assert_int_equal(buffer_size(&buffer), 0);
    buffer_free(&buffer);
    buffer_free(&buffer);
}

static void test_nothing_is_something_to_append(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    assert_null(buffer_bytes(&buffer));
    assert_int_equal(buffer_append(&buffer, "", 0), 0);
    assert_int_equal(buffer_size(&buffer), 0);
    assert_int_equal(buffer_append(&buffer, "x", 1), 0);
    assert_int_equal(buffer_append(&buffer, "", 0), 0);
    assert_holds(&buffer, "x");
    buffer_free(&buffer);
}

static void test_too_much(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    assert_null(buffer_reserve(&buffer, SIZE_MAX));
    assert_int_equal(buffer_append(&buffer, "abc", 3), 0);
    assert_null(buffer_reserve(&buffer, SIZE_MAX - 1));
    assert_null(buffer_reserve(&buffer, SIZE_MAX / 2));
    assert_holds(&buffer, "abc");
    buffer_free(&buffer);
}

static void test_reserving_moves_what_is_held(void **state)
{
    struct buffer buffer = {0};
    char *room;

    (void)state;
    assert_int_equal(buffer_append(&buffer, "0123456789", 10), 0);
    buffer_consume(&buffer, 8);
    room = buffer_reserve(&buffer, 4000);
    assert_non_null(room);
    assert_holds(&buffer, "89");
    memset(room, 'x', 4000);
    buffer_commit(&buffer, 4000);
    assert_int_equal(buffer_size(&buffer), 4002);
    assert_memory_equal(buffer.bytes + buffer.start, "89xx", 4);
    buffer_free(&buffer);
}

/* In and out at random, compared with a plain array; a shadow of what the two loops of a
 * connection do. */
static void test_random_walk(void **state)
{
    static unsigned char shadow[1 << 20];
    struct buffer buffer = {0};
    size_t in = 0, out = 0, size, i;
    unsigned seed = 1;

    (void)state;
    while (in < sizeof(shadow) - 5000) {
        seed = seed * 1103515245u + 12345u;
        size = (seed >> 16) % 5000;
        if (seed & 0x8000) {
            for (i = 0; i < size; i++)
                shadow[in + i] = (unsigned char)(in + i) ^ (unsigned char)(seed >> 8);
            assert_int_equal(buffer_append(&buffer, shadow + in, size), 0);
            in += size;
        } else {
            size = size < in - out ? size : in - out;
            buffer_consume(&buffer, size);
            out += size;
        }
        assert_int_equal(buffer_size(&buffer), in - out);
        if (in > out)
            assert_memory_equal(buffer.bytes + buffer.start, shadow + out, in - out);
    }
    assert_true(buffer.capacity < sizeof(shadow) / 2); /* room in front is used again */
    buffer_free(&buffer);
}

static void test_an_emptied_buffer_gives_back(void **state)
{
    struct buffer buffer = {0};
    char *room;

    (void)state;
    assert_int_equal(buffer_append(&buffer, "abc", 3), 0);
    buffer_consume(&buffer, 3);
    assert_int_equal(buffer.start, 0);
    room = buffer_reserve(&buffer, (size_t)1 << 20);
    assert_non_null(room);
    room[0] = 'x';
    buffer_commit(&buffer, 1);
    buffer_consume(&buffer, 1);
    assert_int_equal(buffer.capacity, 0);
    assert_null(buffer.bytes);
    assert_int_equal(buffer_append(&buffer, "again", 5), 0);
    assert_holds(&buffer, "again");
    buffer_free(&buffer);
}

/* As much goes out as comes in, and a good deal is always held: what is held moves now and then,
 * not each time. */
static void test_sliding(void **state)
{
    enum { HELD = 1000, ROUNDS = 200000 };
    static const char filler[HELD];
    struct buffer buffer = {0};
    unsigned moves = 0;
    size_t before, i;

    (void)state;
    assert_int_equal(buffer_append(&buffer, filler, HELD), 0);
    for (i = 0; i < ROUNDS; i++) {
        before = buffer.start;
        assert_int_equal(buffer_append(&buffer, "x", 1), 0);
        moves += buffer.start < before ? 1 : 0;
        buffer_consume(&buffer, 1);
    }
    assert_int_equal(buffer_size(&buffer), HELD);
    assert_true(moves <= ROUNDS / HELD + 2);
    assert_true(buffer.capacity <= 8 * HELD);
    buffer_free(&buffer);
}

/* Filling piece by piece must not copy everything each time. */
static void test_growth_is_geometric(void **state)
{
    struct buffer buffer = {0};
    unsigned moves = 0;
    const char *before;
    size_t i;

    (void)state;
    for (i = 0; i < 1000000; i++) {
        before = buffer.bytes;
        assert_int_equal(buffer_append(&buffer, "x", 1), 0);
        moves += buffer.bytes != before ? 1 : 0;
    }
    assert_true(moves <= 24);
    buffer_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_in_first_out),
        cmocka_unit_test(test_nothing_is_something_to_append),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_reserving_moves_what_is_held),
        cmocka_unit_test(test_random_walk),
        cmocka_unit_test(test_an_emptied_buffer_gives_back),
        cmocka_unit_test(test_sliding),
        cmocka_unit_test(test_growth_is_geometric),
    };

    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
