/* SPDX-License-Identifier: MIT */
/*
 * What a subcommand is: a constant table entry from which dispatch, help, the manual page and the
 * completion are all made, so that they can't drift apart.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/options.h"
#include "cli/output.h"
#include "cli/session.h"

#define COMMAND_NAME_MAX 64

/* What a command talks to. */
enum command_flag {
    COMMAND_NEEDS_QMP = 1 << 0,
    COMMAND_USES_QMP = 1 << 1,    /* where --qmp is given */
    COMMAND_USES_AGENT = 1 << 2,  /* beside QMP, where --agent is given */
    COMMAND_NEEDS_AGENT = 1 << 3, /* the agent alone */
    COMMAND_TAKES_FILES = 1 << 4, /* the operands are files, or behind an id; for the completion */
    COMMAND_TAKES_JSON = 1 << 5,  /* the operands are a peer's command and its arguments */
    COMMAND_NAMES_VM = 1 << 6,    /* the first operand is a VM's name */
};

struct command_example {
    const char *line; /* without the leading "vmplug" */
    const char *does;
};

struct invocation;

struct command {
    const char *name;     /* "cpu add" */
    const char *operands; /* "[COUNT]", or "" */
    unsigned operands_min, operands_max;
    const char *summary; /* one line, no full stop */
    const char *help;    /* paragraphs, with an empty line between them */
    const struct command_example *examples; /* ended by one without a line */
    uint64_t options;    /* OPTION_BIT(…) of those it takes, beside OPTION_HELP */
    unsigned flags;      /* enum command_flag */
    /* For the completion: what operands can be, and the subcommand whose --json names the ids that
     * they can be, or of which the first can be one. NULL: neither. */
    const char *words;
    const char *ids;
    /* Looks at the operands, before anybody is talked to. Returns 0, or -1 with ERROR_INVALID whose
     * why begins with the command. May be NULL. */
    int (*check)(const struct invocation *invocation, struct error *error);
    int (*run)(struct invocation *invocation); /* returns the exit code */
};

/* Subcommands that share their first word, or a headline only. */
struct command_group {
    const char *word;  /* "cpu"; NULL where each command has a word of its own */
    const char *title; /* "vCPUs" */
    const struct command *commands;
    size_t count;
};

/* One run of the program. */
struct invocation {
    const struct command_group *const *groups; /* ended by NULL */
    const char *const *arguments; /* of the program, without its name; ended by NULL */
    const struct command *command;
    struct options options;
    const char *const *operands; /* behind the subcommand's words */
    size_t operand_count;
    struct output out;
    struct session session;
    void *user; /* the running command's own */
};

extern const struct command_group cmd_status_group;
extern const struct command_group cmd_cpu_group;
extern const struct command_group cmd_memory_group;
extern const struct command_group cmd_disk_group;
extern const struct command_group cmd_cdrom_group;
extern const struct command_group cmd_wait_group;
extern const struct command_group cmd_audit_group;
extern const struct command_group cmd_doctor_group;
extern const struct command_group cmd_events_group;
extern const struct command_group cmd_raw_group;
extern const struct command_group cmd_manifest_group;
extern const struct command_group cmd_get_group;
extern const struct command_group cmd_patch_group;
extern const struct command_group cmd_launch_group;
extern const struct command_group cmd_serve_group;
extern const struct command_group cmd_help_group;
extern const struct command_group cmd_version_group;

/* All of them, as help tells them; ended by NULL. */
extern const struct command_group *const command_groups[];

#endif
