/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "cli/suggest.h"
#include "vmm/vm_directory.h"
#include "vmm/words.h"

#define DEFAULT_TIMEOUT_MS 60000
#define GRACE_SECONDS_MAX 86400
#define SECONDS_MAX 1e9
#define SECONDS_MAX_TEXT "1000000000, which is some thirty years"
/* '-': operands in their order; ':': tell a missing argument apart. */
#define LETTERS "-:q:g:n:f:o:p:vh"
#define LIMIT_MAX UINT64_C(1000000000000000) /* QEMU's THROTTLE_VALUE_MAX */
#define CODE_BASE 256 /* codes of long options: apart from letters */

int options_read_number(const char *what, const char *text, uint64_t minimum, uint64_t maximum,
                        uint64_t *ret, struct error *error)
{
    uintmax_t number;
    char *end;

    errno = 0;
    number = strtoumax(text, &end, 10);
    if (isdigit((unsigned char)text[0]) && *end == '\0' && errno == 0 && number >= minimum &&
        number <= maximum) {
        *ret = number;
        return 0;
    }
    (void)error_set(error, ERROR_INVALID, "", "%s: '%s' is no whole number from %" PRIu64
                    " to %" PRIu64, what, text, minimum, maximum);
    error_advise(error, "write digits only, for example %" PRIu64, minimum > 0 ? minimum : 1);
    return -1;
}

static int read_unsigned(const char *what, const char *text, unsigned *ret, struct error *error)
{
    uint64_t number;

    if (options_read_number(what, text, 0, UINT32_MAX, &number, error) < 0)
        return -1;
    *ret = (unsigned)number;
    return 0;
}

/* Digits with at most one point among them: no sign, no exponent, no "inf". */
static int read_seconds(const char *what, const char *text, double *ret_ms, struct error *error)
{
    size_t length = strlen(text);
    const char *point = strchr(text, '.');
    double seconds = 0;

    if (length > 0 && length < 32 && strspn(text, "0123456789.") == length &&
        strpbrk(text, "0123456789") != NULL && (point == NULL || strchr(point + 1, '.') == NULL))
        seconds = strtod(text, NULL);
    if (seconds > SECONDS_MAX)
        return error_set(error, ERROR_INVALID, "write at most " SECONDS_MAX_TEXT,
                         "%s: '%s' seconds are too many", what, text);
    if (!(seconds > 0))
        return error_set(error, ERROR_INVALID, "write a number above 0, for example 30 or 0.5",
                         "%s: '%s' is no number of seconds", what, text);
    *ret_ms = seconds * 1e3;
    return 0;
}

static int read_path(const char *what, const char *text, const char **ret, struct error *error)
{
    if (*text == '\0')
        return error_set(error, ERROR_INVALID, "give a path", "%s: the path is empty", what);
    *ret = text;
    return 0;
}

static int read_qmp(struct options *options, const char *text, struct error *error)
{
    return read_path("--qmp", text, &options->qmp_path, error);
}

static int read_agent(struct options *options, const char *text, struct error *error)
{
    return read_path("--agent", text, &options->agent_path, error);
}

/* Says of which option it is. */
static int refuse_word(const char *what, const struct error *problem, struct error *error)
{
    (void)error_set(error, problem->code, "", "%s: %s", what, problem->why);
    error_advise(error, "%s", problem->fix);
    return -1;
}

static int read_vm(struct options *options, const char *text, struct error *error)
{
    struct error problem = ERROR_INIT;

    options->vm_name = text;
    return vm_directory_check_name(text, &problem) == 0 ? 0 : refuse_word("--vm", &problem, error);
}

static int read_timeout(struct options *options, const char *text, struct error *error)
{
    return read_seconds("--timeout", text, &options->timeout_ms, error);
}

static int read_wait(struct options *options, const char *text, struct error *error)
{
    if (rung_parse(text, &options->wait))
        return 0;
    if (strcmp(text, "removed") == 0 || strcmp(text, "done") == 0) {
        options->wait = RUNG_ONLINE; /* what the highest level is called elsewhere */
        return 0;
    }
    return error_set(error, ERROR_INVALID,
                     "choose accepted, realized, acknowledged, or online (removed)",
                     "--wait: '%s' is no level", text);
}

static int read_trace(struct options *options, const char *text, struct error *error)
{
    return read_path("--trace", text, &options->trace_path, error);
}

static int read_id(struct options *options, const char *text, struct error *error)
{
    struct error problem = ERROR_INIT;

    options->id = text;
    return words_check_id(text, WORDS_ID_MAX, &problem) == 0 ? 0
                                                             : refuse_word("--id", &problem, error);
}

static int read_kind(struct options *options, const char *text, struct error *error)
{
    options->virtio_mem = strcmp(text, "virtio-mem") == 0;
    if (options->virtio_mem || strcmp(text, "dimm") == 0)
        return 0;
    return error_set(error, ERROR_INVALID, "choose dimm or virtio-mem",
                     "--kind: '%s' is no kind of memory", text);
}

static int read_node(struct options *options, const char *text, struct error *error)
{
    return read_unsigned("--node", text, &options->node, error);
}

static int read_backend(struct options *options, const char *text, struct error *error)
{
    options->backend_path = NULL;
    if (strcmp(text, "ram") == 0) {
        options->backend = BACKEND_RAM;
    } else if (strcmp(text, "memfd") == 0) {
        options->backend = BACKEND_MEMFD;
    } else if (strncmp(text, "file:", 5) == 0 && text[5] != '\0') {
        options->backend = BACKEND_FILE;
        options->backend_path = text + 5;
    } else {
        return error_set(error, ERROR_INVALID, "choose ram, memfd or file:PATH",
                         "--backend: '%s' is no memory backend", text);
    }
    return 0;
}

static int read_serial(struct options *options, const char *text, struct error *error)
{
    struct error problem = ERROR_INIT;

    options->serial = text;
    return words_check_serial(text, WORDS_SERIAL_MAX, &problem) == 0
               ? 0
               : refuse_word("--serial", &problem, error);
}

static int read_bus(struct options *options, const char *text, struct error *error)
{
    (void)error;
    options->bus = text;
    return 0;
}

static int read_lun(struct options *options, const char *text, struct error *error)
{
    return read_unsigned("--lun", text, &options->lun, error);
}

/* QEMU has more formats than these two, and says itself which it does not know. */
static int read_format(struct options *options, const char *text, struct error *error)
{
    size_t length = strlen(text);

    if (length == 0 || strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
        return error_set(error, ERROR_INVALID, "choose raw, qcow2 or another block driver of QEMU",
                         "--format: '%s' is no image format", text);
    options->format = text;
    return 0;
}

static int read_for(struct options *options, const char *text, struct error *error)
{
    return read_seconds("--for", text, &options->for_ms, error);
}

static int read_until(struct options *options, const char *text, struct error *error)
{
    size_t length = strlen(text);

    if (length == 0 || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") != length)
        return error_set(error, ERROR_INVALID, "write it as QEMU does, for example DEVICE_DELETED",
                         "--until: '%s' is no event", text);
    options->until = text;
    return 0;
}

static int read_file(struct options *options, const char *text, struct error *error)
{
    if (options->file_count == OPTIONS_FILES_MAX)
        return error_set(error, ERROR_INVALID, "put the files into a directory, and name that",
                         "--file: more than %d are too many", OPTIONS_FILES_MAX);
    return read_path("--file", text, &options->files[options->file_count++], error);
}

static int read_output(struct options *options, const char *text, struct error *error)
{
    if (strcmp(text, "json") == 0)
        options->output = OUTPUT_JSON;
    else if (strcmp(text, "yaml") == 0)
        options->output = OUTPUT_YAML;
    else
        return error_set(error, ERROR_INVALID, "choose json or yaml",
                         "--output: '%s' is no format", text);
    options->json = options->json || options->output == OUTPUT_JSON;
    return 0;
}

static int read_type(struct options *options, const char *text, struct error *error)
{
    options->merge_patch = strcmp(text, "merge") == 0;
    if (options->merge_patch || strcmp(text, "json") == 0)
        return 0;
    return error_set(error, ERROR_INVALID,
                     strcmp(text, "strategic") == 0 ? "use merge: Kubernetes has no strategic "
                                                      "patch for custom resources either"
                                                    : "choose json or merge",
                     "--type: '%s' is no kind of patch", text);
}

static int read_patch(struct options *options, const char *text, struct error *error)
{
    (void)error;
    options->patch = text;
    return 0;
}

static int read_volume_name(struct options *options, const char *text, struct error *error)
{
    if (*text == '\0')
        return error_set(error, ERROR_INVALID, "give the claim's name",
                         "--volume-name: the name is empty");
    options->volume_name = text;
    return 0;
}

static int read_iops(struct options *options, const char *text, struct error *error)
{
    return options_read_number("--iops", text, 0, LIMIT_MAX, &options->iops, error);
}

static int read_bps(struct options *options, const char *text, struct error *error)
{
    struct error mistake = ERROR_INIT;

    if (size_parse(text, &options->bps, &mistake) == 0 && options->bps <= LIMIT_MAX)
        return 0;
    return error_set(error, ERROR_INVALID, "write bytes, or a size such as 10M",
                     "--bps: '%s' is no number of bytes a second", text);
}

/* How an option is read: by a function, or as a flag of struct options. */
/* In whole seconds; 0 is a value: at once. */
static int read_grace(struct options *options, const char *text, struct error *error)
{
    uint64_t seconds;

    if (options_read_number("--grace", text, 0, GRACE_SECONDS_MAX, &seconds, error) < 0)
        return -1;
    options->grace_seconds = (unsigned)seconds;
    return 0;
}

static int read_api_socket(struct options *options, const char *text, struct error *error)
{
    return read_path("--api-socket", text, &options->api_socket, error);
}

#define READ(function) function, 0
#define FLAG(member) NULL, offsetof(struct options, member)

static const struct option_spec specs[] = {
    [OPTION_QMP] = {"qmp", 'q', "PATH", "VMPLUG_QMP", "the QMP socket of a QEMU that is running",
                    NULL, true, READ(read_qmp)},
    [OPTION_AGENT] = {"agent", 'g', "PATH", "VMPLUG_AGENT",
                      "the guest agent's socket; without it the guest's side can't be confirmed",
                      NULL, true, READ(read_agent)},
    [OPTION_VM] = {"vm", 'n', "NAME", "VMPLUG_VM",
                   "a VM that vmplug launched or adopted: stands for both sockets", NULL, false,
                   READ(read_vm)},
    [OPTION_JSON] = {"json", 0, NULL, NULL, "print JSON, one object a line, and nothing else",
                     NULL, false, FLAG(json)},
    [OPTION_TIMEOUT] = {"timeout", 0, "SECONDS", NULL,
                        "each device's deadline, 60 if not given; fractions are allowed", NULL,
                        false, READ(read_timeout)},
    [OPTION_WAIT] = {"wait", 0, "LEVEL", NULL,
                     "how far to go before returning: accepted, realized, acknowledged or online "
                     "(for a removal: removed); if not given, as far as this VM can prove",
                     "accepted realized acknowledged online removed", false, READ(read_wait)},
    [OPTION_VERBOSE] = {"verbose", 'v', NULL, NULL, "show on stderr what is said, in brief", NULL,
                     false, FLAG(verbose)},
    [OPTION_TRACE] = {"trace", 0, "FILE", NULL,
                      "append every QMP and agent message, both ways, to FILE as JSON lines", NULL,
                      true, READ(read_trace)},
    [OPTION_HELP] = {"help", 'h', NULL, NULL, "explain the command", NULL, false, FLAG(help)},
    [OPTION_VERSION] = {"version", 0, NULL, NULL, "say vmplug's version, and do nothing else", NULL,
                        false, FLAG(version)},
    [OPTION_ID] = {"id", 0, "ID", NULL, "the new device's id, else the next free vmplug- one",
                   NULL, false, READ(read_id)},
    [OPTION_KIND] = {"kind", 0, "KIND", NULL,
                     "what it becomes: dimm (if not given), or virtio-mem, which can be resized "
                     "later",
                     "dimm virtio-mem", false, READ(read_kind)},
    [OPTION_NODE] = {"node", 0, "N", NULL, "the guest's NUMA node", NULL, false, READ(read_node)},
    [OPTION_BACKEND] = {"backend", 0, "TYPE", NULL,
                        "where the memory comes from: ram (if not given), memfd or file:PATH",
                        "ram memfd file:", false, READ(read_backend)},
    [OPTION_HUGEPAGES] = {"hugepages", 0, NULL, NULL, "take it from the host's huge pages", NULL,
                     false, FLAG(hugepages)},
    [OPTION_SERIAL] = {"serial", 0, "SERIAL", NULL,
                       "what the guest sees as the disk's serial number, else its id", NULL, false,
                       READ(read_serial)},
    [OPTION_BUS] = {"bus", 0, "BUS", NULL,
                    "a virtio-scsi bus such as scsi0.0; scsi, or nothing, takes the first; virtio "
                    "makes it a virtio-blk in a PCI port",
                    "scsi virtio", false, READ(read_bus)},
    [OPTION_LUN] = {"lun", 0, "N", NULL, "the disk's LUN, else the first that no disk has", NULL,
                    false, READ(read_lun)},
    [OPTION_FORMAT] = {"format", 0, "FORMAT", NULL,
                       "the image's format, else it is told by the file's name and content",
                       "raw qcow2", false, READ(read_format)},
    [OPTION_READ_ONLY] = {"read-only", 0, NULL, NULL, "the guest may not write to it", NULL, false,
                          FLAG(read_only)},
    [OPTION_FORCE] = {"force", 0, NULL, NULL, "do what is blocked as dangerous, and only that",
                      NULL, false, FLAG(force)},
    [OPTION_ATOMIC] = {"atomic", 0, NULL, NULL,
                       "if a later device of the same command fails, take the earlier ones back, "
                       "each within --timeout",
                       NULL, false, FLAG(atomic)},
    [OPTION_DRY_RUN] = {"dry-run", 0, NULL, NULL,
                        "print what would be sent, and send nothing that changes anything", NULL,
                        false, FLAG(dry_run)},
    [OPTION_MOVABLE] = {"movable", 0, NULL, NULL,
                        "put it online as movable memory, so that the guest can give it back", NULL,
                        false, FLAG(movable)},
    [OPTION_CLEAN] = {"clean", 0, NULL, NULL, "finish it or take it away", NULL, false,
                      FLAG(clean)},
    [OPTION_ALL] = {"all", 0, NULL, NULL, "also what is not vmplug's own", NULL, false, FLAG(all)},
    [OPTION_IOPS] = {"iops", 0, "N", NULL, "operations a second at most; 0 lifts the limit", NULL,
                     false, READ(read_iops)},
    [OPTION_BPS] = {"bps", 0, "SIZE", NULL, "bytes a second at most; 0 lifts the limit", NULL,
                    false, READ(read_bps)},
    [OPTION_OFF] = {"off", 0, NULL, NULL, "lift all limits", NULL, false, FLAG(off)},
    [OPTION_FOR] = {"for", 0, "SECONDS", NULL, "end after so many seconds", NULL, false,
                      READ(read_for)},
    [OPTION_UNTIL] = {"until", 0, "EVENT", NULL, "end after the first event of this name",
                      "ACPI_DEVICE_OST DEVICE_DELETED SHUTDOWN RESET STOP RESUME", false,
                      READ(read_until)},
    [OPTION_FILE] = {"file", 'f', "FILE", NULL,
                     "a manifest, a directory of manifests, or - for stdin; may be given again",
                     NULL, true, READ(read_file)},
    [OPTION_OUTPUT] = {"output", 'o', "FORMAT", NULL, "print the whole object, as json or yaml",
                       "json yaml", false, READ(read_output)},
    [OPTION_TYPE] = {"type", 0, "TYPE", NULL,
                     "json: a list of operations (RFC 6902); merge: a part of the object "
                     "(RFC 7386)",
                     "json merge", false, READ(read_type)},
    [OPTION_PATCH] = {"patch", 'p', "PATCH", NULL, "the patch, as JSON or YAML", NULL, false,
                      READ(read_patch)},
    [OPTION_VOLUME_NAME] = {"volume-name", 0, "NAME", NULL,
                            "the claim that the volume is, and what it is called", NULL, false,
                            READ(read_volume_name)},
    [OPTION_PERSIST] = {"persist", 0, NULL, NULL,
                        "write it into the VM's manifest, too, so that it is there at the next "
                        "launch",
                        NULL, false, FLAG(persist)},
    [OPTION_PRINT] = {"print", 0, NULL, NULL, "print QEMU's command line, and start nothing", NULL,
                      false, FLAG(print)},
    [OPTION_GRACE] = {"grace", 0, "SECONDS", NULL,
                      "how long the guest may take before it is ended by force; if not given, the "
                      "manifest's terminationGracePeriodSeconds, else 30",
                      NULL, false, READ(read_grace)},
    [OPTION_API_SOCKET] = {"api-socket", 0, "PATH", NULL,
                           "the Unix socket of an API: that serve is to make, or vmplugd's, whose "
                           "manifests are meant",
                           NULL, true, READ(read_api_socket)},
};

_Static_assert(COUNT_OF(specs) == OPTIONS_, "every option is described");

const struct option_spec *options_spec(enum option_key key)
{
    return &specs[key];
}

static void derive(struct option array[OPTIONS_ + 1])
{
    size_t i;

    memset(array, 0, (OPTIONS_ + 1) * sizeof(array[0]));
    for (i = 0; i < OPTIONS_; i++) {
        array[i].name = specs[i].name;
        array[i].has_arg = specs[i].argument != NULL ? required_argument : no_argument;
        array[i].val = CODE_BASE + (int)i;
    }
}

/* getopt's code for an option that was recognised, whichever way it was written. */
static int find_code(int code)
{
    int i;

    for (i = 0; i < OPTIONS_; i++) {
        if (code == CODE_BASE + i || (specs[i].letter != 0 && code == specs[i].letter))
            return i;
    }
    return -1;
}

/* Length of an option as it was written, without its argument. */
static int written_length(const char *text)
{
    return (int)strcspn(text, "=");
}

/* Those that begin so; returns how many there are. */
static size_t list_options(const char *beginning, char *text, size_t size)
{
    size_t count = 0, used, i;

    *text = '\0';
    for (i = 0; i < OPTIONS_; i++) {
        if (strncmp(specs[i].name, beginning, strlen(beginning)) != 0)
            continue;
        used = strlen(text);
        (void)snprintf(text + used, size - used, "%s --%s", count++ > 0 ? "," : "", specs[i].name);
    }
    return count;
}

static int refuse_unknown(const char *text, struct error *error)
{
    struct suggestion suggestion;
    char typed[64], several[160];
    size_t i;

    (void)snprintf(typed, sizeof(typed), "%.*s", written_length(text), text);
    if (strncmp(typed, "--", 2) == 0 && list_options(typed + 2, several, sizeof(several)) > 1) {
        (void)error_set(error, ERROR_INVALID, "", "%s: there are several such options", typed);
        error_advise(error, "did you mean%s?", several);
        return -1;
    }
    suggestion = (struct suggestion){.typed = typed + strspn(typed, "-")};
    for (i = 0; i < OPTIONS_; i++)
        suggest_consider(&suggestion, specs[i].name);
    (void)error_set(error, ERROR_INVALID, "see vmplug help", "%s: there is no such option", typed);
    if (suggestion.word != NULL && suggestion.distance < strlen(suggestion.typed))
        error_advise(error, "did you mean --%s?", suggestion.word);
    return -1;
}

static int refuse(int result, const char *text, struct error *error)
{
    char letter[3] = {'-', (char)optopt, '\0'};
    int option = find_code(optopt);

    if (result == ':' && option >= 0)
        return error_set(error, ERROR_INVALID, "", "--%s: its %s is missing", specs[option].name,
                         specs[option].argument);
    if (option >= 0)
        return error_set(error, ERROR_INVALID, "leave out what stands behind '='",
                         "--%s: takes no value", specs[option].name);
    return refuse_unknown(optopt == 0 ? text : letter, error);
}

static int read_environment(struct options *options, struct error *error)
{
    const char *text;
    size_t i;

    for (i = 0; i < OPTIONS_; i++) {
        text = specs[i].variable != NULL ? getenv(specs[i].variable) : NULL;
        if (text != NULL && *text != '\0' && specs[i].read(options, text, error) < 0)
            return -1;
    }
    return 0;
}

/* As kubectl has it, -o=yaml is -o yaml. */
static const char *argument_of(int code, const char *text)
{
    bool attached = code < CODE_BASE && optarg != text;

    return attached && optarg[0] == '=' ? optarg + 1 : optarg;
}

static int take(struct options *options, int result, const char *text, struct error *error)
{
    int option = find_code(result);

    if (option < 0)
        return refuse(result, text, error);
    options->given |= OPTION_BIT(option);
    if (specs[option].read != NULL)
        return specs[option].read(options, argument_of(result, text), error);
    *(bool *)((char *)options + specs[option].flag) = true;
    return 0;
}

int options_parse(struct options *options, int argc, char *const argv[], const char **operands,
                  size_t *ret_operand_count, struct error *error)
{
    struct option array[OPTIONS_ + 1];
    struct error later;
    size_t count = 0;
    int result, status;

    *options = (struct options){.timeout_ms = DEFAULT_TIMEOUT_MS};
    status = read_environment(options, error);
    derive(array);
    opterr = 0;
    optind = 0; /* glibc: start afresh, also for a second parse in one process */
    while ((result = getopt_long(argc, argv, LETTERS, array, NULL)) != -1) {
        if (result == 1)
            operands[count++] = optarg;
        else if (take(options, result, argv[optind - 1], status == 0 ? error : &later) < 0)
            status = -1;
    }
    while (optind < argc)
        operands[count++] = argv[optind++];
    *ret_operand_count = count;
    return status;
}

int options_check_taken(const struct options *options, uint64_t taken, const char *command,
                        struct error *error)
{
    uint64_t excess = options->given & ~taken;
    size_t i;

    for (i = 0; i < OPTIONS_; i++) {
        if ((excess & OPTION_BIT(i)) == 0)
            continue;
        (void)error_set(error, ERROR_INVALID, "", "--%s: vmplug %s does not take it",
                        specs[i].name, command);
        error_advise(error, "leave it out, or see vmplug help %s", command);
        return -1;
    }
    return 0;
}
