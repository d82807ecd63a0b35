/* SPDX-License-Identifier: MIT */
/*
 * A QMP server or a guest agent that plays a script and insists on it. A test writes the script
 * down as the dialogue that it expects, then lets vmplug loose on it:
 *
 *     struct peer *qmp = peer_new("qmp");
 *
 *     peer_greet(qmp);
 *     peer_expect(qmp, "object-add", "{'id':'vmplug-mem-0-backend'}");
 *     peer_reply(qmp, "{}");
 *     peer_expect(qmp, "device_add", "{'driver':'pc-dimm'}");
 *     peer_emit(qmp, "ACPI_DEVICE_OST", "{'info':{…}}");
 *     peer_reply_error(qmp, "GenericError", "no free slots available");
 *
 * Whatever is not in the script fails the test. JSON is written with ' for ". The peer is driven
 * through its pump, beside what is under test, or in a child process by fake_serve().
 */
#ifndef TESTS_FAKE_PEER_H
#define TESTS_FAKE_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/fake/fake.h"

struct peer;

/* Listens at fake_dir()/name, with an empty script: it never even greets. */
struct peer *peer_new(const char *name);

const char *peer_path(const struct peer *peer);
struct pump *peer_pump(struct peer *peer);
struct fake_actor peer_actor(struct peer *peer);

/* ---- the script: each call adds a line ---- */

/* A client connects. Only needed to begin with words of our own, or to await another client. */
void peer_accept(struct peer *peer);

/* peer_accept(), QEMU's greeting, qmp_capabilities and its reply. */
void peer_greet(struct peer *peer);

/* peer_accept(), then the agent's synchronisation: 0xFF, guest-sync-delimited, an error line, 0xFF
 * and the number. peer_resync() is the same for a client that is there already. */
void peer_sync(struct peer *peer);
void peer_resync(struct peer *peer);

/* The command comes, with at least these arguments (NULL: any). */
void peer_expect(struct peer *peer, const char *command, const char *arguments);

/* The byte 0xFF comes. */
void peer_expect_sentinel(struct peer *peer);

/* Replies to the command expected last, or to the one expected as the ordinal-th, 0 first. */
void peer_reply(struct peer *peer, const char *value);
void peer_reply_to(struct peer *peer, unsigned ordinal, const char *value);
void peer_reply_error(struct peer *peer, const char *class_name, const char *desc);

/* data may be NULL, as for STOP. */
void peer_emit(struct peer *peer, const char *event, const char *data);

void peer_raw(struct peer *peer, const char *bytes, size_t size);

/* Goes on when milliseconds have passed, or when other has played its script to the end. */
void peer_pause(struct peer *peer, double ms);
void peer_wait_for(struct peer *peer, const struct peer *other);

void peer_hang_up(struct peer *peer);

/* The client closes the connection. Without it a client may go or stay as it likes. */
void peer_expect_close(struct peer *peer);

/* From here on whatever comes is read and ignored: a peer that hangs. */
void peer_hang(struct peer *peer);

/* ---- ---- */

/* The script was played to the end. */
bool peer_is_done(const struct peer *peer);

/* Fails the test unless peer_is_done(), and frees. A peer that plays in a child process is checked
 * there: here peer_end_unchecked() is for it. */
void peer_end(struct peer *peer);
void peer_end_unchecked(struct peer *peer);

#endif
