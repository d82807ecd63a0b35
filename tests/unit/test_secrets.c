/* SPDX-License-Identifier: MIT */
/* Whatever may be secret on its way to or from QEMU and the agent, "geheim" below, is in no trace,
 * not on --verbose's stderr, and in no message of an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/trace.h"
#include "qmp/codec.h"
#include "tests/fake/fake.h"

struct message {
    const char *channel;
    bool sent;
    const char *json; /* ' stands for " */
};

#define SENT true
#define RECEIVED false

/* Shows the messages to a trace with --verbose; returns the file and what stderr got, as one. */
static char *show(const struct message *messages, size_t count)
{
    char path[256];
    FILE *heard = tmpfile(), *file;
    int stderr_fd = dup(STDERR_FILENO);
    struct error error = ERROR_INIT;
    struct trace trace;
    struct tap tap;
    char *text = calloc(1, 1 << 16);
    size_t used, i;

    (void)snprintf(path, sizeof(path), "%s", fake_path("trace"));
    (void)unlink(path);
    assert_int_equal(trace_open(&trace, path, true, &error), 0);
    tap = trace_tap(&trace);
    fflush(stderr);
    (void)dup2(fileno(heard), STDERR_FILENO);
    for (i = 0; i < count; i++) {
        AUTO_FREE char *json = strdup(messages[i].json);

        for (char *at = json; *at != '\0'; at++)
            *at = *at == '\'' ? '"' : *at;
        tap.message(tap.user, messages[i].channel, messages[i].sent, json, strlen(json));
    }
    (void)dup2(stderr_fd, STDERR_FILENO);
    close(stderr_fd);
    trace_close(&trace);
    rewind(heard);
    used = fread(text, 1, 1 << 15, heard);
    fclose(heard);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_true(fread(text + used, 1, 1 << 15, file) > 0);
    fclose(file);
    return text;
}

static void assert_hidden(const struct message *messages, size_t count)
{
    AUTO_FREE char *text = show(messages, count);

    if (strstr(text, "geheim") != NULL)
        fail_msg("shown: %s", text);
    assert_non_null(strstr(text, "***"));
}

static void assert_shown(const struct message *messages, size_t count)
{
    AUTO_FREE char *text = show(messages, count);

    if (strstr(text, "offen") == NULL || strstr(text, "***") != NULL)
        fail_msg("hidden: %s", text);
}

static void test_sent(void **state)
{
    static const struct message messages[] = {
        {"qmp", SENT, "{'execute':'object-add','arguments':{'qom-type':'secret','id':'s',"
                      "'data':'geheim'},'id':1}"},
        {"qmp", SENT, "{'execute':'set_password','arguments':{'protocol':'vnc',"
                      "'password':'geheim'},'id':1}"},
        {"qmp", SENT, "{'execute':'change-vnc-password','arguments':{'password':'geheim'},'id':1}"},
        {"qmp", SENT, "{'execute':'qom-set','arguments':{'path':'/objects/s','property':'data',"
                      "'value':'geheim'},'id':1}"},
        {"qmp", SENT, "{'execute':'blockdev-add','arguments':{'driver':'raw','file':{"
                      "'driver':'https','url':'https://me:geheim@host/x'}},'id':1}"},
        {"qmp", SENT, "{'execute':'blockdev-add','arguments':{'driver':'raw','file':{"
                      "'driver':'x','password':'geheim'}},'id':1}"},
        {"qmp", SENT, "{'execute':'human-monitor-command','arguments':{"
                      "'command-line':'set_password vnc geheim'},'id':1}"},
        {"qmp", SENT, "{'execute':'human-monitor-command','arguments':{"
                      "'command-line':'object_add secret,id=s,data=geheim'},'id':1}"},
        {"qmp", SENT, "{'execute':'ringbuf-write','arguments':{'device':'r','data':'geheim'},"
                      "'id':1}"},
        {"qmp", SENT, "{'execute':'sev-inject-launch-secret','arguments':{"
                      "'packet-header':'geheim','secret':'geheim'},'id':1}"},
        {"agent", SENT, "{'execute':'guest-set-user-password','arguments':{'username':'root',"
                        "'password':'geheim','crypted':false}}"},
        {"agent", SENT, "{'execute':'guest-exec','arguments':{'path':'/bin/sh',"
                        "'arg':['-c','geheim'],'env':['A=geheim'],'input-data':'geheim'}}"},
        {"agent", SENT, "{'execute':'guest-file-write','arguments':{'handle':7,"
                        "'buf-b64':'geheim'}}"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(messages); i++)
        assert_hidden(&messages[i], 1);
}

static void test_received(void **state)
{
    static const struct message exchanges[][2] = {
        {{"qmp", SENT, "{'execute':'qom-get','arguments':{'path':'/objects/s',"
                       "'property':'data'},'id':3}"},
         {"qmp", RECEIVED, "{'return':'geheim','id':3}"}},
        {{"qmp", SENT, "{'execute':'ringbuf-read','arguments':{'device':'r','size':9},'id':3}"},
         {"qmp", RECEIVED, "{'return':'geheim','id':3}"}},
        {{"qmp", SENT, "{'execute':'ringbuf-read','arguments':{'device':'r','size':9},'id':3}"},
         {"qmp", RECEIVED, "{'return':'geheim"}},
        {{"qmp", SENT, "{'execute':'query-x','id':3}"},
         {"qmp", RECEIVED, "{'return':[{'a':{'password':'geheim'}}],'id':3}"}},
        {{"qmp", SENT, "{'execute':'blockdev-add','arguments':{},'id':3}"},
         {"qmp", RECEIVED, "{'error':{'class':'GenericError',"
                           "'desc':'Could not open \\'https://me:geheim@host/x\\''},'id':3}"}},
        {{"agent", SENT, "{'execute':'guest-exec-status','arguments':{'pid':3}}"},
         {"agent", RECEIVED, "{'return':{'exited':true,'out-data':'geheim','err-data':'geheim'}}"}},
        {{"agent", SENT, "{'execute':'guest-file-read','arguments':{'handle':7}}"},
         {"agent", RECEIVED, "{'return':{'count':3,'buf-b64':'geheim','eof':true}}"}},
        {{"agent", SENT, "{'execute':'guest-file-read','arguments':{'handle':7}}"},
         {"agent", RECEIVED, "{'return':{'buf-b64':geheim"}},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(exchanges); i++)
        assert_hidden(exchanges[i], 2);
}

/* The contents of the guest's files are a secret, unless they are the kernel's about itself. */
static void test_files(void **state)
{
    static const struct message own[] = {
        {"agent", SENT, "{'execute':'guest-file-open','arguments':{'path':'/etc/shadow'}}"},
        {"agent", RECEIVED, "{'return':7}"},
        {"agent", SENT, "{'execute':'guest-file-read','arguments':{'handle':7}}"},
        {"agent", RECEIVED, "{'return':{'buf-b64':'geheim'}}"},
    };
    static const struct message astray[] = {
        {"agent", SENT, "{'execute':'guest-file-open','arguments':{'path':'/sys/../etc/shadow'}}"},
        {"agent", RECEIVED, "{'return':7}"},
        {"agent", SENT, "{'execute':'guest-file-read','arguments':{'handle':7}}"},
        {"agent", RECEIVED, "{'return':{'buf-b64':'geheim'}}"},
    };
    static const struct message kernels[] = {
        {"agent", SENT, "{'execute':'guest-file-open','arguments':{'path':'/sys/block/sda/size'}}"},
        {"agent", RECEIVED, "{'return':8}"},
        {"agent", SENT, "{'execute':'guest-file-read','arguments':{'handle':8}}"},
        {"agent", RECEIVED, "{'return':{'buf-b64':'offen'}}"},
        {"agent", SENT, "{'execute':'guest-file-write','arguments':{'handle':8,'buf-b64':'x'}}"},
    };

    (void)state;
    assert_hidden(own, COUNT_OF(own));
    assert_hidden(astray, COUNT_OF(astray));
    assert_shown(kernels, COUNT_OF(kernels));
}

/* What names a secret, or only looks like one, is needed to understand a trace. */
static void test_harmless(void **state)
{
    static const struct message messages[] = {
        {"qmp", SENT, "{'execute':'blockdev-add','arguments':{'password-secret':'offen'},'id':1}"},
        {"qmp", SENT, "{'execute':'object-add','arguments':{'qom-type':'tls-creds-x509',"
                      "'passwordid':'offen'},'id':1}"},
        {"qmp", RECEIVED, "{'event':'X','data':{'data':'offen'}}"},
        {"qmp", RECEIVED, "{'return':{'filename':'nbd://host:10809/offen'},'id':1}"},
        {"qmp", SENT, "{'execute':'human-monitor-command','arguments':{"
                      "'command-line':'info offen'},'id':1}"},
        {"agent", SENT, "{'execute':'guest-ssh-add-authorized-keys','arguments':{"
                        "'username':'u','keys':['offen']}}"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(messages); i++)
        assert_shown(&messages[i], 1);
}

static void test_credentials(void **state)
{
    static const char *const texts[][2] = {
        {"https://me:geheim@host/x", "https://***@host/x"},
        {"'nbd://me:ge@heim@host' and ssh://u@h/", "'nbd://***@host' and ssh://*@h/"},
        {"https://host/a@b", "https://host/a@b"},
        {"http://", "http://"},
    };
    struct error error = ERROR_INIT;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(texts); i++) {
        AUTO_FREE char *text = strdup(texts[i][0]);

        text_hide_credentials(text);
        assert_string_equal(text, texts[i][1]);
    }
    (void)error_set_reply(&error, "GenericError", "Could not open 'https://me:geheim@host/x'");
    assert_string_equal(error.why, "Could not open 'https://***@host/x'");
}

/* A command line that is not well-formed is said to be so, without repeating it. */
static void test_bad_json_is_not_repeated(void **state)
{
    static const char *const texts[] = {"{\"password\": \"geheim\" x}", "{\"a\": \"geheim",
                                        "{\"geheim\": 1, \"geheim\": 2}", "{\"a\": geheim}"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(texts); i++) {
        struct error error = ERROR_INIT;

        assert_null(codec_parse(texts[i], &error));
        if (strstr(error.why, "geheim") != NULL)
            fail_msg("%s", error.why);
    }
}

/* The program itself, on command lines that go wrong. */
static void test_command_lines(void **state)
{
    static const char *const lines[] = {
        "qmp set_password '{\"password\": \"geheim\" x}'",
        "qmp set_password '{}' geheim",
        "--verbose qmp set_password '{\"password\": \"geheim\"}'",
        "agent --agent /nonexistent guest-exec ' {\"arg\": [\"geheim\"]}'",
        "--json disk add nbd://me:geheim@host/x",
        "disk add https://me:geheim@host/x.qcow2",
    };
    const char *program = getenv("VMPLUG");
    char command[1024], said[4096];
    size_t used, i;
    FILE *pipe;

    (void)state;
    for (i = 0; i < COUNT_OF(lines); i++) {
        (void)snprintf(command, sizeof(command), "%s --qmp /nonexistent --trace %s %s 2>&1; cat %s",
                       program != NULL ? program : "./vmplug", fake_path("run"), lines[i],
                       fake_path("run"));
        (void)unlink(fake_path("run"));
        pipe = popen(command, "re");
        assert_non_null(pipe);
        used = fread(said, 1, sizeof(said) - 1, pipe);
        said[used] = '\0';
        (void)pclose(pipe);
        assert_non_null(strstr(said, "vmplug: "));
        if (strstr(said, "geheim") != NULL)
            fail_msg("%s: %s", lines[i], said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sent),        cmocka_unit_test(test_received),
        cmocka_unit_test(test_files),       cmocka_unit_test(test_harmless),
        cmocka_unit_test(test_credentials), cmocka_unit_test(test_bad_json_is_not_repeated),
        cmocka_unit_test(test_command_lines),
    };

    return cmocka_run_group_tests_name("cli/secrets", tests, NULL, NULL);
}
