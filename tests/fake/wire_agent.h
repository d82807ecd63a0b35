/* SPDX-License-Identifier: MIT */
/* An agent's client on a wire whose other end, the agent, is the test. */
#ifndef TESTS_FAKE_WIRE_AGENT_H
#define TESTS_FAKE_WIRE_AGENT_H

#include "qmp/agent.h"
#include "tests/fake/wire.h"

/* Opens the wire and a client on it; options.fd is set here. */
struct agent *wire_agent_begin_with(struct wire *wire, struct agent_options options);
struct agent *wire_agent_begin(struct wire *wire);
void wire_agent_end(struct wire *wire, struct agent *agent);

/* Without a time, a minute. Returns the request's id, or -1. */
int64_t wire_agent_submit_until(struct agent *agent, const char *command, double timeout_ms,
                                struct outcome *outcome);
int64_t wire_agent_submit(struct agent *agent, const char *command, struct outcome *outcome);

/* Hears the synchronisation and nothing else; returns its number. */
int64_t wire_agent_hear_sync(struct wire *wire);

/* Answers it. */
void wire_agent_say_sync(struct wire *wire, int64_t number);

#endif
