/* SPDX-License-Identifier: MIT */
/*
 * Who changed what: a line of JSON for each change that was asked for, and for each that was
 * refused.
 *
 *     {"time":"2026-11-21T19:30:00.125Z","uid":1000,"gid":1000,"pid":4711,"vm":"db",
 *      "action":"disk-add","verdict":"online","details":{"operation":17}}
 *
 * A change has two: before anything of it is sent one with AUDIT_LOG_BEGUN, and at its end one
 * with what came of it, so that what a killed daemon had begun is on record, too. A change of
 * which the first cannot be written is to be refused (503); of the second, that cannot be written
 * is said in the log. What is refused for lack of a role has one line, AUDIT_LOG_FORBIDDEN; of a
 * user's who is refused again and again AUDIT_LOG_REFUSALS lines in AUDIT_LOG_REFUSALS_MS, so
 * that nobody fills it who may do nothing. How many more there were is in a line ("action":
 * "suppressed", "details": {"count": 7}) before the next one of his, when another takes his place
 * among those that are counted, and at the end.
 *
 * Each line is one write at the file's end, so that it is there whole or not at all. The file is
 * made 0640. Without a file lines go to the log (daemon/log.h).
 */
#ifndef DAEMON_AUDIT_LOG_H
#define DAEMON_AUDIT_LOG_H

#include <jansson.h>

#include "base/error.h"
#include "daemon/peer.h"

#define AUDIT_LOG_BEGUN "begun"
#define AUDIT_LOG_FORBIDDEN "forbidden"
#define AUDIT_LOG_REFUSALS 100
#define AUDIT_LOG_REFUSALS_MS 60000

struct audit_log;

/* path: NULL: the log. NULL with ERROR_SYSTEM. */
struct audit_log *audit_log_new(const char *path, struct error *error);

/* Opens the file anew, which logrotate(8) may have taken away. Returns 0, or -1 with ERROR_SYSTEM:
 * then lines go on to where they went. */
int audit_log_reopen(struct audit_log *log, struct error *error);

/* NULL is allowed. */
void audit_log_free(struct audit_log *log);

/* peer: NULL: the daemon itself, by its own uid and pid. vm: NULL: the daemon itself. action: the
 * operation's or the request's name. verdict: AUDIT_LOG_…, or as verdict_name() has it. details:
 * an object, taken over, or NULL; no secrets: of a QMP command its name and ids, never all of its
 * arguments. Where they are too long, "details" is true. Returns 0, or -1 with ERROR_SYSTEM, which
 * has been said in the log, too. A log of NULL takes everything. */
int audit_log_add(struct audit_log *log, const struct peer_id *peer, const char *vm,
                  const char *action, const char *verdict, json_t *details, struct error *error);

#endif
