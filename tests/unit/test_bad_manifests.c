/* SPDX-License-Identifier: MIT */
/*
 * Manifests that are wrong, or mean harm. Each is read in a process of its own that may have no
 * more than 100 MB: it must be refused with the error that is expected, at the place where it is
 * wrong, in less than a second of processor time.
 *
 * Small ones are files: tests/data/manifests/bad/NAME, and in tests/data/manifests/bad.txt the line
 * `NAME:LINE:COLUMN: WHY; FIX`. Another one is a file and a line. VMPLUG_SHOW=1 prints the lines
 * for all files, as they are now, and what large ones take, which are made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "manifest/claims.h"
#include "manifest/cluster.h"
#include "manifest/files.h"
#include "manifest/kind.h"
#include "manifest/limits.h"
#include "manifest/virtual_machine.h"
#include "manifest/yaml_read.h"
#include "qmp/codec.h"
#include "tests/fake/fake.h"

#define MEMORY_BYTES ((rlim_t)100000000)
#define CPU_MS 1000
#define WORDS_MAX 1024

/* Sanitizers and valgrind reserve more than that, and take their time. */
static bool is_watched(void)
{
#ifdef __SANITIZE_ADDRESS__
    return true;
#else
    const char *preloaded = getenv("LD_PRELOAD");

    return preloaded != NULL && strstr(preloaded, "valgrind") != NULL;
#endif
}

/* ---- one reading, in a process of its own ---- */

struct reading {
    char words[WORDS_MAX]; /* "WHY; FIX", or "" when it was accepted */
    bool accepted;
    long cpu_ms, resident_kib;
};

typedef int read_fn(void *user, struct document_list *list, struct error *error);

/* Reads on, as what a document says it is. */
static int read_objects(const struct document_list *list, struct error *error)
{
    struct notes notes = {.count = 0};
    int status = 0;
    size_t i;

    for (i = 0; i < list->count && status == 0; i++) {
        struct virtual_machine vm = {.name = NULL};
        enum kind kind;
        const char *name;

        status = kind_of(&list->items[i], &kind, &name, error);
        if (status == 0 && kind == KIND_VIRTUAL_MACHINE) {
            status = virtual_machine_read(&vm, &list->items[i], true, &notes, error);
            virtual_machine_free(&vm);
        } else if (status == 0 && kind == KIND_KUBEVIRT) {
            status = cluster_read(&(struct cluster)CLUSTER_INIT, &list->items[i], &notes, error);
        } else if (status == 0) {
            status = claims_check(&list->items[i], kind, &notes, error);
        }
    }
    notes_free(&notes);
    return status;
}

static void read_and_tell(read_fn *read_it, void *user, int to)
{
    const struct rlimit memory = {MEMORY_BYTES, MEMORY_BYTES}, time = {10, 10};
    struct document_list list = {.count = 0};
    struct error error = ERROR_INIT;
    char words[WORDS_MAX] = "";
    int status;

    (void)setrlimit(RLIMIT_CPU, &time);
    if (!is_watched())
        (void)setrlimit(RLIMIT_AS, &memory);
    status = read_it(user, &list, &error);
    if (status == 0)
        status = read_objects(&list, &error);
    document_list_free(&list);
    if (status < 0)
        (void)snprintf(words, sizeof(words), "%s%s%s", error.why, error.fix[0] != '\0' ? "; " : "",
                       error.fix);
    (void)!write(to, words, strlen(words));
    _exit(status == 0 ? 0 : error.code == ERROR_INVALID ? 1 : 2);
}

static struct reading read_apart(const char *what, read_fn *read_it, void *user)
{
    struct reading reading = {.accepted = false};
    struct rusage usage;
    int ends[2], status;
    ssize_t got;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0)
        read_and_tell(read_it, user, ends[1]);
    assert_true(pid > 0);
    (void)close(ends[1]);
    got = read(ends[0], reading.words, sizeof(reading.words) - 1);
    assert_true(got >= 0);
    (void)close(ends[0]);
    assert_int_equal(wait4(pid, &status, 0, &usage), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
        fail_msg("%s: ended by status 0x%x: %s", what, (unsigned)status, reading.words);
    reading.accepted = WEXITSTATUS(status) == 0;
    reading.cpu_ms = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                     (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
    reading.resident_kib = usage.ru_maxrss;
    if (!is_watched() && (reading.cpu_ms > CPU_MS ||
                          (rlim_t)reading.resident_kib * 1024 > MEMORY_BYTES))
        fail_msg("%s: took %ld ms and %ld KiB", what, reading.cpu_ms, reading.resident_kib);
    return reading;
}

/* ---- files ---- */

static int read_path(void *user, struct document_list *list, struct error *error)
{
    return files_read(list, user, error);
}

/* Is this line in bad.txt? */
static bool is_expected(const char *line)
{
    char expected[WORDS_MAX];
    FILE *file = fopen("../bad.txt", "r");
    bool found = false;

    assert_non_null(file);
    while (!found && fgets(expected, sizeof(expected), file) != NULL) {
        expected[strcspn(expected, "\n")] = '\0';
        found = strcmp(line, expected) == 0;
    }
    (void)fclose(file);
    return found;
}

static bool check_file(char *name)
{
    struct reading reading = read_apart(name, read_path, name);

    if (reading.accepted)
        printf("%s is accepted\n", name);
    else if (getenv("VMPLUG_SHOW") != NULL)
        printf("%s\n", reading.words);
    else if (!is_expected(reading.words))
        printf("not in bad.txt: %s\n", reading.words);
    else
        return true;
    return false;
}

static void test_files(void **state)
{
    struct dirent **entries;
    int count = scandir(".", &entries, NULL, alphasort), i;
    unsigned wrong = 0, checked = 0;

    (void)state;
    assert_true(count > 0);
    for (i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            wrong += !check_file(entries[i]->d_name);
            checked++;
        }
        free(entries[i]);
    }
    free(entries);
    assert_int_equal(wrong, 0);
    assert_true(checked >= 100);
}

/* ---- large ones, made here ---- */

struct bomb {
    const char *name;
    const char *head, *piece, *tail; /* pieces until there is a MiB, less with count; # in a piece
                                        is its number */
    unsigned count;
    const char *why; /* part of the error; NULL: accepted or not, it is quick */
};

#define VM "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\n"
#define DISKS VM "spec: {template: {spec: {domain: {devices: {disks: ["

static const struct bomb bombs[] = {
    {"fields", VM "spec: {", "f#: 1, ", "}\n", 49000, NULL},
    {"annotations", VM "metadata: {annotations: {", "vmplug/#: a, ", "}}\n", 49000, NULL},
    {"disks", DISKS, "{name: d#}, ", "]}}}}}\n", 24000,
     "spec.template.spec.domain.devices.disks: a VM has at most 4096 of them"},
    {"volumes", VM "spec: {template: {spec: {volumes: [", "{name: d#}, ", "]}}}\n", 24000,
     "spec.template.spec.volumes: a VM has at most 4096 of them"},
    {"disks without volumes", DISKS, "{name: d#}, ", "]}}}}}\n", 4096,
     "disks[0]: the disk 'd0' has no volume"},
    {"lists", "", "[", "", 0, "1:65: this is nested more than 64 deep"},
    {"lists that are closed", "a: ", "[]", "", 0, "1:6: "},
    {"lists in blocks", "", "- ", "", 0, "1:129: this is nested more than 64 deep"},
    {"objects", "", "{a: ", "", 0, "1:257: this is nested more than 64 deep"},
    {"objects of JSON", "", "{\"a\":", "", 0, "1:321: this is nested more than 64 deep"},
    {"objects without keys", "", "{", "", 0, "1:2: a key that is a list or an object"},
    {"complex keys", "", "? ", "", 0, "1:3: a key that is a list or an object"},
    {"complex keys in lists", "", "[? ", "", 0, "1:4: a key that is a list or an object"},
    {"lists of objects", "", "[{a: ", "", 0, "nested more than 64 deep"},
    {"values", "a: [", "1,", "1]", 0, "this is more than 50000 values"},
    {"values in blocks", "a:\n", "- 1\n", "", 0, "50000:3: this is more than 50000 values"},
    {"empty lists", "a: [", "[],", "1]", 0, "this is more than 50000 values"},
    {"empty items", "a:\n", "-\n", "", 0, "this is more than 50000 values"},
    {"documents", "", "---\na: 1\n", "", 0, "2002:1: this is more than 1000 documents"},
    {"empty documents", "", "---\n", "", 0, "this is more than 50000 values"},
    {"items of a List", "kind: List\nitems:\n", "- {a: 1}\n", "", 20000,
     "1003:3: this is more than 1000 documents"},
    {"anchors", "a:\n", "- &x 1\n", "", 0, "258:3: this is more than 256 anchors"},
    {"aliases", "a: &x 1\nb:\n", "- *x\n", "", 0, "this is more than 50000 values"},
    {"the same key", "", "a: 1\n", "", 0, "2:1: the key 'a' is there already, in line 1"},
    {"one alias of much text", "a: &x '0123456789abcdef", "0123456789abcdef",
     "'\nb: [*x, *x, *x, *x, *x, *x, *x]\n", 60000, "this is more than 4 MiB of text"},
    {"bytes", "a: ", "x", "", (1 << 20) + 1, "a manifest of more than 1 MiB"},
    {"a comment", "#", "x", "\n", 0, NULL},
    {"a long key", "", "k", ": 1\n", 0, NULL},
    {"a long plain text", "a: ", "x", "\n", 0, NULL},
    {"many words", "a: ", "x ", "\n", 0, NULL},
    {"a long quoted text", "a: \"", "\\x41", "\"\n", 0, NULL},
    {"a quote that never ends", "a: \"", "x\n ", "", 0, "a quote that is never closed"},
    {"a long literal text", "a: |\n", " x\n", "", 0, NULL},
    {"deeper and deeper literal", "a: |\n", "  ", "x\n", 0, NULL},
    {"empty lines", "", "\n", "a\n", 0, NULL},
    {"blanks", "", " ", "a: 1\n", 0, NULL},
    {"keys in flow", "{", "a:", "}", 0, NULL},
    {"colons", "a", ":", "", 0, NULL},
    {"question marks", "", "?", "", 0, NULL},
    {"questions in lines", "", "?\n", "", 0, NULL},
    {"bangs", "", "!", " a\n", 0, NULL},
    {"a long tag", "!<", "a", "> b\n", 0, NULL},
    {"a long anchor", "a: &", "x", " 1\n", 0, NULL},
    {"a long alias", "a: *", "x", "\n", 0, "1:4: no anchor &xxx"},
    {"directives", "", "%TAG !a! b\n", "---\na: 1\n", 0, NULL},
    {"tag directives", "", "%FOO a\n", "---\na: 1\n", 0, NULL},
    {"ends", "a: 1\n", "...\n", "", 0, NULL},
    {"a long number", "a: ", "9", "\n", 0, NULL},
    {"brackets that close", "", "]", "", 0, NULL},
    {"commas", "[", ",", "]", 0, NULL},
    {"quotes", "a: ", "'", "\n", 0, NULL},
    {"objects side by side", "a:\n", "- {a: {b: {c: 1}}}\n", "", 10000, NULL},
    {"byte order marks", "", "\xef\xbb\xbf", "a: 1\n", 0, NULL},
};

static char *append_piece(char *at, const char *piece, size_t number)
{
    const char *mark = strchr(piece, '#');

    if (mark == NULL)
        return stpcpy(at, piece);
    return at + sprintf(at, "%.*s%zu%s", (int)(mark - piece), piece, number, mark + 1);
}

static char *make_bomb(const struct bomb *bomb, size_t *size)
{
    size_t piece = strlen(bomb->piece), ends = strlen(bomb->head) + strlen(bomb->tail);
    size_t count = bomb->count != 0 ? bomb->count : (LIMITS_FILE_BYTES - ends) / piece, i;
    char *text = malloc(ends + count * (piece + 8) + 1), *at = text;

    if (text == NULL)
        return NULL;
    at = stpcpy(at, bomb->head);
    for (i = 0; i < count; i++)
        at = append_piece(at, bomb->piece, i);
    at = stpcpy(at, bomb->tail);
    *size = (size_t)(at - text);
    return text;
}

static int read_bomb(void *user, struct document_list *list, struct error *error)
{
    size_t size = 0;
    AUTO_FREE char *text = make_bomb(user, &size);

    return text != NULL ? yaml_read(list, "t", text, size, error) : 0;
}

static void test_bombs(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(bombs); i++) {
        struct bomb bomb = bombs[i];
        struct reading reading = read_apart(bomb.name, read_bomb, &bomb);

        if (getenv("VMPLUG_SHOW") != NULL)
            printf("%5ld ms %6ld KiB  %s: %s\n", reading.cpu_ms, reading.resident_kib, bomb.name,
                   reading.words);
        if (bomb.why != NULL && strstr(reading.words, bomb.why) == NULL)
            fail_msg("%s: %s", bomb.name, reading.words);
    }
}

/* A list of nine of what the line before is, again and again. */
static int read_laughs(void *user, struct document_list *list, struct error *error)
{
    static char text[8192] = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
    size_t used = strlen(text), line, i;

    (void)user;
    for (line = 1; line < 12; line++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "a%zu: &a%zu [*a%zu", line,
                                 line, line - 1);
        for (i = 1; i < 9; i++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, ", *a%zu", line - 1);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "]\n");
    }
    return yaml_read(list, "t", text, used, error);
}

/* Each line is one deeper than the one before it, in two dozen bytes. */
static int read_stairs(void *user, struct document_list *list, struct error *error)
{
    static char text[8192] = "a0: &a0 []\n";
    size_t used = strlen(text), line;

    (void)user;
    for (line = 1; line < 200; line++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "a%zu: &a%zu [*a%zu]\n", line,
                                 line, line - 1);
    return yaml_read(list, "t", text, used, error);
}

static void test_aliases(void **state)
{
    struct reading reading;

    (void)state;
    reading = read_apart("laughs", read_laughs, NULL);
    assert_non_null(strstr(reading.words, "t:5:35: this is more than 50000 values"));
    reading = read_apart("stairs", read_stairs, NULL);
    assert_non_null(strstr(reading.words, "t:64:12: this is nested more than 64 deep"));
}

/* ---- where they come from ---- */

/* What is read without an end, or is 50 MB long, is not read to its end. */
static void test_sources(void **state)
{
    char path[] = "/tmp/vmplug-bad-XXXXXX", fifo[64], folder[] = "/tmp/vmplug-bad-XXXXXX";
    int fd = mkstemp(path);
    struct reading reading;
    pid_t pid;

    (void)state;
    assert_true(fd >= 0 && mkdtemp(folder) != NULL);
    assert_int_equal(ftruncate(fd, 50000000), 0);
    (void)close(fd);
    reading = read_apart("50 MB", read_path, path);
    assert_non_null(strstr(reading.words, ": a manifest of more than 1 MiB; split it"));
    assert_true(reading.cpu_ms < 200 || is_watched());
    (void)unlink(path);

    reading = read_apart("/dev/zero", read_path, (char[]){"/dev/zero"});
    assert_string_equal(reading.words, "/dev/zero: a manifest of more than 1 MiB; split it");

    (void)snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    pid = fork();
    if (pid == 0) {
        fd = open(fifo, O_WRONLY);
        while (write(fd, "a: [1, 2, 3]\n", 13) > 0)
            continue;
        _exit(0);
    }
    reading = read_apart("fifo", read_path, fifo);
    assert_non_null(strstr(reading.words, "/fifo: a manifest of more than 1 MiB; split it"));
    assert_int_equal(waitpid(pid, NULL, 0), pid); /* by SIGPIPE */
    (void)unlink(fifo);

    reading = read_apart("empty folder", read_path, folder);
    assert_non_null(strstr(reading.words, ": no manifest in it; give a file with apiVersion:"));
    assert_int_equal(rmdir(folder), 0);
    reading = read_apart("no folder", read_path, folder);
    assert_non_null(strstr(reading.words, " can't be read: No such file or directory"));
    reading = read_apart("/dev/null", read_path, (char[]){"/dev/null"});
    assert_non_null(strstr(reading.words, "/dev/null: no manifest in it"));
    reading = read_apart("/proc/self/mem", read_path, (char[]){"/proc/self/mem"});
    assert_non_null(strstr(reading.words, "can't be read"));
}

/* ---- typed: each value of a good one in turn is another one ---- */

static const char *const good_ones[] = {
    "{'apiVersion':'kubevirt.io/v1','kind':'VirtualMachine','metadata':{'name':'vm1','annotations':"
    "{'vmplug/qmp-socket':'/q','vmplug/agent-socket':'/a','vmplug/kernel':'/k',"
    "'vmplug/initrd':'/i','vmplug/api-socket':'/c',"
    "'vmplug/cmdline':'c','vmplug/accel':'tcg','vmplug/qemu':'/e'}},'spec':{'runStrategy':'Always',"
    "'template':{'spec':{'architecture':'amd64','terminationGracePeriodSeconds':5,'domain':{"
    "'cpu':{'sockets':2,'cores':2,'threads':2,'maxSockets':8,'model':'host-model'},"
    "'memory':{'guest':'1Gi','maxGuest':'4Gi','hugepages':{'pageSize':'2Mi'}},"
    "'resources':{'requests':{'memory':'1Gi'},'limits':{'memory':'1Gi'}},"
    "'machine':{'type':'q35'},'firmware':{'uuid':'u','bootloader':{'efi':{'secureBoot':false}}},"
    "'devices':{'disks':["
    "{'name':'a','disk':{'bus':'virtio','readonly':true},'serial':'S','bootOrder':1,'cache':'none',"
    "'io':'native'},{'name':'b','lun':{'bus':'scsi','readonly':true}},"
    "{'name':'c','cdrom':{'bus':'sata','tray':'open','readonly':true}},{'name':'d'}]}},"
    "'volumes':[{'name':'a','persistentVolumeClaim':{'claimName':'a','hotpluggable':true,"
    "'readOnly':true}},{'name':'b','dataVolume':{'name':'b','hotpluggable':true}},"
    "{'name':'c','emptyDisk':{'capacity':'1Gi'}},"
    "{'name':'d','hostDisk':{'path':'/d','type':'DiskOrCreate','capacity':'1Gi'}}]}}}}",
    "{'apiVersion':'kubevirt.io/v1','kind':'VirtualMachine','spec':{'running':true}}",
    "{'apiVersion':'kubevirt.io/v1','kind':'KubeVirt','metadata':{'name':'k'},'spec':{"
    "'configuration':{'liveUpdateConfiguration':{'maxCpuSockets':8,'maxGuest':'4Gi',"
    "'maxHotplugRatio':4},'vmRolloutStrategy':'Stage',"
    "'developerConfiguration':{'featureGates':['A'],"
    "'disabledFeatureGates':['B']}}}}",
    "{'apiVersion':'v1','kind':'PersistentVolumeClaim','metadata':{'name':'c'},"
    "'spec':{'volumeName':'v'}}",
    "{'apiVersion':'v1','kind':'PersistentVolume','metadata':{'name':'v'},"
    "'spec':{'claimRef':{'name':'c'},'hostPath':{'path':'/h'},'local':{'path':'/l'}}}",
};

/* What is no such value, whatever it may be good for elsewhere. */
static const struct {
    const char *keys; /* " key key ", or of a type */
    json_type type;
    const char *wrong;
} wrong_values[] = {
    {" guest maxGuest pageSize memory capacity ", JSON_STRING,
     "['x','','-1','9Ei','1e99','1.5x','0x10','1 Gi',-1,1e30,true,{},[]]"},
    {" apiVersion kind runStrategy vmRolloutStrategy bus tray cache io ", JSON_STRING,
     "['unknown','',5,true,{},[]]"},
    {" path ", JSON_STRING, "['relative','',5,true,{},[]]"},
    {" serial ", JSON_STRING, "['','a b','é',5,true,{},[]]"},
    {NULL, JSON_STRING, "[5,-1,1.5,true,{},[]]"},
    {NULL, JSON_INTEGER, "['2','x','',-1,1.5,100000,1e30,9223372036854775807,true,{},[]]"},
    {NULL, JSON_TRUE, "['true','yes',1,0,{},[]]"},
    {NULL, JSON_FALSE, "['true','yes',1,0,{},[]]"},
    {NULL, JSON_OBJECT, "[[],5,'x',true]"},
    {NULL, JSON_ARRAY, "[{},{'a':{'name':'a'},'b':{'name':'b'},'c':{'name':'c'}},5,'x',true]"},
};

static json_t *find_wrong(const char *key, const json_t *value)
{
    char word[64];
    size_t i;

    (void)snprintf(word, sizeof(word), " %s ", key);
    for (i = 0; i < COUNT_OF(wrong_values); i++) {
        if (wrong_values[i].type == json_typeof(value) &&
            (wrong_values[i].keys == NULL || strstr(wrong_values[i].keys, word) != NULL))
            return fake_json(wrong_values[i].wrong);
    }
    fail();
    return NULL;
}

static int read_typed(const json_t *root, struct error *error)
{
    AUTO_FREE char *text = json_dumps(root, JSON_ENCODE_ANY);
    struct document_list list = {.count = 0};
    int status = yaml_read(&list, "t", text, strlen(text), error);

    if (status == 0)
        status = read_objects(&list, error);
    document_list_free(&list);
    return status;
}

/* The value at the path is not what it should be, and just there. */
static void check_refused(const json_t *root, const json_t *value, const char *path)
{
    AUTO_FREE char *text = json_dumps(value, JSON_ENCODE_ANY);
    struct error error = ERROR_INIT;
    char place[256];

    (void)snprintf(place, sizeof(place), ": %s: ", path);
    if (read_typed(root, &error) == 0)
        fail_msg("%s: %s is accepted", path, text);
    if (error.code != ERROR_INVALID || strncmp(error.why, "t:1:", 4) != 0 ||
        strstr(error.why, place) == NULL)
        fail_msg("%s: %s: %s", path, text, error.why);
}

static unsigned spoil(const json_t *root, json_t *outer, const char *path);

/* A member or item, which is set back afterwards. */
static unsigned spoil_one(const json_t *root, json_t *outer, const char *key, size_t index,
                          const char *path)
{
    json_t *value = json_incref(key != NULL ? json_object_get(outer, key)
                                            : json_array_get(outer, index));
    AUTO_JSON json_t *wrongs = find_wrong(key != NULL ? key : "", value);
    unsigned count = spoil(root, value, path);
    json_t *wrong;
    size_t i;

    json_array_foreach(wrongs, i, wrong) {
        (void)(key != NULL ? json_object_set(outer, key, wrong)
                           : json_array_set(outer, index, wrong));
        check_refused(root, wrong, path);
        count++;
    }
    (void)(key != NULL ? json_object_set_new(outer, key, value)
                       : json_array_set_new(outer, index, value));
    return count;
}

static unsigned spoil(const json_t *root, json_t *outer, const char *path)
{
    AUTO_JSON json_t *keys = json_deep_copy(outer);
    unsigned count = 0;
    char inner[256];
    const char *key;
    json_t *value;
    size_t i;

    json_object_foreach(keys, key, value) {
        (void)snprintf(inner, sizeof(inner),
                       strpbrk(key, "/") != NULL ? "%s%s[%s]" : "%s%s%s", path,
                       *path != '\0' && strpbrk(key, "/") == NULL ? "." : "", key);
        count += spoil_one(root, outer, key, 0, inner);
    }
    json_array_foreach(keys, i, value) {
        (void)snprintf(inner, sizeof(inner), "%s[%zu]", path, i);
        count += spoil_one(root, outer, NULL, i, inner);
    }
    return count;
}

static void test_types(void **state)
{
    unsigned count = 0;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(good_ones); i++) {
        AUTO_JSON json_t *good = fake_json(good_ones[i]);
        struct error error = ERROR_INIT;

        if (read_typed(good, &error) < 0)
            fail_msg("%s", error.why);
        count += spoil(good, good, "");
    }
    assert_true(count > 500);
}

static int set_up(void **state)
{
    const char *source = getenv("VMPLUG_SOURCE");
    char path[4096];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/tests/data/manifests/bad",
                   source != NULL ? source : "..");
    return chdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_types),
    };

    return cmocka_run_group_tests_name("bad manifests", tests, set_up, NULL);
}
