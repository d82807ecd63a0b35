/* SPDX-License-Identifier: MIT */
/* Which changes of a manifest are more than a change of the VM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "daemon/manifest_rights.h"
#include "qmp/codec.h"

#define ANNOTATIONS(text) "{\"metadata\": {\"annotations\": {" text "}}}"

static bool changes(const char *before, const char *after)
{
    AUTO_JSON json_t *old = before != NULL ? codec_parse(before, NULL) : NULL;
    AUTO_JSON json_t *new = codec_parse(after, NULL);

    assert_non_null(new);
    return manifest_rights_change(old, new);
}

static void test_changes(void **state)
{
    const char *one = ANNOTATIONS("\"vmplug/qmp-socket\": \"/a\", \"note\": \"x\"");

    (void)state;
    assert_false(changes(one, one));
    assert_true(changes(one, ANNOTATIONS("\"vmplug/qmp-socket\": \"/b\", \"note\": \"x\"")));
    assert_true(changes(one, ANNOTATIONS("\"note\": \"x\"")));
    assert_true(changes(one, ANNOTATIONS("\"vmplug/qmp-socket\": null")));
    assert_true(changes(one, "{\"metadata\": {}}"));
    assert_true(changes("{}", one));
    assert_true(changes(NULL, one));
    assert_true(changes(one, ANNOTATIONS("\"vmplug/qmp-socket\": \"/a\","
                                         "\"vmplug/api-socket\": \"/c\"")));
    assert_false(changes(one, ANNOTATIONS("\"vmplug/qmp-socket\": \"/a\"")));
    assert_false(changes(one, ANNOTATIONS("\"vmplug/qmp-socket\": \"/a\","
                                          "\"vmplug/last-applied\": \"{}\"")));
    assert_false(changes(NULL, "{}"));
    assert_false(changes("{}", "{\"metadata\": {\"annotations\": 7}}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_changes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
