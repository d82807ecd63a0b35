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

static void note(struct node member, void *user)
{
    char where[DOCUMENT_WHERE_MAX];

    notes_add(user, "%s is kept, and not acted on", document_where(member, where));
}

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

static void read_gates(struct cluster *cluster, struct node developer)
{
    struct node disabled = document_get(developer, "disabledFeatureGates"), item;
    const char *name;

    if (!document_is_list(disabled))
        return;
    DOCUMENT_EACH(item, disabled) {
        if (document_string(item, &name))
            close_gate(cluster, name);
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
    document_bytes(document_get(live, "maxGuest"), &cluster->max_guest_bytes);
    document_unsigned(document_get(live, "maxHotplugRatio"), 1, RATIO_MAX, &cluster->ratio);
    if (document_choice(document_get(configuration, "vmRolloutStrategy"), strategies, &choice))
        cluster->staged = choice == 1;
    read_gates(cluster, developer);
    /* What says how a cluster migrates VMs means nothing where nothing migrates. */
    document_each_unknown(spec, WORDS("configuration", "workloadUpdateStrategy"), note, notes);
    document_each_unknown(configuration,
                          WORDS("liveUpdateConfiguration", "developerConfiguration",
                                "vmRolloutStrategy"),
                          note, notes);
    document_each_unknown(live, WORDS("maxCpuSockets", "maxGuest", "maxHotplugRatio"), note, notes);
    document_each_unknown(developer, WORDS("featureGates", "disabledFeatureGates"), note, notes);
    if (problem.code == ERROR_NONE)
        return 0;
    if (error != NULL)
        *error = problem;
    return -1;
}
