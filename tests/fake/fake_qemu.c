/* SPDX-License-Identifier: MIT */
/* The simulated QEMU with its guest as a program, for those who test their own tools. */
#include "tests/fake/fake_qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/signals.h"
#include "config.h"
#include "qmp/blocking.h"

#define WORDS_MAX 256
#define OPTIONS_MAX 32

static struct fake_qemu self = {.major = 7,
                                .cpus = 2,
                                .max_cpus = 4,
                                .slots = 4,
                                .base_bytes = 256 * SIM_MIB,
                                .max_bytes = 4 * SIM_GIB,
                                .ost_ms = 50,
                                .online_ms = 150};

static struct signals signals;

/* What the fakes call when they can't go on. */
void fake_fail(const char *format, ...)
{
    va_list arguments;

    (void)fputs(FAKE_QEMU ": ", stderr);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    if (self.sim != NULL)
        sim_die(self.sim);
    _exit(1);
}

/* ---- the command line ---- */

struct word {
    const struct fake_qemu_word *option;
    const char *value;
};

static _Noreturn void end_usage(void)
{
    (void)fputs(FAKE_QEMU ": see " FAKE_QEMU " --help\n", stderr);
    exit(2);
}

static size_t read_words(int argc, char *argv[], struct word words[WORDS_MAX])
{
    struct option longs[OPTIONS_MAX] = {
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {"manual", no_argument, NULL, 'M'},
    };
    size_t count = 0, i;
    int letter, index;

    for (i = 0; i < fake_qemu_option_count; i++)
        longs[3 + i] = (struct option){
            fake_qemu_options[i].name,
            fake_qemu_options[i].argument[0] != '\0' ? required_argument : no_argument, NULL, 0};
    while ((letter = getopt_long(argc, argv, "hV", longs, &index)) != -1) {
        if (letter == 'h')
            fake_qemu_help();
        else if (letter == 'M')
            fake_qemu_manual();
        else if (letter == 'V')
            (void)puts(FAKE_QEMU " " PACKAGE_VERSION);
        if (letter == 'h' || letter == 'M' || letter == 'V')
            exit(ferror(stdout) != 0 || fflush(stdout) != 0);
        if (letter != 0 || count == WORDS_MAX)
            end_usage();
        words[count++] = (struct word){&fake_qemu_options[index - 3], optarg};
    }
    if (optind < argc)
        end_usage();
    return count;
}

static void take_words(const struct word words[], size_t count, bool late)
{
    const char *wrong;
    size_t i;

    for (i = 0; i < count; i++) {
        if (words[i].option->late != late)
            continue;
        wrong = words[i].option->take(&self, words[i].value);
        if (wrong == NULL)
            continue;
        (void)fprintf(stderr, FAKE_QEMU ": --%s %s: %s\n", words[i].option->name,
                      words[i].value != NULL ? words[i].value : "", wrong);
        if (self.sim != NULL)
            sim_end(self.sim);
        exit(2);
    }
}

/* ---- the state ---- */

/* The file is always whole, and says what was so when a reply was sent. */
static void write_state(void *user, struct sim *sim)
{
    json_t *state = sim_state(sim);
    char *text = json_dumps(state, JSON_INDENT(2));
    AUTO_FREE char *other = NULL;
    FILE *file;

    (void)user;
    json_decref(state);
    if (self.written != NULL && strcmp(self.written, text) == 0) {
        free(text);
        return;
    }
    if (asprintf(&other, "%s.new", self.state) < 0)
        fake_fail("out of memory");
    file = fopen(other, "we");
    if (file == NULL || fprintf(file, "%s\n", text) < 0 || fclose(file) != 0 ||
        rename(other, self.state) < 0)
        fake_fail("cannot write %s: %s", self.state, strerror(errno));
    free(self.written);
    self.written = text;
}

/* ---- the process ---- */

static struct sim *make_sim(const struct word words[], size_t count)
{
    static struct sim_board newer;
    struct sim *sim;
    char line[64];

    newer = sim_q35;
    newer.machine = "pc-q35-10.0-machine";
    sim = self.sim = sim_new_at(self.qmp, self.agent);
    sim->lenient = true;
    sim->major = self.major;
    sim->board = self.major < 10 ? &sim_q35 : &newer;
    sim->kvm = self.kvm;
    sim->guest.has_vpd = true;
    sim_resize(sim, self.cpus, self.max_cpus, self.base_bytes, self.max_bytes, self.slots);
    take_words(words, count, true);
    sim->guest.ost_delay_ms = self.ost_ms;
    /* Behind the user's own faults, which so come first. */
    if (self.online_ms > 0) {
        (void)snprintf(line, sizeof(line), "agent guest-set-vcpus delay %g", self.online_ms);
        (void)fault_add_line(&sim->faults, line, NULL);
    }
    if (self.state != NULL) {
        sim->on_change = write_state;
        write_state(NULL, sim);
    }
    return sim;
}

/* A socket's other end names the process that began to listen on it, and vmplug keeps its record by
 * that: so the child listens, and the parent stays until it does. Returns where it is told. */
static int go_into_background(void)
{
    char ready;
    int ends[2] = {-1, -1};
    pid_t pid = pipe2(ends, O_CLOEXEC) == 0 ? fork() : -1;

    if (pid < 0)
        fake_fail("cannot go into the background: %s", strerror(errno));
    if (pid > 0) {
        close(ends[1]);
        _exit(read(ends[0], &ready, 1) == 1 ? 0 : 2); /* the child has said why */
    }
    close(ends[0]);
    (void)setsid();
    return ends[1];
}

static void let_parent_go(int ready_fd)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0 ||
        dup2(null_fd, STDERR_FILENO) < 0 || write(ready_fd, "", 1) != 1)
        fake_fail("cannot go into the background: %s", strerror(errno));
    close(null_fd);
    close(ready_fd);
}

void fake_qemu_say_ready(struct fake_qemu *fake)
{
    if (fake->ready_fd > 0)
        let_parent_go(fake->ready_fd);
    fake->ready_fd = 0;
    (void)puts("ready");
    (void)fflush(stdout);
}

static void write_pid(void)
{
    FILE *file = self.pidfile != NULL ? fopen(self.pidfile, "we") : NULL;

    if (self.pidfile == NULL)
        return;
    if (file == NULL || fprintf(file, "%d\n", (int)getpid()) < 0 || fclose(file) != 0)
        fake_fail("cannot write %s: %s", self.pidfile, strerror(errno));
}

static bool is_over(void *user)
{
    const struct sim *sim = user;

    return signals.count > 0 || sim->quit || sim->qmp.listen_fd < 0;
}

static int end(int status)
{
    if (self.pidfile != NULL)
        (void)unlink(self.pidfile);
    free(self.written);
    signals_close(&signals);
    return status;
}

int main(int argc, char *argv[])
{
    struct word words[WORDS_MAX];
    size_t count = read_words(argc, argv, words);
    struct error error = ERROR_INIT;
    struct sim *sim;

    take_words(words, count, false);
    if (self.qmp == NULL || self.cpus == 0 || self.max_cpus < self.cpus ||
        self.max_bytes < self.base_bytes) {
        (void)fputs(self.qmp == NULL ? FAKE_QEMU ": --qmp is missing\n"
                                     : FAKE_QEMU ": at least one vCPU, and no more vCPUs or memory "
                                                 "at the beginning than at most\n",
                    stderr);
        end_usage();
    }
    if (self.daemonize)
        self.ready_fd = go_into_background();
    sim = self.replay == NULL ? make_sim(words, count) : NULL;
    write_pid();
    if (signals_open(&signals, &error) < 0)
        fake_fail("%s", error.why);
    if (self.replay != NULL)
        return end(fake_qemu_replay(&self, &signals.pump, &signals.count));
    fake_qemu_say_ready(&self);
    {
        struct pump *const pumps[] = {&signals.pump, &sim->qmp.pump, &sim->agent.pump};

        (void)blocking_run(pumps, COUNT_OF(pumps), is_over, sim, CLOCK_NEVER_MS);
    }
    sim_end(sim);
    return end(0);
}
