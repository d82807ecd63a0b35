/* SPDX-License-Identifier: MIT */
#include "manifest/cluster.h"

#include <string.h>

#include "base/cleanup.h"
#include "manifest/virtual_machine.h"

#define RATIO_MAX 512
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Each with what it lets through. LiveUpdate and LiveResourceUpdate are older names for both CPUs
 * and memory. */
static const struct {
    const char *name;
    bool opens[GATES_];
} gates[] = {
    {"CPUHotplug", {[GATE_CPU] = true}},
    {"LiveUpdate", {[GATE_CPU] = true, [GATE_MEMORY] = true}},
    {"LiveResourceUpdate", {[GATE_CPU] = true, [GATE_MEMORY] = true}},
    {"VMLiveUpdateFeatures", {[GATE_CPU] = true, [GATE_MEMORY] = true}},
    {"HotplugVolumes", {[GATE_VOLUMES] = true}},
    {"DeclarativeHotplugVolumes", {[GATE_VOLUMES] = true}},
    {"ExpandDisks", {[GATE_EXPAND_DISKS] = true}},
};

static void close_gate(struct cluster *cluster, const char *name)
{
    size_t i, gate;

    for (i = 0; i < COUNT_OF(gates); i++) {
        for (gate = 0; strcmp(gates[i].name, name) == 0 && gate < GATES_; gate++) {
            if (gates[i].opens[gate])
                cluster->closed[gate] = gates[i].name;
        }
    }
}

/* All are open unless one is disabled: those that are named as open must be well-formed, and that
 * is all. */
static void read_gates(struct cluster *cluster, struct node developer)
{
    struct node enabled = document_get(developer, "featureGates");
    struct node disabled = document_get(developer, "disabledFeatureGates"), item;
    const char *name;

    if (document_is_list(enabled)) {
        DOCUMENT_EACH(item, enabled)
            document_string(item, &name);
    }
    if (document_is_list(disabled)) {
        DOCUMENT_EACH(item, disabled) {
            if (document_string(item, &name))
                close_gate(cluster, name);
        }
    }
}

int cluster_read(struct cluster *cluster, const struct document *document, struct notes *notes,
                 struct error *error)
{
    static const char *const strategies[] = {"LiveUpdate", "Stage", NULL};
    struct error problem = ERROR_INIT;
    struct node root = document_root(document, &problem);
    struct node spec = document_get(root, "spec");
    struct node configuration = document_get(spec, "configuration");
    struct node live = document_get(configuration, "liveUpdateConfiguration");
    struct node developer = document_get(configuration, "developerConfiguration");
    unsigned choice = 0;

    document_unsigned(document_get(live, "maxCpuSockets"), 1, VIRTUAL_MACHINE_SOCKETS_MAX,
                      &cluster->max_sockets);
    if (document_bytes(document_get(live, "maxGuest"), &cluster->max_guest_bytes) &&
        cluster->max_guest_bytes == 0)
        document_refuse(document_get(live, "maxGuest"), "write it as 4Gi", "must be more than 0");
    document_unsigned(document_get(live, "maxHotplugRatio"), 1, RATIO_MAX, &cluster->ratio);
    if (document_choice(document_get(configuration, "vmRolloutStrategy"), strategies, &choice))
        cluster->staged = choice == 1;
    read_gates(cluster, developer);
    notes_expect(notes, root, WORDS("apiVersion", "kind", "metadata", "spec", "status"));
    /* What says how a cluster migrates VMs means nothing where nothing migrates. */
    notes_expect(notes, spec, WORDS("configuration", "workloadUpdateStrategy"));
    notes_expect(notes, configuration,
                 WORDS("liveUpdateConfiguration", "developerConfiguration", "vmRolloutStrategy"));
    notes_expect(notes, live, WORDS("maxCpuSockets", "maxGuest", "maxHotplugRatio"));
    notes_expect(notes, developer, WORDS("featureGates", "disabledFeatureGates"));
    if (problem.code == ERROR_NONE)
        return 0;
    if (error != NULL)
        *error = problem;
    return -1;
}
