/* SPDX-License-Identifier: MIT */
/* NBD URIs, and all that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/fake/fake.h"
#include "vmm/image.h"
#include "vmm/nbd.h"

static void test_well_formed(void **state)
{
    static const struct {
        const char *uri, *node;
    } cases[] = {
        {"nbd://server/disk", "'server':{'type':'inet','host':'server','port':'10809'},"
                              "'export':'disk'"},
        {"nbd://10.0.0.1:10810/a/b", "'server':{'type':'inet','host':'10.0.0.1','port':'10810'},"
                                     "'export':'a/b'"},
        {"nbd://[::1]:65535/x", "'server':{'type':'inet','host':'::1','port':'65535'},"
                                "'export':'x'"},
        {"nbd://[fe80::1]", "'server':{'type':'inet','host':'fe80::1','port':'10809'},"
                            "'export':''"},
        {"nbd://server/", "'server':{'type':'inet','host':'server','port':'10809'},'export':''"},
        {"nbd://server/a%20b%2Fc%3f", "'server':{'type':'inet','host':'server','port':'10809'},"
                                      "'export':'a b/c?'"},
        {"nbd+unix:///disk?socket=/run/nbd.sock", "'server':{'type':'unix','path':'/run/nbd.sock'},"
                                                  "'export':'disk'"},
        {"nbd+unix://?socket=/s", "'server':{'type':'unix','path':'/s'},'export':''"},
        {"nbd+unix:///?socket=/a%26b", "'server':{'type':'unix','path':'/a&b'},'export':''"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON json_t *wanted =
            fake_jsonf("{'driver':'nbd','open-timeout':3,%s}", cases[i].node);
        AUTO_JSON json_t *node = NULL;
        struct error error = ERROR_INIT;
        struct nbd nbd;

        assert_true(nbd_is_uri(cases[i].uri));
        if (nbd_parse(cases[i].uri, &nbd, &error) < 0)
            fail_msg("%s: %s", cases[i].uri, error.why);
        node = nbd_node(&nbd);
        if (!json_equal(node, wanted))
            fail_msg("%s: %s", cases[i].uri, json_dumps(node, 0));
    }
}

static void test_malformed(void **state)
{
    static const char *const uris[] = {
        "nbd://",
        "nbd:///disk",
        "nbd://:10809/disk",
        "nbd://server:/disk",
        "nbd://server:0/disk",
        "nbd://server:65536/disk",
        "nbd://server:99999999999999999999/disk",
        "nbd://server:-1/disk",
        "nbd://server:1x/disk",
        "nbd://user@server/disk",
        "nbd://ser ver/disk",
        "nbd://[::1/disk",
        "nbd://[]/disk",
        "nbd://::1/disk",
        "nbd://[::1]x/disk",
        "nbd://server/disk?socket=/s",
        "nbd://server/disk#part",
        "nbd://server?x",
        "nbd://server/%",
        "nbd://server/%4",
        "nbd://server/%zz",
        "nbd://server/%00",
        "nbd://server/%0a",
        "nbd://server/%ff",
        "nbd+unix://",
        "nbd+unix:///disk",
        "nbd+unix:///disk?socket=",
        "nbd+unix:///disk?socket=relative",
        "nbd+unix:///disk?socket=/s&x=y",
        "nbd+unix:///disk?socket=/s#x",
        "nbd+unix:///disk?x=/s",
        "nbd+unix:///disk?socket=/%00",
        "nbd+unix://server/disk?socket=/s",
        "nbds://server/disk",
        "nbd+vsock://1/disk",
    };
    struct error error = ERROR_INIT;
    struct nbd nbd = {.port = "same"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(uris); i++) {
        assert_true(nbd_is_uri(uris[i]));
        if (nbd_parse(uris[i], &nbd, &error) == 0)
            fail_msg("%s is taken: host '%s', port '%s', socket '%s', export '%s'", uris[i],
                     nbd.host, nbd.port, nbd.socket, nbd.export_name);
        assert_int_equal(error.code, ERROR_INVALID);
        assert_true(error.fix[0] != '\0');
        assert_string_equal(nbd.port, "same");
    }
}

/* One byte more than there is room for, and the last that there is. */
static void test_long(void **state)
{
    char uri[4096] = "nbd+unix:///x?socket=/";
    struct nbd nbd;
    size_t at = strlen(uri);

    (void)state;
    memset(uri + at, 's', 106);
    assert_int_equal(nbd_parse(uri, &nbd, NULL), 0);
    uri[at + 106] = 's';
    assert_int_equal(nbd_parse(uri, &nbd, NULL), -1);
    memset(uri, 0, sizeof(uri));
    strcpy(uri, "nbd://h/");
    memset(uri + 8, 'e', NBD_EXPORT_MAX - 1);
    assert_int_equal(nbd_parse(uri, &nbd, NULL), 0);
    uri[8 + NBD_EXPORT_MAX - 1] = 'e';
    assert_int_equal(nbd_parse(uri, &nbd, NULL), -1);
    memset(uri, 0, sizeof(uri));
    strcpy(uri, "nbd://");
    memset(uri + 6, 'h', 255);
    assert_int_equal(nbd_parse(uri, &nbd, NULL), 0);
    uri[6 + 255] = 'h';
    assert_int_equal(nbd_parse(uri, &nbd, NULL), -1);
}

static void test_paths(void **state)
{
    static const char *const paths[] = {"", "nbd", "nbd:", "nbd:/x", "/nbd://x", "./nbd://x",
                                        "file://x", "disk.raw", "nbd disk://x"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(paths); i++)
        assert_false(nbd_is_uri(paths[i]));
}

static void test_image(void **state)
{
    AUTO_JSON json_t *wanted = fake_json(
        "{'driver':'raw','node-name':'n','read-only':true,'file':{'driver':'nbd','export':'x',"
        "'open-timeout':3,'server':{'type':'inet','host':'h','port':'10809'}}}");
    AUTO_JSON json_t *node = NULL;
    struct image image;

    (void)state;
    assert_int_equal(image_inspect("nbd://h/x", NULL, true, &image, NULL), 0);
    node = image_node(&image, "n", true);
    assert_true(json_equal(node, wanted));
    assert_int_equal(image_inspect("nbd://h/x.qcow2", "qcow2", false, &image, NULL), 0);
    assert_string_equal(image.format, "qcow2");
    assert_int_equal(image_inspect("nbd://h:x/", NULL, false, &image, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_well_formed),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_image),
    };

    return cmocka_run_group_tests_name("NBD URIs", tests, NULL, NULL);
}
