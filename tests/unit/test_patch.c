/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manifest/limits.h"
#include "manifest/patch.h"
#include "qmp/codec.h"

/* JSON with ' for ", which reads more easily here. */
static json_t *parse(const char *json)
{
    AUTO_FREE char *text = strdup(json);
    struct error error = ERROR_INIT;
    json_t *value;
    char *at;

    assert_non_null(text);
    for (at = text; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    value = codec_parse(text, &error);
    if (value == NULL)
        fail_msg("%s: %s", json, error.why);
    return value;
}

/* What can be changed is in one of them alone. */
static void assert_nothing_shared(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_object(b) || json_is_array(b))
        assert_ptr_not_equal(a, b);
    json_array_foreach(b, i, value)
        assert_nothing_shared(a, value);
    json_object_foreach((json_t *)b, key, value)
        assert_nothing_shared(a, value);
}

static void assert_apart(const json_t *result, const json_t *input)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_object(result) || json_is_array(result))
        assert_nothing_shared(result, input);
    json_array_foreach(result, i, value)
        assert_apart(value, input);
    json_object_foreach((json_t *)result, key, value)
        assert_apart(value, input);
}

static void expect(const json_t *result, const char *expected, const char *what)
{
    AUTO_JSON json_t *value = parse(expected);
    AUTO_FREE char *text = codec_dump(result, 0);

    if (json_equal(result, value) != 1)
        fail_msg("%s: it is %s, not %s", what, text, expected);
}

/* ---- JSON patches ---- */

struct patch_case {
    const char *target, *operations;
    const char *result; /* or what the error must have in it */
};

static const struct patch_case applied[] = {
    /* RFC 6902, appendix A, in its order */
    {"{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux'}]",
     "{'foo':'bar','baz':'qux'}"},
    {"{'foo':['bar','baz']}", "[{'op':'add','path':'/foo/1','value':'qux'}]",
     "{'foo':['bar','qux','baz']}"},
    {"{'baz':'qux','foo':'bar'}", "[{'op':'remove','path':'/baz'}]", "{'foo':'bar'}"},
    {"{'foo':['bar','qux','baz']}", "[{'op':'remove','path':'/foo/1'}]",
     "{'foo':['bar','baz']}"},
    {"{'baz':'qux','foo':'bar'}", "[{'op':'replace','path':'/baz','value':'boo'}]",
     "{'baz':'boo','foo':'bar'}"},
    {"{'foo':{'bar':'baz','waldo':'fred'},'qux':{'corge':'grault'}}",
     "[{'op':'move','from':'/foo/waldo','path':'/qux/thud'}]",
     "{'foo':{'bar':'baz'},'qux':{'corge':'grault','thud':'fred'}}"},
    {"{'foo':['all','grass','cows','eat']}",
     "[{'op':'move','from':'/foo/1','path':'/foo/3'}]",
     "{'foo':['all','cows','eat','grass']}"},
    {"{'baz':'qux','foo':['a',2,'c']}",
     "[{'op':'test','path':'/baz','value':'qux'},{'op':'test','path':'/foo/1','value':2}]",
     "{'baz':'qux','foo':['a',2,'c']}"},
    {"{'foo':'bar'}", "[{'op':'add','path':'/child','value':{'grandchild':{}}}]",
     "{'foo':'bar','child':{'grandchild':{}}}"},
    {"{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux','xyz':123}]",
     "{'foo':'bar','baz':'qux'}"},
    {"{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':10}]", "{'/':9,'~1':10}"},
    {"{'foo':['bar']}", "[{'op':'add','path':'/foo/-','value':['abc','def']}]",
     "{'foo':['bar',['abc','def']]}"},
    /* and what else there is */
    {"{}", "[]", "{}"},
    {"{'a':1}", "[{'op':'add','path':'/a','value':2}]", "{'a':2}"},
    {"{'a':1}", "[{'op':'add','path':'/b','value':null}]", "{'a':1,'b':null}"},
    {"{'a':null}", "[{'op':'replace','path':'/a','value':1}]", "{'a':1}"},
    {"{'a':null}", "[{'op':'test','path':'/a','value':null}]", "{'a':null}"},
    {"{'a':1}", "[{'op':'replace','path':'','value':[1]}]", "[1]"},
    {"{'a':1}", "[{'op':'add','path':'','value':'x'}]", "'x'"},
    {"{'a':1}", "[{'op':'test','path':'','value':{'a':1}}]", "{'a':1}"},
    {"{'a':{'b':1}}", "[{'op':'move','from':'/a/b','path':''}]", "1"},
    {"{'a':{'b':1}}", "[{'op':'copy','from':'','path':'/a/c'}]",
     "{'a':{'b':1,'c':{'a':{'b':1}}}}"},
    {"{'':1}", "[{'op':'replace','path':'/','value':2}]", "{'':2}"},
    {"{'a/b':{'~':1}}", "[{'op':'replace','path':'/a~1b/~0','value':2}]", "{'a/b':{'~':2}}"},
    {"[1,2]", "[{'op':'add','path':'/2','value':3}]", "[1,2,3]"},
    {"[1,2]", "[{'op':'add','path':'/0','value':0}]", "[0,1,2]"},
    {"[1,2]", "[{'op':'replace','path':'/1','value':3}]", "[1,3]"},
    {"[]", "[{'op':'add','path':'/-','value':1}]", "[1]"},
    {"{'0':1}", "[{'op':'replace','path':'/0','value':2}]", "{'0':2}"},
    {"{'a':1}", "[{'op':'move','from':'/a','path':'/a'}]", "{'a':1}"},
    {"{'a':1,'ab':{}}", "[{'op':'move','from':'/a','path':'/ab/c'}]", "{'ab':{'c':1}}"},
    {"{'a':[1,2]}", "[{'op':'copy','from':'/a','path':'/b'},"
                    "{'op':'remove','path':'/a/0'}]", "{'a':[2],'b':[1,2]}"},
    {"{'a':{'b':1,'c':2}}", "[{'op':'test','path':'/a','value':{'c':2,'b':1}}]",
     "{'a':{'b':1,'c':2}}"},
};

static void test_json(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(applied); i++) {
        AUTO_JSON json_t *target = parse(applied[i].target), *before = json_deep_copy(target);
        AUTO_JSON json_t *operations = parse(applied[i].operations), *result = NULL;
        struct error error = ERROR_INIT;

        result = patch_json(target, operations, &error);
        if (result == NULL)
            fail_msg("%s: %s", applied[i].operations, error.why);
        expect(result, applied[i].result, applied[i].operations);
        assert_true(json_equal(target, before));
        assert_apart(result, target);
        assert_apart(result, operations);
    }
}

static const struct patch_case refused[] = {
    /* RFC 6902, appendix A: 9, 12, 15 */
    {"{'baz':'qux'}", "[{'op':'test','path':'/baz','value':'bar'}]",
     "patch[0]: test /baz: the value is another one: \"qux\""},
    {"{'foo':'bar'}", "[{'op':'add','path':'/baz/bat','value':'qux'}]",
     "patch[0]: add /baz/bat: there is no object or list that could have a 'bat'"},
    {"{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':'10'}]",
     "patch[0]: test /~01: the value is another one: 10"},
    {"{'a':1}", "[{'op':'add','path':'/b','value':2},{'op':'remove','path':'/c'}]",
     "patch[1]: remove /c: there is no 'c'"},
    {"{'a':1}", "{'op':'add','path':'/b','value':2}", "a JSON patch is a list"},
    {"{'a':1}", "[5]", "patch[0]: ? ?: an operation is an object"},
    {"{'a':1}", "[{'path':'/a'}]", "patch[0]: ? /a: an operation is an object"},
    {"{'a':1}", "[{'op':'add','value':1}]", "patch[0]: add ?: an operation is an object"},
    {"{'a':1}", "[{'op':5,'path':'/a'}]", "patch[0]: ? /a: an operation is an object"},
    {"{'a':1}", "[{'op':'ADD','path':'/a','value':1}]", "no such operation"},
    {"{'a':1}", "[{'op':'add','path':'/a'}]", "has no \"value\""},
    {"{'a':1}", "[{'op':'replace','path':'/a'}]", "has no \"value\""},
    {"{'a':1}", "[{'op':'test','path':'/a'}]", "has no \"value\""},
    {"{'a':1}", "[{'op':'copy','path':'/a'}]", "has no \"from\""},
    {"{'a':1}", "[{'op':'move','path':'/a','from':1}]", "its \"from\" is no string"},
    {"{'a':1}", "[{'op':'copy','path':'/b','from':'/c'}]", "there is no 'c'"},
    {"{'a':1}", "[{'op':'move','path':'/b','from':'/c'}]", "there is no 'c'"},
    {"{'a':1}", "[{'op':'replace','path':'/b','value':1}]", "there is no 'b'"},
    {"{'a':1}", "[{'op':'test','path':'/b','value':null}]", "there is no 'b'"},
    {"{'a':1}", "[{'op':'remove','path':'a'}]", "'a' is no path"},
    {"{'a':1}", "[{'op':'remove','path':'/a~2'}]", "has a ~ that stands for nothing"},
    {"{'a':1}", "[{'op':'remove','path':'/a~'}]", "has a ~ that stands for nothing"},
    {"{'a':1}", "[{'op':'remove','path':''}]", "the patch leaves nothing"},
    {"{'a':1}", "[{'op':'remove','path':'/a/b'}]", "no object or list that could have a 'b'"},
    {"[1,2]", "[{'op':'remove','path':'/2'}]", "the list has no item '2', but 2 items"},
    {"[1,2]", "[{'op':'remove','path':'/-'}]", "the list has no item '-', but 2 items"},
    {"[1,2]", "[{'op':'test','path':'/-','value':2}]", "the list has no item '-'"},
    {"[1,2]", "[{'op':'replace','path':'/01','value':1}]", "the list has no item '01'"},
    {"[1,2]", "[{'op':'replace','path':'/+1','value':1}]", "the list has no item '+1'"},
    {"[1,2]", "[{'op':'replace','path':'/-1','value':1}]", "the list has no item '-1'"},
    {"[1,2]", "[{'op':'replace','path':'/ 1','value':1}]", "the list has no item ' 1'"},
    {"[1,2]", "[{'op':'replace','path':'/1e0','value':1}]", "the list has no item '1e0'"},
    {"[1,2]", "[{'op':'add','path':'/3','value':1}]", "the list has no place '3'"},
    {"[1,2]", "[{'op':'add','path':'/x','value':1}]", "the list has no place 'x'"},
    {"[1,2]", "[{'op':'add','path':'/99999999999999999999','value':1}]", "no place '9999"},
    {"{'a':{}}", "[{'op':'move','from':'/a','path':'/a/b'}]", "can't be moved into itself"},
    {"{'a':{}}", "[{'op':'move','from':'','path':'/b'}]", "can't be moved into itself"},
};

static void test_json_refuses(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(refused); i++) {
        AUTO_JSON json_t *target = parse(refused[i].target), *before = json_deep_copy(target);
        AUTO_JSON json_t *operations = parse(refused[i].operations);
        struct error error = ERROR_INIT;

        if (patch_json(target, operations, &error) != NULL)
            fail_msg("%s is accepted", refused[i].operations);
        assert_int_equal(error.code, ERROR_INVALID);
        if (strstr(error.why, refused[i].result) == NULL)
            fail_msg("%s: %s", refused[i].operations, error.why);
        assert_true(json_equal(target, before));
    }
}

/* Copies of copies, and what is moved ever deeper, come to an end. */
static void test_json_bombs(void **state)
{
    AUTO_JSON json_t *target = parse("{'a':[1,2,3]}"), *wide = json_array(), *deep = json_array();
    struct error error = ERROR_INIT;
    char path[2 * LIMITS_DEPTH + 1] = "";
    unsigned i;

    (void)state;
    for (i = 0; i < 40; i++)
        assert_int_equal(json_array_append_new(wide, json_pack("{s:s, s:s, s:s}", "op", "copy",
                                                               "from", "", "path",
                                                               i % 2 == 0 ? "/b" : "/c")), 0);
    for (i = 0; i < LIMITS_DEPTH; i++) {
        (void)strcat(path, "/d");
        assert_int_equal(json_array_append_new(deep, json_pack("{s:s, s:s, s:{}}", "op", "add",
                                                               "path", path, "value")), 0);
    }
    assert_null(patch_json(target, wide, &error));
    assert_non_null(strstr(error.why, "this is more than 50000 values"));
    assert_null(patch_json(target, deep, &error));
    assert_non_null(strstr(error.why, "this is nested more than 64 deep"));
}

/* ---- merge patches ---- */

/* RFC 7386, appendix A, in its order. */
static void test_merge(void **state)
{
    static const struct patch_case cases[] = {
        {"{'a':'b'}", "{'a':'c'}", "{'a':'c'}"},
        {"{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}"},
        {"{'a':'b'}", "{'a':null}", "{}"},
        {"{'a':'b','b':'c'}", "{'a':null}", "{'b':'c'}"},
        {"{'a':['b']}", "{'a':'c'}", "{'a':'c'}"},
        {"{'a':'c'}", "{'a':['b']}", "{'a':['b']}"},
        {"{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}"},
        {"{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}"},
        {"['a','b']", "['c','d']", "['c','d']"},
        {"{'a':'b'}", "['c']", "['c']"},
        {"{'a':'foo'}", "null", "null"},
        {"{'a':'foo'}", "'bar'", "'bar'"},
        {"{'e':null}", "{'a':1}", "{'e':null,'a':1}"},
        {"[1,2]", "{'a':'b','c':null}", "{'a':'b'}"},
        {"{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}"},
        /* and more */
        {"{'a':1}", "{}", "{'a':1}"},
        {"{'a':{'b':1}}", "{'a':{}}", "{'a':{'b':1}}"},
        {"{'a':1}", "{'a':{'b':[null]}}", "{'a':{'b':[null]}}"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON json_t *target = parse(cases[i].target), *before = json_deep_copy(target);
        AUTO_JSON json_t *patch = parse(cases[i].operations), *result = NULL;

        result = patch_merge(target, patch, NULL);
        expect(result, cases[i].result, cases[i].operations);
        assert_true(json_equal(target, before));
        assert_apart(result, target);
        assert_apart(result, patch);
    }
}

static void test_apply(void **state)
{
    static const struct {
        const char *last, *next, *live, *result;
    } cases[] = {
        {NULL, "{'a':1}", "{'b':2}", "{'b':2,'a':1}"},
        {"{'a':1}", "{'a':2}", "{'a':1,'b':2}", "{'a':2,'b':2}"},
        {"{'a':1,'c':3}", "{'a':1}", "{'a':1,'b':2,'c':4}", "{'a':1,'b':2}"},
        {"{'a':1,'c':3}", "{'a':1}", "{'a':1}", "{'a':1}"},
        {"{'a':{'b':1,'c':2}}", "{'a':{'b':1}}", "{'a':{'b':5,'c':2,'d':3}}",
         "{'a':{'b':1,'d':3}}"},
        {"{'a':{'b':1}}", "{}", "{'a':{'b':1,'c':2},'d':1}", "{'d':1}"},
        {"{'a':[1,2]}", "{'a':[1]}", "{'a':[1,2,3]}", "{'a':[1]}"},
        {"{'a':{'b':1}}", "{'a':5}", "{'a':{'b':1,'c':2}}", "{'a':5}"},
        {"{'a':5}", "{'a':{'b':1}}", "{'a':5}", "{'a':{'b':1}}"},
        {"{'a':{'b':1}}", "{'a':{'c':1}}", "{'a':5}", "{'a':{'c':1}}"},
        {"{'a':1}", "{'a':null}", "{'a':1,'b':2}", "{'b':2}"},
        {"{'a':1}", "{'a':1}", "{}", "{'a':1}"}, /* what was taken out by hand comes back */
        {"{}", "{'a':1}", "{'status':{'x':1}}", "{'status':{'x':1},'a':1}"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON json_t *last = cases[i].last != NULL ? parse(cases[i].last) : NULL;
        AUTO_JSON json_t *next = parse(cases[i].next), *live = parse(cases[i].live);
        AUTO_JSON json_t *before = json_deep_copy(live), *result = NULL, *again = NULL;

        result = patch_apply(last, next, live, NULL);
        expect(result, cases[i].result, cases[i].next);
        assert_true(json_equal(live, before));
        assert_apart(result, live);
        assert_apart(result, next);
        again = patch_apply(next, next, result, NULL);
        assert_true(json_equal(again, result)); /* once applied, there is nothing to do */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_refuses),
        cmocka_unit_test(test_json_bombs),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_apply),
    };

    return cmocka_run_group_tests_name("patch", tests, NULL, NULL);
}
