/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acpi/ledger.h"
#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/fake/fake.h"

static bool take_event(struct ledger *ledger, const char *info, double ms)
{
    AUTO_JSON json_t *data = fake_jsonf("{'info':%s}", info);

    return ledger_take_event(ledger, data, ms);
}

static void take_rows(struct ledger *ledger, const char *rows, double ms)
{
    AUTO_JSON json_t *list = fake_json(rows);

    ledger_take_rows(ledger, list, ms);
}

static void assert_entry(const struct ledger_entry *entry, enum ledger_slot_type type,
                         unsigned slot, uint32_t source, uint32_t status, double ms)
{
    assert_non_null(entry);
    assert_int_equal(entry->type, type);
    assert_int_equal(entry->slot, slot);
    assert_int_equal(entry->source, source);
    assert_int_equal(entry->status, status);
    assert_true(entry->monotonic_ms == ms);
}

static size_t room(const struct ledger *ledger)
{
    return ledger->tables[LEDGER_CPU].count + ledger->tables[LEDGER_DIMM].count;
}

static void test_events(void **state)
{
    struct ledger ledger = {0};
    uint64_t mark = ledger_mark(&ledger);

    (void)state;
    assert_null(ledger_news(&ledger, LEDGER_CPU, 2, mark));
    assert_true(take_event(&ledger,
                           "{'device':'c','slot':'2','slot-type':'CPU','source':1,'status':0}", 5));
    assert_entry(ledger_news(&ledger, LEDGER_CPU, 2, mark), LEDGER_CPU, 2, 1, 0, 5);
    assert_null(ledger_news(&ledger, LEDGER_DIMM, 2, mark)); /* another table */
    assert_null(ledger_news(&ledger, LEDGER_CPU, 3, mark));
    mark = ledger_mark(&ledger);
    assert_null(ledger_news(&ledger, LEDGER_CPU, 2, mark));
    /* The same words again are news: QEMU has no other way to say "once more". The device may be
     * gone by then. */
    assert_true(take_event(&ledger, "{'slot':'2','slot-type':'CPU','source':1,'status':0}", 9));
    assert_entry(ledger_news(&ledger, LEDGER_CPU, 2, mark), LEDGER_CPU, 2, 1, 0, 9);
    assert_int_equal(ledger.sequence, 2);
    ledger_free(&ledger);
    ledger_free(&ledger);
    assert_null(ledger_news(&ledger, LEDGER_CPU, 2, 0));
}

/* QEMU shows the last word of slots that are long empty: what is known changes nothing. */
static void test_rows(void **state)
{
    static const char rows[] = "[{'slot':'0','slot-type':'CPU','source':0,'status':0},"
                               "{'slot':'1','slot-type':'CPU','source':3,'status':0},"
                               "{'slot':'1','slot-type':'DIMM','source':1,'status':1}]";
    struct ledger ledger = {0};
    uint64_t mark = ledger_mark(&ledger);

    (void)state;
    take_rows(&ledger, rows, 5);
    assert_null(ledger_news(&ledger, LEDGER_CPU, 0, mark)); /* empty: how every slot begins */
    assert_entry(ledger_news(&ledger, LEDGER_CPU, 1, mark), LEDGER_CPU, 1, 3, 0, 5);
    assert_entry(ledger_news(&ledger, LEDGER_DIMM, 1, mark), LEDGER_DIMM, 1, 1, 1, 5);
    mark = ledger_mark(&ledger);
    take_rows(&ledger, rows, 6);
    assert_null(ledger_news(&ledger, LEDGER_CPU, 1, mark));
    assert_null(ledger_news(&ledger, LEDGER_DIMM, 1, mark));
    assert_int_equal(ledger_mark(&ledger), mark);
    take_rows(&ledger, "[{'slot':'1','slot-type':'CPU','source':1,'status':0}]", 7);
    assert_entry(ledger_news(&ledger, LEDGER_CPU, 1, mark), LEDGER_CPU, 1, 1, 0, 7);
    take_rows(&ledger, "[{'slot':'1','slot-type':'CPU','source':1,'status':128}]", 8);
    assert_entry(ledger_news(&ledger, LEDGER_CPU, 1, mark), LEDGER_CPU, 1, 1, 128, 8);
    take_rows(&ledger, "[{'slot':'1','slot-type':'CPU','source':0,'status':0}]", 9);
    assert_entry(ledger_news(&ledger, LEDGER_CPU, 1, mark), LEDGER_CPU, 1, 0, 0, 9); /* reset */
    ledger_free(&ledger);
}

/* An event that we saw, and the row that says the same later: one piece of news. */
static void test_event_then_row(void **state)
{
    struct ledger ledger = {0};
    uint64_t mark;

    (void)state;
    (void)take_event(&ledger, "{'slot':'0','slot-type':'DIMM','source':1,'status':0}", 5);
    mark = ledger_mark(&ledger);
    take_rows(&ledger, "[{'slot':'0','slot-type':'DIMM','source':1,'status':0}]", 6);
    assert_null(ledger_news(&ledger, LEDGER_DIMM, 0, mark));
    assert_entry(ledger_news(&ledger, LEDGER_DIMM, 0, 0), LEDGER_DIMM, 0, 1, 0, 5);
    ledger_free(&ledger);
}

static void settle(struct ledger *ledger, unsigned source, unsigned status, double ms)
{
    AUTO_JSON json_t *rows = fake_jsonf("[{'slot':'0','slot-type':'DIMM','source':0,'status':0},"
                                        "{'slot':'1','slot-type':'CPU','source':%u,'status':%u}]",
                                        source, status);

    ledger_settle_rows(ledger, rows, ms);
}

/* A guest writes source and status one after the other: what is seen once may be half of it. */
static void test_settling(void **state)
{
    struct ledger ledger = {0};
    uint64_t mark;

    (void)state;
    (void)take_event(&ledger, "{'slot':'1','slot-type':'CPU','source':3,'status':130}", 1);
    mark = ledger_mark(&ledger);
    settle(&ledger, 1, 130, 1000); /* torn */
    assert_null(ledger_news(&ledger, LEDGER_CPU, 1, mark));
    settle(&ledger, 1, 0, 1099); /* another: counted from here */
    settle(&ledger, 1, 0, 1198);
    assert_null(ledger_news(&ledger, LEDGER_CPU, 1, mark));
    settle(&ledger, 1, 0, 1199);
    assert_entry(ledger_news(&ledger, LEDGER_CPU, 1, mark), LEDGER_CPU, 1, 1, 0, 1199);
    assert_null(ledger_news(&ledger, LEDGER_DIMM, 0, 0)); /* as empty as it always was */
    mark = ledger_mark(&ledger);
    settle(&ledger, 1, 0, 5000); /* known */
    settle(&ledger, 3, 0, 5001);
    settle(&ledger, 1, 0, 5002); /* it was nothing after all: begin anew */
    settle(&ledger, 3, 0, 5200);
    settle(&ledger, 3, 0, 5299);
    assert_null(ledger_news(&ledger, LEDGER_CPU, 1, mark));
    ledger_settle_rows(&ledger, NULL, 9999);
    ledger_free(&ledger);
}

static void test_hostile_events(void **state)
{
    static const char *const infos[] = {
        "{}", "[]", "1", "null", "'x'",
        "{'slot':2,'slot-type':'CPU','source':1,'status':0}", /* a number: QEMU sends a string */
        "{'slot':'','slot-type':'CPU','source':1,'status':0}",
        "{'slot':'-1','slot-type':'CPU','source':1,'status':0}",
        "{'slot':'+1','slot-type':'CPU','source':1,'status':0}",
        "{'slot':' 1','slot-type':'CPU','source':1,'status':0}",
        "{'slot':'1x','slot-type':'CPU','source':1,'status':0}",
        "{'slot':'0x1','slot-type':'CPU','source':1,'status':0}",
        "{'slot':'65536','slot-type':'CPU','source':1,'status':0}",
        "{'slot':'4294967296','slot-type':'CPU','source':1,'status':0}",
        "{'slot':'99999999999999999999999999','slot-type':'CPU','source':1,'status':0}",
        "{'slot':'1','slot-type':'cpu','source':1,'status':0}",
        "{'slot':'1','slot-type':'','source':1,'status':0}",
        "{'slot':'1','slot-type':7,'source':1,'status':0}",
        "{'slot':'1','source':1,'status':0}",
        "{'slot':'1','slot-type':'CPU','source':'1','status':0}",
        "{'slot':'1','slot-type':'CPU','source':-1,'status':0}",
        "{'slot':'1','slot-type':'CPU','source':4294967296,'status':0}",
        "{'slot':'1','slot-type':'CPU','source':1.0,'status':0}",
        "{'slot':'1','slot-type':'CPU','source':1,'status':null}",
        "{'slot':'1','slot-type':'CPU','source':1}",
    };
    struct ledger ledger = {0};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(infos); i++) {
        if (take_event(&ledger, infos[i], 1))
            fail_msg("%s was taken", infos[i]);
    }
    assert_false(ledger_take_event(&ledger, NULL, 1));
    take_rows(&ledger, "[1,null,'x',[],{},{'slot':'1'}]", 1);
    take_rows(&ledger, "{'slot':'1','slot-type':'CPU','source':1,'status':0}", 1);
    ledger_take_rows(&ledger, NULL, 1);
    assert_int_equal(room(&ledger), 0);
    assert_int_equal(ledger_mark(&ledger), 0);
    assert_true(take_event(
        &ledger, "{'slot':'65535','slot-type':'CPU','source':4294967295,'status':4294967295}", 1));
    assert_entry(ledger_news(&ledger, LEDGER_CPU, 65535, 0), LEDGER_CPU, 65535, UINT32_MAX,
                 UINT32_MAX, 1);
    assert_true(room(&ledger) <= 65536);
    ledger_free(&ledger);
}

/* Many slots find each other again, and repeating them takes no more room. */
static void test_growth_is_bounded(void **state)
{
    enum { SLOTS = 700 };
    struct ledger ledger = {0};
    unsigned slot, round;

    (void)state;
    for (round = 1; round <= 3; round++) {
        for (slot = 0; slot < SLOTS; slot++) {
            AUTO_JSON json_t *data =
                fake_jsonf("{'info':{'slot':'%u','slot-type':'%s','source':1,'status':%u}}",
                           slot / 2, slot % 2 == 0 ? "CPU" : "DIMM", slot + round);

            assert_true(ledger_take_event(&ledger, data, round));
        }
        assert_true(room(&ledger) >= SLOTS && room(&ledger) < 4 * SLOTS);
    }
    for (slot = 0; slot < SLOTS; slot++)
        assert_entry(ledger_news(&ledger, slot % 2 == 0 ? LEDGER_CPU : LEDGER_DIMM, slot / 2,
                                 2 * SLOTS),
                     slot % 2 == 0 ? LEDGER_CPU : LEDGER_DIMM, slot / 2, 1, slot + 3, 3);
    ledger_free(&ledger);
}

/* Rows of devices that are not there are not stored, however many QEMU lists. */
static void test_empty_rows_take_no_room(void **state)
{
    struct ledger ledger = {0};
    AUTO_JSON json_t *rows = json_array();
    unsigned slot;

    (void)state;
    for (slot = 0; slot < 5000; slot++)
        json_array_append_new(
            rows, fake_jsonf("{'slot':'%u','slot-type':'CPU','source':0,'status':0}", slot));
    ledger_take_rows(&ledger, rows, 1);
    assert_int_equal(room(&ledger), 0);
    ledger_free(&ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_event_then_row),
        cmocka_unit_test(test_settling),
        cmocka_unit_test(test_hostile_events),
        cmocka_unit_test(test_growth_is_bounded),
        cmocka_unit_test(test_empty_rows_take_no_room),
    };

    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
