/* SPDX-License-Identifier: MIT */
/* What vmplug-fake-qemu says of itself: --help, and its manual page. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/roff.h"
#include "config.h"
#include "tests/fake/fake_qemu.h"

#define MANUAL_DATE "2026-11-21" /* of the release */

static const char summary[] = "a QEMU and a guest's agent to test tools against";

static const char description[] =
    "vmplug-fake-qemu is a QEMU that isn't there: it listens on a QMP socket and on a guest "
    "agent's socket, and answers from a state of its own, in which vCPUs, DIMMs, virtio-mem "
    "devices, disks and CD-ROMs can be plugged in and taken out. It checks as QEMU does, in "
    "QEMU's words, and its guest takes the time that a real one takes. What goes wrong in it, and "
    "when, is for a test to say.\n\n"
    "It prints a line, ready, when its sockets listen. It ends, and removes them, by SIGTERM, by "
    "the command quit, or by a fault. Like a monitor of QEMU, each socket serves one client at a "
    "time. Commands that it does not simulate get an error that says so.";

static const char about_guest[] = "A guest does all that is expected of it, unless --guest says "
                                  "otherwise.";

static const char about_faults[] =
    "A fault is a line, SIDE COMMAND[#N] FAULT [ARGUMENT]. SIDE is qmp, agent, or any. COMMAND is "
    "the name of a command, or * for every one; it may also be greeting, or event and an event's "
    "name or *. What befalls a command befalls its reply. #3 means the third time only, #3+ every "
    "time from the third on, and #3-5 these three; with any and *, it is the third command to "
    "whichever side. The first fault that fits is the one that happens. In a script, empty lines "
    "and those that begin with # are nothing.";

static const char about_state[] =
    "The file of --state is an object: cpus, dimms, virtio_mems, nodes (block nodes, with the "
    "device that uses them), cdroms and objects are what QEMU holds; guest is what the guest has, "
    "and whether it has it online; unanswered is what the guest has been asked for and has not "
    "answered to; commands counts those that came. The file is replaced before a reply or an event "
    "tells of a change, so that whoever has heard of it can read it there.";

static const char about_replay[] =
    "With --replay there is no machine: a trace that vmplug has written with --trace is played "
    "again, run by run, each to one client, and ready is printed before each. What changes "
    "something must come as it was recorded, and what only looks may come more or fewer times; "
    "nothing waits for a clock. When something else comes, or something does not, the line of the "
    "trace is told on stderr with what was expected and what came, and the exit status is 1.";

static const struct {
    const char *does, *line;
} examples[] = {
    {"a machine to play with, in the background",
     "vmplug-fake-qemu --qmp /tmp/q --agent /tmp/a --state /tmp/s.json --daemonize"},
    {"and a tool at work on it", "vmplug -q /tmp/q -g /tmp/a cpu add 2"},
    {"a guest that refuses what is added, and one that keeps what it has",
     "vmplug-fake-qemu --qmp /tmp/q --guest adds=1/0x81 --guest removes=3/0x84,3/0x82"},
    {"the reply to the second device_add is lost, though it was carried out",
     "vmplug-fake-qemu --qmp /tmp/q --fault 'qmp device_add#2 drop'"},
    {"QEMU dies at the seventh command, whatever it is",
     "vmplug-fake-qemu --qmp /tmp/q --agent /tmp/a --fault 'any *#7 die'"},
};

/* ---- --help ---- */

static void help_words(const struct fake_qemu_word words[], size_t count, const char *before,
                       char between)
{
    char name[64];
    size_t i;

    for (i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "%s%s%c%s", before, words[i].name,
                       words[i].argument[0] != '\0' ? between : ' ', words[i].argument);
        printf("  %-22s %s\n", name, words[i].help);
    }
}

void fake_qemu_help(void)
{
    enum fault_action action;
    char name[64];
    size_t i;

    printf("usage: " FAKE_QEMU " --qmp PATH [OPTION]...\n\n%s.\n\noptions:\n", summary);
    help_words(fake_qemu_options, fake_qemu_option_count, "--", ' ');
    printf("  %-22s %s\n  %-22s %s\n", "--help", "this", "--version", "the version");
    printf("\n--guest TRAIT, a guest that...\n");
    help_words(fake_qemu_traits, fake_qemu_trait_count, "", '=');
    printf("\n--fault 'SIDE COMMAND[#N] FAULT [ARGUMENT]': SIDE is qmp, agent or any; COMMAND is\n"
           "one, or *, greeting, event NAME or event *; #3 the third, #3+ from it on, #3-5 these.\n"
           "FAULT:\n");
    for (action = 0; action < FAULT_ACTIONS; action++) {
        (void)snprintf(name, sizeof(name), "%s %s", fault_name(action), fault_argument(action));
        printf("  %-22s %s\n", name, fault_does(action));
    }
    printf("\nexamples:\n");
    for (i = 0; i < COUNT_OF(examples); i++)
        printf("  %s:\n    %s\n", examples[i].does, examples[i].line);
}

/* ---- the manual ---- */

static void print_tag(struct output *out, const char *name, const char *argument)
{
    output_print(out, ".TP\n\\fB");
    for (; *name != '\0'; name++)
        output_print(out, *name == '-' ? "\\-" : "%c", *name);
    output_print(out, "\\fR%s\\fI%s\\fR\n", argument[0] != '\0' ? " " : "", argument);
}

static void print_words(struct output *out, const struct fake_qemu_word words[], size_t count,
                        const char *before)
{
    char name[64];
    size_t i;

    for (i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "%s%s", before, words[i].name);
        print_tag(out, name, words[i].argument);
        roff_text(out, words[i].help, ".IP");
    }
}

static void print_faults(struct output *out)
{
    enum fault_action action;

    output_print(out, ".SH FAULTS\n");
    roff_text(out, about_faults, ".PP");
    for (action = 0; action < FAULT_ACTIONS; action++) {
        print_tag(out, fault_name(action), fault_argument(action));
        roff_text(out, fault_does(action), ".IP");
    }
}

void fake_qemu_manual(void)
{
    struct output out;
    size_t i;

    output_init(&out, stdout, false);
    output_print(&out, ".\\\" Made by " FAKE_QEMU " --manual.\n");
    output_print(&out, ".TH VMPLUG\\-FAKE\\-QEMU 1 %s \"vmplug %s\" \"User Commands\"\n",
                 MANUAL_DATE, PACKAGE_VERSION);
    output_print(&out, ".SH NAME\nvmplug\\-fake\\-qemu \\- %s\n", summary);
    output_print(&out, ".SH SYNOPSIS\n.B vmplug\\-fake\\-qemu\n\\fB\\-\\-qmp\\fR \\fIPATH\\fR "
                       "[\\fIOPTION\\fR]...\n");
    output_print(&out, ".SH DESCRIPTION\n");
    roff_text(&out, description, ".PP");
    output_print(&out, ".SH OPTIONS\n");
    print_words(&out, fake_qemu_options, fake_qemu_option_count, "--");
    output_print(&out, ".SH GUEST\n");
    roff_text(&out, about_guest, ".PP");
    print_words(&out, fake_qemu_traits, fake_qemu_trait_count, "");
    print_faults(&out);
    output_print(&out, ".SH STATE\n");
    roff_text(&out, about_state, ".PP");
    output_print(&out, ".SH REPLAY\n");
    roff_text(&out, about_replay, ".PP");
    output_print(&out, ".SH EXAMPLES\n");
    for (i = 0; i < COUNT_OF(examples); i++) {
        output_print(&out, "%s", i > 0 ? ".PP\n" : "");
        roff_text(&out, examples[i].does, ".PP");
        output_print(&out, ".PP\n.RS 4\n.EX\n");
        roff_literal(&out, examples[i].line);
        output_print(&out, ".EE\n.RE\n");
    }
    output_print(&out, ".SH SEE ALSO\n.BR vmplug (1),\n.BR libvmplug (3)\n");
    output_flush(&out);
}
