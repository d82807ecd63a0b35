/* SPDX-License-Identifier: MIT */
/*
 * The options of all subcommands in one table. They may stand before or after the subcommand, so
 * all are read at once, and what the subcommand does not take is refused afterwards.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "vmm/operation.h"

enum option_key {
    OPTION_QMP,
    OPTION_AGENT,
    OPTION_VM,
    OPTION_JSON,
    OPTION_TIMEOUT,
    OPTION_WAIT,
    OPTION_VERBOSE,
    OPTION_TRACE,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_ID,
    OPTION_KIND,
    OPTION_NODE,
    OPTION_BACKEND,
    OPTION_HUGEPAGES,
    OPTION_SERIAL,
    OPTION_BUS,
    OPTION_LUN,
    OPTION_FORMAT,
    OPTION_READ_ONLY,
    OPTION_FORCE,
    OPTION_ATOMIC,
    OPTION_DRY_RUN,
    OPTION_MOVABLE,
    OPTION_CLEAN,
    OPTION_ALL,
    OPTION_IOPS,
    OPTION_BPS,
    OPTION_OFF,
    OPTION_FOR,
    OPTION_UNTIL,
    OPTION_FILE,
    OPTION_OUTPUT,
    OPTION_TYPE,
    OPTION_PATCH,
    OPTION_VOLUME_NAME,
    OPTION_PERSIST,
    OPTION_PRINT,
    OPTION_GRACE,
    OPTION_API_SOCKET,
    OPTIONS_ /* how many there are */
};

#define OPTION_BIT(option) (UINT64_C(1) << (option))

/* What every command that talks to a VM takes. */
#define OPTIONS_VM                                                                      \
    (OPTION_BIT(OPTION_QMP) | OPTION_BIT(OPTION_AGENT) | OPTION_BIT(OPTION_VM) |        \
     OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_TIMEOUT) | OPTION_BIT(OPTION_VERBOSE) | \
     OPTION_BIT(OPTION_TRACE))

/* What is not of some commands only, and told of once. */
#define OPTIONS_COMMON                                                                  \
    (OPTIONS_VM | OPTION_BIT(OPTION_WAIT) | OPTION_BIT(OPTION_HELP) |                   \
     OPTION_BIT(OPTION_VERSION))

/* What every command takes that changes a VM, and what only those take that remove. */
#define OPTIONS_REMOVE                                                                  \
    (OPTIONS_VM | OPTION_BIT(OPTION_WAIT) | OPTION_BIT(OPTION_FORCE) |                  \
     OPTION_BIT(OPTION_DRY_RUN))
#define OPTIONS_CHANGE (OPTIONS_REMOVE | OPTION_BIT(OPTION_ATOMIC))

#define OPTIONS_FILES_MAX 16

enum output_format { OUTPUT_TABLE, OUTPUT_YAML, OUTPUT_JSON };

struct options {
    uint64_t given; /* OPTION_BIT(…) of those on the command line */
    const char *qmp_path;
    const char *agent_path;
    const char *vm_name; /* whose sockets these are, unless they are given */
    bool json;
    double timeout_ms;
    enum rung wait;
    bool verbose;
    bool version;
    const char *trace_path;
    const char *id;
    bool virtio_mem; /* the kind of memory; else a DIMM */
    unsigned node;
    enum backend_type backend;
    const char *backend_path;
    bool hugepages;
    const char *serial;
    const char *bus;
    unsigned lun;
    const char *format;
    bool read_only;
    bool force;
    bool atomic;
    bool dry_run;
    bool movable;
    bool clean;
    bool all;
    uint64_t iops, bps;
    bool off;
    bool help;
    double for_ms;
    const char *until;
    const char *files[OPTIONS_FILES_MAX]; /* manifests, directories, or "-" */
    size_t file_count;
    enum output_format output;
    bool merge_patch; /* the patch is one of RFC 7386; else JSON patch */
    const char *patch;
    const char *volume_name;
    bool persist;
    bool print;
    unsigned grace_seconds;
    const char *api_socket;
};

struct option_spec {
    const char *name;     /* without the dashes */
    char letter;          /* 0: none */
    const char *argument; /* "PATH"; NULL: takes none */
    const char *variable; /* of the environment, or NULL */
    const char *help;     /* one sentence without its full stop */
    const char *values;   /* what an argument may be, separated by spaces; NULL: anything */
    bool is_file;
    int (*read)(struct options *options, const char *text, struct error *error); /* NULL: a flag, */
    size_t flag; /* which is this bool in struct options */
};

const struct option_spec *options_spec(enum option_key key);

static inline bool options_given(const struct options *options, enum option_key key)
{
    return (options->given & OPTION_BIT(key)) != 0;
}

/* Reads the command line, and the environment where it says nothing. The operands, in their order,
 * go to operands, which has room for argc of them. Returns 0, or -1 with ERROR_INVALID about the
 * first mistake, whose why begins with the option; the rest is read all the same, so that --json
 * is known. Strings are borrowed. */
int options_parse(struct options *options, int argc, char *const argv[], const char **operands,
                  size_t *ret_operand_count, struct error *error);

/* Is there an option that is not among the taken ones? Returns 0, or -1 with ERROR_INVALID.
 * command is for the message. */
int options_check_taken(const struct options *options, uint64_t taken, const char *command,
                        struct error *error);

/* A whole number from minimum to maximum, nothing else around it. Returns 0, or -1 with
 * ERROR_INVALID; what names the number. */
int options_read_number(const char *what, const char *text, uint64_t minimum, uint64_t maximum,
                        uint64_t *ret, struct error *error);

#endif
