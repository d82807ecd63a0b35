/* SPDX-License-Identifier: MIT */
/* Manifests, the simulated machine that they are about, what is planned of it and carried out. */
#ifndef TESTS_UNIT_MANIFEST_RIG_H
#define TESTS_UNIT_MANIFEST_RIG_H

#include "manifest/apply.h"
#include "manifest/plan.h"
#include "tests/fake/rig.h"

struct manifest_rig {
    struct rig rig;
    struct document_list documents;
    struct notes notes;
    struct virtual_machine vm;
    struct cluster cluster;
    struct objects objects;
    struct claims claims;
    struct inventory *inventory;
    struct audit *audit;
    struct plan_input input;
    struct plan plan;
    struct apply *apply;
};

/* Reads documents as `apply` does, without storing them; ' stands for itself. A second call takes
 * the place of the first. Fails the test when one of them is wrong. */
void manifest_rig_take(struct manifest_rig *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Connects to the machine, which is taken over. */
void manifest_rig_open(struct manifest_rig *self, struct sim *sim, bool with_agent);

/* Plans, with what QEMU says now. Fails the test unless the steps, each as its `what` and one a
 * line, and the blocks, as "! PATH: WHY", are these. */
void manifest_rig_plan(struct manifest_rig *self);
void manifest_rig_expect(struct manifest_rig *self, const char *lines);

/* Carries it out. */
const struct batch_result *manifest_rig_apply(struct manifest_rig *self);

/* Another vmplug comes. */
void manifest_rig_reopen(struct manifest_rig *self);

void manifest_rig_close(struct manifest_rig *self);

#endif
