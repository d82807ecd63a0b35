/* SPDX-License-Identifier: MIT */
/* Between sim.c, which moves messages, and the two sides that know what they mean. */
#ifndef TESTS_FAKE_SIM_PARTS_H
#define TESTS_FAKE_SIM_PARTS_H

#include "tests/fake/sim.h"

/* Carries a command out. Returns {"return": …} or {"error": …}, a new reference. */
json_t *sim_qmp_do(struct sim *sim, const char *command, const json_t *arguments);
json_t *sim_agent_do(struct sim *sim, const char *command, const json_t *arguments);

json_t *sim_return(json_t *value); /* value is taken over */
json_t *sim_error(const char *class_name, const char *desc, ...)
    __attribute__((format(printf, 2, 3)));

/* Fails the test when arguments has a member that is not among the words in names. */
void sim_check_arguments(const char *command, const json_t *arguments, const char *names);

/* Something was plugged in: the guest begins to answer, and shows it when it has answered. */
void sim_plugged(struct sim *sim, bool is_cpu, unsigned slot);
void sim_guest_shows(struct sim *sim, bool is_cpu, unsigned slot);

/* device_del, and what happens when the guest lets go. */
json_t *sim_device_del(struct sim *sim, const char *id);
void sim_unplug(struct sim *sim, bool is_cpu, unsigned slot);

/* The guest is asked to give something back: the last of its answers decides. */
void sim_eject(struct sim *sim, bool is_cpu, unsigned slot);

/* The guest refuses, on a board that tells so by sim->unplug_error. */
void sim_refuse_by_event(struct sim *sim);

/* The agent's file commands. NULL when it is none of them. */
json_t *sim_file_do(struct sim *sim, const char *command, const json_t *arguments);

void sim_emit(struct sim *sim, const char *event, json_t *data);

#endif
