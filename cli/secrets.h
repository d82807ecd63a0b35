/* SPDX-License-Identifier: MIT */
/*
 * What a trace and --verbose must not show. "***" takes the place of
 *
 *   - a member named password, passphrase, passwd or secret, wherever it is; of `data` where
 *     qom-type is "secret"; of what qom-set gives, and qom-get tells, of a property so named;
 *   - what guest-exec is given (arg, env, input-data) and what it printed (out-data, err-data);
 *   - the contents of the guest's files, but for those that vmplug itself looks into: below /sys,
 *     and /proc/meminfo, /proc/swaps. They are recognised by their opening in the same session;
 *   - what ringbuf-write is given, and what ringbuf-read tells;
 *   - human-monitor-command lines that mention a password or a secret, from their second word on;
 *   - the user's name and password in a URI (base/text.h).
 *
 * What only names a secret (password-secret, key-secret, passwordid) stays.
 */
#ifndef CLI_SECRETS_H
#define CLI_SECRETS_H

#include <jansson.h>
#include <stdbool.h>

struct secrets {
    json_t *asked;        /* ids of QMP commands whose answer is secret, as keys */
    json_t *public_files; /* handles of the guest's files whose content is not, as keys */
    bool opens_public;    /* the agent's answer is such a handle */
    bool reads_public;    /* … is such a file's content */
    bool agent_is_asked;  /* … is secret */
};

void secrets_free(struct secrets *secrets);

/* Hides, in place, what is secret in a message that is sent or received by QMP or the agent.
 * Messages come in their order. Returns 0, or -1 when memory runs out: nothing of the message may
 * then be shown. */
int secrets_hide(struct secrets *secrets, bool agent, bool sent, json_t *message);

/* Is the answer to something secret awaited, so that a message that is no JSON may hold it? */
bool secrets_awaited(const struct secrets *secrets, bool agent);

/* The same for the arguments of a command that stand on the command line. */
int secrets_hide_arguments(const char *command, json_t *arguments);

#endif
