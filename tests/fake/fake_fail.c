/* SPDX-License-Identifier: MIT */
/* How tests fail. A program that is none has a fake_fail() of its own, and no cmocka. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fake/fake.h"

void fake_fail(const char *format, ...)
{
    char text[4096];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (!fake_in_child)
        fail_msg("%s", text);
    (void)fprintf(stderr, "fake: %s\n", text);
    _exit(1);
}
