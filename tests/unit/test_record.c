/* SPDX-License-Identifier: MIT */
#include "vmm/record.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/codec.h"
#include "tests/fake/fake.h"

static struct record *record;
static char directory[512];

/* The clock of this program: it stands, so that nobody's patience ends on a machine that is busy,
 * but where time is to pass. */
static double now_ms;
static bool time_passes;

double clock_now_ms(void)
{
    return now_ms;
}

int clock_poll(struct pollfd *polled, nfds_t count, double deadline_ms)
{
    if (!time_passes)
        return poll(polled, count, 1);
    now_ms = deadline_ms;
    return 0;
}

static struct record *record_of(const char *in, pid_t pid)
{
    struct record *bound = record_new(in);

    assert_non_null(bound);
    assert_true(record_bind(bound, pid));
    return bound;
}

static int begin(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof(directory), "%s/run", fake_dir());
    (void)chmod(directory, 0700);
    fake_empty(directory);
    (void)rmdir(directory);
    record = record_of(directory, getpid());
    return 0;
}

static int end(void **state)
{
    (void)state;
    record_free(record);
    return 0;
}

static bool put(struct record *into, const char *id, const char *operation)
{
    return record_put(into, fake_jsonf("{'operation':'%s','id':'%s'}", operation, id));
}

/* The ids in their order, as "a b". */
static const char *ids(struct record *of)
{
    static char text[256];
    AUTO_JSON json_t *list = record_list(of);
    const json_t *entry;
    size_t used = 0, i;

    text[0] = '\0';
    json_array_foreach(list, i, entry)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? " " : "",
                                 json_string_value(json_object_get(entry, "id")));
    return text;
}

/* Where the record is kept: /…/PID-TIME.json; TIME from field 22 of /proc/PID/stat. */
static const char *path_of(pid_t pid)
{
    static char path[600];
    char line[1024] = "", name[64];
    unsigned long long time = 0;
    const char *field;
    unsigned i;
    FILE *file;

    (void)snprintf(name, sizeof(name), "/proc/%ld/stat", (long)pid);
    file = fopen(name, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    (void)fclose(file);
    for (i = 2, field = strrchr(line, ')'); field != NULL && i < 22; i++)
        field = strchr(field + 1, ' ');
    assert_non_null(field);
    time = strtoull(field + 1, NULL, 10);
    (void)snprintf(path, sizeof(path), "%s/%ld-%llu.json", directory, (long)pid, time);
    return path;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static unsigned mode_of(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 ? (unsigned)status.st_mode & 0777 : 0;
}

static void assert_explained(const struct record *of, const char *words)
{
    char why[600];

    if (strstr(record_explain(of, why, sizeof(why)), words) == NULL)
        fail_msg("'%s' is not in: %s", words, why);
}

/* ---- entries ---- */

static void test_put_find_drop(void **state)
{
    AUTO_JSON json_t *wanted = fake_json("{'operation':'memory-remove','id':'m','slot':3,"
                                         "'addr':4294967296,'cleanups':[{'id':'m-backend'}]}");
    AUTO_JSON json_t *found = NULL;

    (void)state;
    assert_string_equal(ids(record), "");
    assert_null(record_find(record, "m"));
    assert_true(record_put(record, json_incref(wanted)));
    found = record_find(record, "m");
    assert_true(json_equal(found, wanted));
    assert_null(record_find(record, "n"));
    assert_null(record_find(record, ""));
    assert_true(record_has(record, "m", "-remove"));
    assert_true(record_has(record, "m", "memory-remove"));
    assert_false(record_has(record, "m", "-add"));
    assert_false(record_has(record, "m", "a-memory-remove"));
    assert_false(record_has(record, "n", "-remove"));
    record_drop(record, "n");
    assert_string_equal(ids(record), "m");
    record_drop(record, "m");
    assert_string_equal(ids(record), "");
    record_drop(record, "m");
}

static void test_order_and_replacement(void **state)
{
    (void)state;
    assert_true(put(record, "b", "cpu-remove"));
    assert_true(put(record, "a", "cpu-remove"));
    assert_true(put(record, "c", "cpu-add"));
    assert_string_equal(ids(record), "b a c"); /* oldest first */
    assert_true(put(record, "b", "disk-remove"));
    assert_string_equal(ids(record), "a c b"); /* the request is a new one */
    assert_true(record_has(record, "b", "disk-remove"));
    record_drop(record, "c");
    assert_string_equal(ids(record), "a b");
}

/* What is handed out is the caller's own. */
static void test_lists_are_copies(void **state)
{
    AUTO_JSON json_t *list = NULL;

    (void)state;
    assert_true(put(record, "a", "cpu-remove"));
    list = record_list(record);
    json_array_clear(list);
    assert_string_equal(ids(record), "a");
}

static void test_null(void **state)
{
    (void)state;
    assert_false(put(NULL, "a", "cpu-remove"));
    assert_string_equal(ids(NULL), "");
    assert_null(record_find(NULL, "a"));
    assert_false(record_has(NULL, "a", "-remove"));
    record_drop(NULL, "a");
    record_count_vcpu_removed(NULL, "a");
    assert_int_equal(record_vcpus_removed(NULL), 0);
    record_free(NULL);
}

/* ---- several vmplugs ---- */

static void test_shared(void **state)
{
    struct record *other = record_of(directory, getpid());
    struct record *stranger = record_of(directory, getppid()); /* another QEMU's */

    (void)state;
    assert_true(put(record, "a", "cpu-remove"));
    assert_true(put(other, "b", "cpu-remove"));
    assert_true(put(record, "c", "cpu-remove"));
    assert_true(put(stranger, "x", "cpu-remove"));
    assert_string_equal(ids(record), "a b c");
    assert_string_equal(ids(other), "a b c");
    assert_string_equal(ids(stranger), "x");
    record_drop(other, "a");
    record_drop(stranger, "b");
    assert_string_equal(ids(record), "b c");
    record_free(other);
    record_free(stranger);
}

#define WRITERS 4
#define WRITES 25

/* Nothing that one of them enters is lost to another. */
static void test_at_the_same_time(void **state)
{
    AUTO_JSON json_t *list = NULL;
    pid_t writers[WRITERS];
    unsigned i, j;
    int status;
    char id[32];

    (void)state;
    for (i = 0; i < WRITERS; i++) {
        writers[i] = fork();
        assert_true(writers[i] >= 0);
        if (writers[i] == 0)
            (void)alarm(60); /* rather than for ever */
        for (j = 0; writers[i] == 0 && j < WRITES; j++) {
            (void)snprintf(id, sizeof(id), "%u-%u", i, j);
            if (!put(record, id, "cpu-remove"))
                _exit(1);
            record_count_vcpu_removed(record, id);
        }
        if (writers[i] == 0)
            _exit(0);
    }
    for (i = 0; i < WRITERS; i++) {
        assert_int_equal(waitpid(writers[i], &status, 0), writers[i]);
        assert_int_equal(status, 0);
    }
    list = record_list(record);
    assert_int_equal(json_array_size(list), WRITERS * WRITES);
    assert_int_equal(record_vcpus_removed(record), WRITERS * WRITES);
}

/* A holder that was stopped. */
static void test_lock_that_is_held(void **state)
{
    AUTO_FD int holder = -1;

    (void)state;
    assert_true(put(record, "a", "cpu-remove"));
    holder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(holder, LOCK_EX | LOCK_NB), 0);
    time_passes = true;
    assert_false(put(record, "b", "cpu-remove"));
    assert_explained(record, "another vmplug holds it");
    record_drop(record, "a");
    time_passes = false;
    assert_string_equal(ids(record), "a");
    assert_int_equal(flock(holder, LOCK_UN), 0);
    assert_true(put(record, "b", "cpu-remove"));
    assert_string_equal(ids(record), "a b");
}

/* ---- the directory ---- */

static void test_directory_is_made(void **state)
{
    (void)state;
    assert_int_equal(mode_of(directory), 0); /* not by asking */
    assert_string_equal(ids(record), "");
    record_drop(record, "a");
    assert_int_equal(mode_of(directory), 0);
    assert_true(put(record, "a", "cpu-remove"));
    assert_int_equal(mode_of(directory), 0700);
    assert_int_equal(mode_of(path_of(getpid())), 0600);
}

static void test_directory_of_others(void **state)
{
    static const mode_t modes[] = {0770, 0720, 0702, 0777};
    size_t i;

    (void)state;
    assert_true(put(record, "a", "cpu-remove"));
    for (i = 0; i < COUNT_OF(modes); i++) {
        assert_int_equal(chmod(directory, modes[i]), 0);
        assert_false(put(record, "b", "cpu-remove"));
        assert_explained(record, "other users may write");
        record_drop(record, "a");
        record_count_vcpu_removed(record, "a");
        assert_string_equal(ids(record), ""); /* anybody may have written it */
        assert_int_equal(record_vcpus_removed(record), 0);
    }
    assert_int_equal(chmod(directory, 0755), 0); /* others may look */
    assert_string_equal(ids(record), "a");
    assert_true(put(record, "b", "cpu-remove"));
}

static void test_directory_of_another_user(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* nobody else can give it away */
    assert_true(put(record, "a", "cpu-remove"));
    assert_int_equal(chown(directory, 65534, 65534), 0);
    assert_false(put(record, "b", "cpu-remove"));
    assert_explained(record, "another user");
    assert_string_equal(ids(record), "");
    assert_int_equal(chown(directory, 0, 0), 0);
}

/* Neither a directory, nor one that can be made. */
static void test_directory_cannot_be(void **state)
{
    struct record *foreign = record_of("/proc/self", getpid());

    (void)state;
    assert_non_null(foreign);
    assert_false(put(foreign, "a", "cpu-remove"));
    assert_explained(foreign, "symbolic link");
    record_free(foreign);
    foreign = record_of("/nonexistent/run", getpid()); /* parents are not made */
    assert_false(put(foreign, "a", "cpu-remove"));
    assert_explained(foreign, "No such file");
    record_free(foreign);
}

static void test_directory_is_a_link(void **state)
{
    char elsewhere[600];

    (void)state;
    (void)snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", fake_dir());
    assert_int_equal(mkdir(elsewhere, 0700), 0);
    assert_int_equal(symlink(elsewhere, directory), 0);
    assert_false(put(record, "a", "cpu-remove"));
    assert_explained(record, "symbolic link");
    assert_int_equal(unlink(directory), 0);
    assert_int_equal(rmdir(elsewhere), 0); /* it is empty */
}

static void test_directory_name_too_long(void **state)
{
    AUTO_FREE char *name = malloc(5000);
    struct record *foreign;

    (void)state;
    memset(name, 'x', 4999);
    name[4999] = '\0';
    foreign = record_of(name, getpid());
    assert_false(put(foreign, "a", "cpu-remove"));
    record_free(foreign);
}

/* ---- the file ---- */

static void test_corrupt(void **state)
{
    static const char *const contents[] = {"", "{", "[]", "null", "{\"pending\":3}",
                                           "{\"pending\":[1,null,{}]}", "{\"pending\":{\"a\":1}}",
                                           "{\"vcpus_removed\":-1}", "{\"vcpus_removed\":\"x\"}"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(contents); i++) {
        assert_true(put(record, "old", "cpu-remove"));
        write_file(path_of(getpid()), contents[i]);
        assert_null(record_find(record, "old"));
        assert_int_equal(record_vcpus_removed(record), 0);
        record_drop(record, "old");
        assert_true(put(record, "new", "cpu-remove"));
        assert_true(record_has(record, "new", "-remove"));
        record_drop(record, "new");
    }
}

/* Replaced, and what it points to is not touched. */
static void test_link_in_place_of_the_file(void **state)
{
    static const char precious[] = "{\"precious\":1}";
    char elsewhere[600], text[64] = "";
    FILE *file;

    (void)state;
    (void)snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", fake_dir());
    write_file(elsewhere, precious);
    assert_true(put(record, "a", "cpu-remove"));
    assert_int_equal(unlink(path_of(getpid())), 0);
    assert_int_equal(symlink(elsewhere, path_of(getpid())), 0);
    assert_true(put(record, "b", "cpu-remove"));
    assert_string_equal(ids(record), "b");
    file = fopen(elsewhere, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    (void)fclose(file);
    assert_string_equal(text, precious);
    assert_int_equal(mode_of(path_of(getpid())), 0600);
}

/* A disk that is full, or the like: it says so, and what was there is there. */
static void test_cannot_write(void **state)
{
    char path[600];

    (void)state;
    assert_true(put(record, "a", "cpu-remove"));
    (void)snprintf(path, sizeof(path), "%s/.new", directory);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(put(record, "b", "cpu-remove"));
    assert_string_equal(ids(record), "a");
    assert_int_equal(rmdir(path), 0);
}

/* ---- processes ---- */

/* Of a process that has ended, and of one whose id has been given to another since. */
static void test_swept(void **state)
{
    char dead[600], earlier[600], other[600], note[600];
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        _exit(0);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(put(record, "a", "cpu-remove"));
    (void)snprintf(dead, sizeof(dead), "%s/%ld-12345.json", directory, (long)pid);
    (void)snprintf(earlier, sizeof(earlier), "%s/%ld-1.json", directory, (long)getpid());
    (void)snprintf(other, sizeof(other), "%s", path_of(getppid()));
    (void)snprintf(note, sizeof(note), "%s/note", directory);
    write_file(dead, "{}");
    write_file(earlier, "{}");
    write_file(other, "{}");
    write_file(note, "");
    record_drop(record, "a"); /* a file that was there, and so sweeps nothing */
    assert_int_not_equal(mode_of(dead), 0);
    assert_int_equal(unlink(path_of(getpid())), 0);
    assert_true(put(record, "a", "cpu-remove"));
    assert_int_equal(mode_of(dead), 0);
    assert_int_equal(mode_of(earlier), 0);
    assert_int_not_equal(mode_of(other), 0);
    assert_int_not_equal(mode_of(note), 0);
    assert_int_not_equal(mode_of(path_of(getpid())), 0);
}

static void test_no_such_process(void **state)
{
    (void)state;
    assert_false(record_bind(record, 0));
    assert_false(record_bind(record, -1));
    assert_false(record_bind(record, 0x7ffffff0));
    assert_true(put(record, "a", "cpu-remove")); /* it is still bound to the one before */
}

static void test_default_directory(void **state)
{
    char text[128], expected[128] = "/run/vmplug";

    (void)state;
    assert_int_equal(setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), 0);
    assert_string_equal(record_default_directory(text, sizeof(text)), "/run/user/7/vmplug");
    if (geteuid() != 0)
        (void)snprintf(expected, sizeof(expected), "/tmp/vmplug-%u", (unsigned)geteuid());
    assert_int_equal(setenv("XDG_RUNTIME_DIR", "relative", 1), 0);
    assert_string_equal(record_default_directory(text, sizeof(text)), expected);
    assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
    assert_string_equal(record_default_directory(text, sizeof(text)), expected);
}

/* ---- vCPUs ---- */

static void test_vcpus_removed(void **state)
{
    (void)state;
    assert_int_equal(record_vcpus_removed(record), 0);
    record_count_vcpu_removed(record, "c"); /* of which no request is entered */
    record_count_vcpu_removed(record, "c");
    assert_int_equal(record_vcpus_removed(record), 2);
    assert_true(put(record, "c", "cpu-remove"));
    record_count_vcpu_removed(record, "c");
    record_count_vcpu_removed(record, "c"); /* its end is seen again */
    assert_int_equal(record_vcpus_removed(record), 3);
    assert_true(put(record, "c", "cpu-remove")); /* another one under the same id */
    record_count_vcpu_removed(record, "c");
    record_drop(record, "c");
    assert_int_equal(record_vcpus_removed(record), 4);
    assert_string_equal(ids(record), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_put_find_drop),
        TEST(test_order_and_replacement),
        TEST(test_lists_are_copies),
        TEST(test_null),
        TEST(test_shared),
        TEST(test_at_the_same_time),
        TEST(test_lock_that_is_held),
        TEST(test_directory_is_made),
        TEST(test_directory_of_others),
        TEST(test_directory_of_another_user),
        TEST(test_directory_cannot_be),
        TEST(test_directory_is_a_link),
        TEST(test_directory_name_too_long),
        TEST(test_corrupt),
        TEST(test_link_in_place_of_the_file),
        TEST(test_cannot_write),
        TEST(test_swept),
        TEST(test_no_such_process),
        TEST(test_default_directory),
        TEST(test_vcpus_removed),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
