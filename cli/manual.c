/* SPDX-License-Identifier: MIT */
#include "cli/manual.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "cli/roff.h"
#include "config.h"
#include "qmp/limits.h"
#include "vmm/verdict.h"

#define MANUAL_DATE "2026-11-21" /* of the release */

static const char description[] =
    "vmplug adds vCPUs, memory and disks to a QEMU that is already running, and takes them back, "
    "straight over its QMP socket, and proves that the guest has them or has let them go. It needs "
    "no libvirt. With the guest agent's "
    "socket it also puts the new device online in the guest, and believes nothing but the guest's "
    "own view of it.\n\n"
    "It also takes KubeVirt's manifests, and lets a running VM become what they say "
    "(vmplug-manifest(5)).\n\n"
    "Options may stand before or after the subcommand, and may be shortened as long as they are "
    "unambiguous. What a command adds it takes back when it fails halfway, or names what is left.";

static const char ladder[] =
    "An addition climbs a ladder. Each rung has a source of its own, and vmplug says which was "
    "reached. Events only wake it up: what counts is what QEMU and the guest show when asked. A "
    "removal climbs the same ladder: realized is QEMU without the device, acknowledged the guest's "
    "last word, and removed that the guest shows it no more and that its backend or block node has "
    "gone, too.";

static const struct {
    enum rung rung;
    const char *proof;
} rungs[] = {
    {RUNG_ACCEPTED, "QEMU answered device_add, and what goes before it, without an error. The "
                    "device may still be without effect."},
    {RUNG_REALIZED, "QEMU's own inventory shows the device: the slot of query-hotpluggable-cpus is "
                    "taken by it, query-memory-devices or query-block lists it. The guest may not "
                    "know of it."},
    {RUNG_ACKNOWLEDGED,
     "The guest's firmware interface (ACPI) evaluated _OST for the slot, with success: the guest "
     "heard of the device. It may not use it: Linux says so of memory that it then leaves offline. "
     "vCPUs and DIMMs on machines that relay it (pc, q35) only. Disks have no such rung, and a "
     "rung that is not there counts as the one below it."},
    {RUNG_ONLINE,
     "The guest shows it in use, through its agent: guest-get-vcpus has the new CPU online; every "
     "memory block of the DIMM's address range is online; guest-get-disks lists a disk with this "
     "serial number, or reading the disk's identity inside the guest yields it. Whoever looks "
     "inside the guest at this moment sees it. No _OST is needed for that."},
};

_Static_assert(COUNT_OF(rungs) == RUNGS_, "every rung is explained");

static const struct {
    enum verdict verdict;
    const char *meaning;
} verdicts[] = {
    {VERDICT_ONLINE, "The guest has it: confirmed by every source that this VM has."},
    {VERDICT_REMOVED, "It has gone from QEMU and from the guest: confirmed likewise."},
    {VERDICT_DONE, "A change was made (resize, throttle, a medium), or there was nothing to do, or "
                   "only a plan was asked for."},
    {VERDICT_ACCEPTED, "As far as --wait asked for; no more was looked at."},
    {VERDICT_REALIZED, "As far as --wait asked for; no more was looked at."},
    {VERDICT_ACKNOWLEDGED, "As far as --wait asked for; no more was looked at."},
    {VERDICT_UNCONFIRMED,
     "QEMU has it. What would prove the guest's side is lacking, and named in missing: agent, "
     "agent-command (the agent may not be asked that), ost, or disk-identity."},
    {VERDICT_REJECTED,
     "QEMU refused, and error has its class and its words. Nothing is left behind."},
    {VERDICT_REFUSED, "The guest refused. What it refused to take is taken back in the time that "
                      "--timeout leaves. left names what has not gone by then; where the guest was "
                      "asked for it, vmplug wait sees to the end of that."},
    {VERDICT_PENDING,
     "The time of --timeout is over, or the agent's connection ended midway, and the request still "
     "stands. awaiting names the rung. No device takes longer than a tenth of a second beyond it: "
     "what could not be undone by then is named in left, too."},
    {VERDICT_BLOCKED, "A ceiling or a prerequisite forbids it: no room is left, a file is missing, "
                      "an id is taken or not known, a migration is under way, or QEMU would not "
                      "survive it. Nothing was sent, and error says what to change."},
    {VERDICT_UNPROVEN, "--wait asked for more than this VM can prove. Nothing was sent."},
    {VERDICT_LOST, "The connection, or QEMU itself, ended midway."},
    {VERDICT_PARTIAL, "Of several devices, some succeeded; each has a line of its own."},
    {VERDICT_INTERRUPTED,
     "SIGINT, SIGTERM or SIGHUP came. What was half-made has been taken back, and left names what "
     "stands. A second signal ends vmplug at once."},
    {VERDICT_ERROR, "Anything else; the exit status is 1, 2 or 3."},
};

_Static_assert(COUNT_OF(verdicts) == VERDICTS_, "every verdict is explained");

static const struct {
    const char *code;
    const char *meaning;
} exits[] = {
    {"0", "The verdicts online, removed, done and unconfirmed, and the rung that --wait asked "
          "for."},
    {"1", "Anything that is not below."},
    {"2", "The command line is wrong."},
    {"3", "No connection: no such socket, the monitor is held by another client, or what answers "
          "is not QMP."},
    {"4", "rejected; for qmp and agent: an error reply."},
    {"5", "refused."},
    {"6", "pending."},
    {"7", "blocked."},
    {"8", "unproven."},
    {"9", "lost."},
    {"10", "partial."},
    {"11", "plan: there are changes to make."},
    {"130", "interrupted."},
};

static const char json[] =
    "With --json, stdout has one JSON object a line and nothing else. What can't be known is null, "
    "never a guess. What concerns one device prints one object when it ends:";

static const char json_example[] =
    "{\"operation\":\"cpu-add\",\"id\":\"vmplug-cpu-1\",\"verdict\":\"online\",";

static const char json_rest[] =
    "with stages (each with its time in milliseconds, an acknowledgement's ost and a vCPU's "
    "logical_ids), missing, elapsed_ms, where they apply awaiting, left and error (class, desc and "
    "fix), and what is known of the device (slot, addr, lun, guest_name and so on).\n\n"
    "What may concern several devices prints the object of each, and in the end "
    "{\"summary\":true,\"verdict\":...,\"asked\":N,\"done\":N,\"elapsed_ms\":...}, whose verdict "
    "decides the exit status: the common one when all succeeded, partial when some did, else that "
    "of the one that failed, as with --atomic when all is taken back. With nothing to do there is "
    "the summary alone. A failure without a device prints an object with operation, verdict and "
    "error. With --dry-run the verdict is done, and would_send has the commands.\n\n"
    "The other subcommands:";

static const struct {
    const char *command, *text;
} json_objects[] = {
    {"status", "vm (name, uuid, state, machine, arch, accel, qemu), board (of cpu, dimm, "
               "virtio-mem and disk each: grow, shrink, signal, by_itself, unit_bytes, reason, "
               "fix), cpus, memory, disks, scsi_buses, cdroms, agent (connected, version, reason) "
               "and pending (operation, id, present)."},
    {"cpu list", "The same as status's cpus: present, max, online, hotpluggable and slots, of each "
                 "slot, id, present, removable, vcpus, thread_id and props."},
    {"memory list", "The same as its memory: base_bytes, plugged_bytes, total_bytes, max_bytes, "
                    "slots_total, slots_used, block_bytes, online_bytes and devices, of each id, "
                    "kind, bytes, slot, node, addr, removable and online_bytes, where it is not "
                    "removable removable_reason, and of a virtio-mem requested_bytes, max_bytes "
                    "and block_bytes."},
    {"disk list", "An array: of each disk id, bus, lun, file, format, bytes, read_only, serial, "
                  "guest_name and removable."},
    {"disk throttle", "Without an option: id, iops, iops_rd, iops_wr, bps, bps_rd and bps_wr."},
    {"cdrom list", "An array: of each drive id, tray (open or closed), file and locked."},
    {"doctor", "can (of each WHAT true, false or null) and checks, of each name, result (yes, no "
               "or unknown), reason and fix."},
    {"audit", "clean; findings, of each kind, id, owner (vmplug or other), detail and action; and "
              "unseen, of each what and reason."},
    {"events", "QEMU's object with monotonic_ms and, of ACPI_DEVICE_OST, meaning."},
    {"qmp, agent", "What was returned, as it is."},
    {"plan", "Of each VM an object: vm, operations (of each operation, what, reason, and where "
             "they apply volume, id, file and target) and blocked (of each path, reason, fix and "
             "restart_required); running, which is false, of one that does not run, and then apply "
             "and patch print it, too."},
    {"apply, patch", "Of what is blocked operation, verdict, path, error and restart_required; "
                     "then what is done, as above, and a summary."},
    {"launch, adopt, forget, stop",
     "operation, id (the VM's name) and verdict; of launch pid, qmp and agent, or command with "
     "--print; of stop by (agent, acpi, quit, kill, or none when it had ended)."},
    {"get vm, get vmi", "The object, in KubeVirt's fields; without a name a List of them."},
    {"version", "vmplug, qemu and agent."},
};

static void print_head(struct output *out, const char *title)
{
    output_print(out, ".SH %s\n", title);
}

/* A phrase of the tables, as a sentence. */
static void print_sentence(struct output *out, const char *phrase, const char *stop)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "%s%s", phrase, stop);
    if (text[0] >= 'a' && text[0] <= 'z' && strncmp(text, "vmplug", 6) != 0)
        text[0] = (char)(text[0] - 'a' + 'A');
    roff_text(out, text, ".PP");
}

/* A tagged paragraph's tag, in bold. */
static void print_tag(struct output *out, const char *tag)
{
    output_print(out, ".TP\n.B ");
    roff_argument(out, tag);
    output_print(out, "\n");
}

static void print_option(struct output *out, const struct option_spec *spec)
{
    output_print(out, ".TP\n");
    if (spec->letter != 0)
        output_print(out, "\\fB\\-%c\\fR, ", spec->letter);
    output_print(out, "\\fB\\-\\-");
    for (const char *at = spec->name; *at != '\0'; at++)
        output_print(out, *at == '-' ? "\\-" : "%c", *at);
    output_print(out, "\\fR");
    if (spec->argument != NULL)
        output_print(out, " \\fI%s\\fR", spec->argument);
    output_print(out, "\n");
    print_sentence(out, spec->help, ".");
}

static void print_options(struct output *out, uint64_t options)
{
    size_t i;

    for (i = 0; i < OPTIONS_; i++) {
        if ((options & OPTION_BIT(i)) != 0)
            print_option(out, options_spec((enum option_key)i));
    }
}

/* Options that most commands take are explained once, all others where they belong. */
static void print_command(struct output *out, const struct command *command)
{
    const struct command_example *example;

    output_print(out, ".SS \"vmplug %s%s%s\"\n", command->name,
                 command->operands[0] != '\0' ? " " : "", command->operands);
    print_sentence(out, command->summary, ".");
    output_print(out, ".PP\n");
    roff_text(out, command->help, ".PP");
    if ((command->options & OPTION_BIT(OPTION_WAIT)) != 0)
        output_print(out, ".PP\nTakes\n.BR \\-\\-wait .\n");
    print_options(out, command->options & ~OPTIONS_COMMON);
    for (example = command->examples; example->line != NULL; example++) {
        output_print(out, ".PP\n");
        print_sentence(out, example->does, ":");
        output_print(out, ".PP\n.RS 4\n.EX\nvmplug ");
        roff_literal(out, example->line);
        output_print(out, ".EE\n.RE\n");
    }
}

static void print_commands(struct output *out, const struct command_group *const *groups)
{
    size_t i;

    print_head(out, "SUBCOMMANDS");
    for (; *groups != NULL; groups++) {
        for (i = 0; i < (*groups)->count; i++)
            print_command(out, &(*groups)->commands[i]);
    }
}

static void print_ladder(struct output *out)
{
    size_t i;

    print_head(out, "WHAT EACH RUNG PROVES");
    roff_text(out, ladder, ".PP");
    for (i = 0; i < COUNT_OF(rungs); i++) {
        print_tag(out, rung_name(rungs[i].rung));
        roff_text(out, rungs[i].proof, ".IP");
    }
}

static void print_verdicts(struct output *out)
{
    char tag[64];
    size_t i;

    print_head(out, "VERDICTS");
    for (i = 0; i < COUNT_OF(verdicts); i++) {
        (void)snprintf(tag, sizeof(tag), "%s (%d)", verdict_name(verdicts[i].verdict),
                       verdict_exit_code(verdicts[i].verdict));
        print_tag(out, tag);
        roff_text(out, verdicts[i].meaning, ".IP");
    }
    print_head(out, "EXIT STATUS");
    for (i = 0; i < COUNT_OF(exits); i++) {
        print_tag(out, exits[i].code);
        roff_text(out, exits[i].meaning, ".IP");
    }
    output_print(out, ".PP\n");
    roff_text(out, "A failure is told in one line on stderr: what, why, and what to do about it.",
              ".PP");
}

static void print_json(struct output *out)
{
    size_t i;

    print_head(out, "JSON");
    roff_text(out, json, ".PP");
    output_print(out, ".PP\n.RS 4\n.EX\n");
    roff_literal(out, json_example);
    roff_literal(out, " \"stages\":[...],\"missing\":[],\"elapsed_ms\":633.1}");
    output_print(out, ".EE\n.RE\n.PP\n");
    roff_text(out, json_rest, ".PP");
    for (i = 0; i < COUNT_OF(json_objects); i++) {
        print_tag(out, json_objects[i].command);
        roff_text(out, json_objects[i].text, ".IP");
    }
}

static void print_environment(struct output *out)
{
    const struct option_spec *spec;
    char meaning[128];
    size_t i;

    print_head(out, "ENVIRONMENT");
    for (i = 0; i < OPTIONS_; i++) {
        spec = options_spec((enum option_key)i);
        if (spec->variable == NULL)
            continue;
        print_tag(out, spec->variable);
        (void)snprintf(meaning, sizeof(meaning), "Stands for --%s where that is not given.",
                       spec->name);
        roff_text(out, meaning, ".IP");
    }
    print_tag(out, "XDG_RUNTIME_DIR");
    roff_text(out, "Where the record of requests is kept, and the sockets of VMs with a name; see "
                   "FILES.", ".IP");
    print_tag(out, "XDG_STATE_HOME");
    roff_text(out, "Where manifests are stored; see FILES.", ".IP");
    print_tag(out, "VMPLUG_QEMU");
    roff_text(out, "The QEMU that launch starts, where the manifest names none.", ".IP");
    print_tag(out, "NO_COLOR");
    roff_text(out, "When it is set and not empty, a terminal gets no colour.", ".IP");
}

static const struct {
    const char *what;
    size_t qmp, agent; /* 0: does not apply */
    bool bytes;
} limits[] = {
    {"bytes in a message", LIMITS_QMP_MESSAGE_BYTES, LIMITS_AGENT_MESSAGE_BYTES, true},
    {"levels of nesting in it", LIMITS_QMP_DEPTH, LIMITS_AGENT_DEPTH, false},
    {"values in it", LIMITS_QMP_VALUES, LIMITS_AGENT_VALUES, false},
    {"commands in flight at once", LIMITS_QMP_WINDOW, 1, false},
    {"commands that wait for an answer", LIMITS_QMP_PENDING, LIMITS_AGENT_PENDING, false},
    {"bytes read at once", LIMITS_READ_BYTES, LIMITS_READ_BYTES, true},
    {"slots of a kind whose last _OST is kept", LIMITS_OST_SLOTS, 0, false},
};

static const char *format_limit(size_t limit, bool bytes, char text[SIZE_TEXT_MAX])
{
    if (limit == 0)
        return "-";
    if (bytes)
        return size_format(limit, text);
    (void)snprintf(text, SIZE_TEXT_MAX, "%zu", limit);
    return text;
}

static const char held_vms[] =
    "A monitor serves one client. Where that is vmplugd (vmplugd(8)), every subcommand goes "
    "through it, without being told to, and says the same: the daemon leaves a mark for each "
    "socket that it holds, in held/ beside the records (FILES). Any number may look at a VM "
    "at once; those that change it wait for each other, and for the daemon. Its policy says "
    "who may do what: what is forbidden QEMU is not asked, and the command ends as if QEMU "
    "had refused it (rejected). A daemon that was killed is nobody, and its VMs are spoken "
    "with directly. Descriptors can't be passed through it, and no command can be sent out of "
    "band.\n\napply and patch store what is to be, have the daemon wait, and do it. A daemon "
    "that another user runs keeps its own manifests: with --api-socket PATH, plan, apply, "
    "patch and get are about those, and the daemon does what is to be done, also when nobody "
    "waits any more. Then --qmp, --agent, --wait, --force and --dry-run don't go with it, its "
    "--timeout counts, and the rungs are shown when all is done.";

static void print_limits(struct output *out)
{
    char qmp[SIZE_TEXT_MAX], agent[SIZE_TEXT_MAX], text[128];
    size_t i;

    print_head(out, "LIMITS");
    roff_text(out,
              "What vmplug takes from QEMU and from the guest agent is bounded. Of QEMU, too large "
              "a message ends the connection (lost); of the agent, whose end of the line is in the "
              "guest, it counts as no answer. Events are not queued: each is dealt with when it "
              "is read, and what has not been read waits in the socket. A trace file ends at "
              "256 MiB.",
              ".PP");
    for (i = 0; i < COUNT_OF(limits); i++) {
        (void)snprintf(text, sizeof(text), "QEMU: %s; agent: %s.",
                       format_limit(limits[i].qmp, limits[i].bytes, qmp),
                       format_limit(limits[i].agent, limits[i].bytes, agent));
        print_tag(out, limits[i].what);
        roff_text(out, text, ".IP");
    }
}

/* What README's table does not say. */
static const struct {
    const char *board, *text;
} boards[] = {
    {"pseries",
     "The guest puts vCPUs and memory online by itself: memory where its kernel may use all of it, "
     "unless it was booted with memhp_default_state=online_movable, or has online_movable in "
     "/sys/devices/system/memory/auto_online_blocks. What is not movable goes, too, while the "
     "kernel has nothing in it. There is no _OST. That the guest refuses, QEMU tells by the event "
     "DEVICE_UNPLUG_GUEST_ERROR: of a core, and of a DIMM when the guest had given a part of it "
     "away before it came to the LMB that can't go. Of a DIMM of one LMB, or whose first can't "
     "go, Linux says nothing: the removal ends as pending. QEMU then holds the request, takes "
     "no other for this DIMM, and takes the DIMM away when the guest is reset.\n\n"
     "Its host bridge takes PCI devices, but the guest shows them only where rtas_errd runs; "
     "vmplug plugs none."},
    {"virt of arm64",
     "Memory can be plugged where UEFI boots the guest, disks and virtio-mem into a "
     "pcie-root-port. UEFI tells the guest of its flash, and Linux has a memory block for it: "
     "where QEMU has no memory, blocks are not counted as online."},
    {"microvm",
     "Only disks on a virtio-scsi bus (virtio-scsi-device). With pcie=on it takes devices in a "
     "pcie-root-port that Linux never sees. With acpi=off a Linux without "
     "CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES, such as Debian's, finds no virtio device at all."},
    {"s390-ccw-virtio",
     "vCPUs come and can't go; disks on a virtio-scsi bus (virtio-scsi-ccw). Tested without a "
     "guest, as are virt of riscv64 and of loongarch64."},
};

static void print_boards(struct output *out)
{
    size_t i;

    print_head(out, "BOARDS");
    roff_text(out, "vmplug status shows what this board can grow and vmplug doctor why not. "
                   "Beyond that:", ".PP");
    for (i = 0; i < COUNT_OF(boards); i++) {
        print_tag(out, boards[i].board);
        roff_text(out, boards[i].text, ".IP");
    }
}

/* Each has been seen on both. */
static const struct {
    const char *what;
    const char *older, *newer; /* 7.2 and 10.0 */
    const char *known;         /* by what, and what comes of it */
} versions[] = {
    {"vCPU hotplug on a board without it",
     "\"The feature 'query-hotpluggable-cpus' is not enabled\"",
     "\"machine does not support hot-plugging CPUs\"",
     "Known by the error, whatever its words; cpu add is blocked, and the reason has them"},
    {"vCPUs of loongarch virt", "can't be hotplugged", "can",
     "Known by query-hotpluggable-cpus"},
    {"virtio-mem-pci on s390x", "no such device", "there is one",
     "Known by device-list-properties"},
    {"A virtio-mem's removal", "\"virtio based memory devices cannot be unplugged\"",
     "QEMU takes the request", "Not asked of either: memory resize to 0 gives all of it back"},
    {"device_add's arguments of a wrong type", "taken or dropped", "refused",
     "Numbers and booleans are sent as such, and those of a slot as QEMU itself gave them"},
    {"An id that is no identifier", "refused", "taken", "Checked before anything is sent"},
    {"A refused DIMM of pseries", "the event MEM_UNPLUG_ERROR, and DEVICE_UNPLUG_GUEST_ERROR",
     "DEVICE_UNPLUG_GUEST_ERROR alone", "Either ends the wait; BOARDS says when there is none"},
    {"A vCPU's removal under emulation (TCG), on x86",
     "corrupts QEMU's memory, and the next vCPU, DIMM or reset kills it",
     "spends one of maxcpus for good, and QEMU dies of one too many",
     "QEMU tells nothing of its defects, so this is known by the version; what would kill it is "
     "blocked, unless --force is given"},
    {"The same on pseries", "as on x86", "mostly kills QEMU at once",
     "By the version, too: with 10.0 the removal itself is blocked, here and wherever it is not "
     "x86"},
    {"A core's addition under emulation, on pseries", "does no harm",
     "now and then lets the guest's first vCPU sleep for ever", "By nothing, and not blocked"},
};

static void print_versions(struct output *out)
{
    char text[512];
    size_t i;

    print_head(out, "QEMU VERSIONS");
    roff_text(out,
              "vmplug is tested on QEMU 7.2 and 10.0. What differs between them it learns from "
              "QEMU's answers, except where the difference is a defect.",
              ".PP");
    for (i = 0; i < COUNT_OF(versions); i++) {
        (void)snprintf(text, sizeof(text), "7.2: %s. 10.0: %s. %s.", versions[i].older,
                       versions[i].newer, versions[i].known);
        print_tag(out, versions[i].what);
        roff_text(out, text, ".IP");
    }
}

static const char trace_lines[] =
    "--trace appends to its file, which it makes readable for its owner only, and stops, with a "
    "line on stderr, when it has reached 256 MiB. A line is a JSON object with ms (of the host's "
    "monotonic clock), channel (qmp, agent or vmplug), direction (sent or received) and message, "
    "or text for what is no JSON; delimited is true where the byte 0xFF came first. The direction "
    "closed tells that the other side has ended the connection. The first line of a run has the "
    "direction begin, with trace (the version of this format, 1), version (vmplug's), arguments "
    "and the sockets; the last one end, with exit, or with limit where the trace was cut.\n\n"
    "Secrets are written as ***, there and by --verbose: passwords and passphrases, a secret "
    "object's data, what guest-exec is given and prints, and users and passwords in URIs. So are "
    "the contents of the guest's files, but for those that vmplug itself reads and writes, below "
    "/sys and /proc. Ids, paths and serial numbers are shown as they are.";

static void print_files_and_trace(struct output *out)
{
    print_head(out, "FILES");
    roff_text(out,
              "The requests that stand are recorded in $XDG_RUNTIME_DIR/vmplug, in a file for each "
              "QEMU process; where that variable is not set, in /run/vmplug as root, and in "
              "/tmp/vmplug-UID as another user. A vmplug that another user runs, or that cron or "
              "sudo runs with another XDG_RUNTIME_DIR, does not see them: set the same for all.\n\n"
              "Beside them, in vm/NAME, are the sockets and logs of a VM that was launched or "
              "adopted. What is stored of it, such as its manifest, is in $XDG_STATE_HOME/vmplug; "
              "where that variable is not set, in ~/.local/state/vmplug, and as root in "
              "/var/lib/vmplug. vmplug-manifest(5) says what each file is.",
              ".PP");
    print_head(out, "TRACE");
    roff_text(out, trace_lines, ".PP");
    print_head(out, "SEE ALSO");
    output_print(out, ".BR vmplug\\-fake\\-qemu (1),\n.BR qemu\\-system\\-x86_64 (1),\n"
                      ".BR qemu\\-img (1),\n.BR libvmplug (3),\n"
                      ".BR vmplug\\-manifest (5),\n.BR qemu\\-ga (8),\n"
                      ".BR vmplugd (8)\n");
}

void manual_print(struct output *out, const struct command_group *const *groups)
{
    output_print(out, ".\\\" Made by vmplug-generate.\n");
    output_print(out, ".TH VMPLUG 1 %s \"vmplug %s\" \"User Commands\"\n", MANUAL_DATE,
                 PACKAGE_VERSION);
    print_head(out, "NAME");
    output_print(out, "vmplug \\- add vCPUs, memory and disks to a running QEMU, take them back, "
                      "and prove it\n");
    print_head(out, "SYNOPSIS");
    output_print(out, ".B vmplug\n[\\fIOPTION\\fR]... \\fISUBCOMMAND\\fR [\\fIOPERAND\\fR]...\n");
    print_head(out, "DESCRIPTION");
    roff_text(out, description, ".PP");
    print_ladder(out);
    print_head(out, "OPTIONS");
    print_options(out, OPTIONS_COMMON);
    print_commands(out, groups);
    print_verdicts(out);
    print_json(out);
    print_environment(out);
    print_head(out, "VMS THAT A DAEMON HOLDS");
    roff_text(out, held_vms, ".PP");
    print_limits(out);
    print_boards(out);
    print_versions(out);
    print_files_and_trace(out);
}
