/* SPDX-License-Identifier: MIT */
/* The guest's side of the simulated machine: what it shows, and its agent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/sim_parts.h"

static const char *const agent_commands[] = {
    "guest-info",
    "guest-get-vcpus",
    "guest-set-vcpus",
    "guest-get-memory-blocks",
    "guest-get-memory-block-info",
    "guest-set-memory-blocks",
    "guest-get-disks",
    "guest-get-osinfo",
    "guest-get-fsinfo",
    "guest-file-open",
    "guest-file-read",
    "guest-file-seek",
    "guest-file-write",
    "guest-file-flush",
    "guest-file-close",
};

#define AGENT_COMMANDS (sizeof(agent_commands) / sizeof(agent_commands[0]))

static void show_dimm(struct sim *sim, const struct sim_dimm *dimm)
{
    struct sim_guest *guest = &sim->guest;
    uint64_t index;

    /* Linux takes whole blocks or nothing. */
    if (dimm->addr % guest->block_bytes != 0 || dimm->bytes % guest->block_bytes != 0)
        return;
    for (index = dimm->addr / guest->block_bytes;
         index < (dimm->addr + dimm->bytes) / guest->block_bytes; index++) {
        if (guest->block_count == SIM_BLOCKS_MAX)
            return;
        guest->blocks[guest->block_count++] =
            (struct sim_block){.index = index, .online = guest->onlines};
    }
}

void sim_guest_shows(struct sim *sim, bool is_cpu, unsigned slot)
{
    struct sim_guest *guest = &sim->guest;
    unsigned i;

    for (i = 0; is_cpu && i < sim->vcpus_per_slot; i++) {
        guest->vcpus[guest->vcpu_count] =
            (struct sim_vcpu){.logical_id = guest->vcpu_count, .online = guest->onlines};
        guest->vcpu_count++;
    }
    for (i = 0; !is_cpu && i < sim->dimm_count; i++) {
        if (sim->dimms[i].slot == slot)
            show_dimm(sim, &sim->dimms[i]);
    }
}

static json_t *get_info(const struct sim *sim)
{
    json_t *list = json_array();
    size_t i;

    for (i = 0; i < AGENT_COMMANDS; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:b, s:b}", "name", agent_commands[i], "enabled",
                            json_object_get(sim->disabled, agent_commands[i]) == NULL,
                            "success-response", 1));
    return sim_return(json_pack("{s:s, s:o}", "version", "7.2.22", "supported_commands", list));
}

static json_t *get_vcpus(const struct sim *sim)
{
    json_t *list = json_array();
    unsigned i;

    /* Newest first: the agent promises no order. */
    for (i = sim->guest.vcpu_count; i > 0; i--)
        json_array_append_new(list, json_pack("{s:I, s:b, s:b}", "logical-id",
                                              sim->guest.vcpus[i - 1].logical_id, "online",
                                              sim->guest.vcpus[i - 1].online, "can-offline",
                                              i > 1));
    return sim_return(list);
}

static json_t *set_vcpus(struct sim *sim, const json_t *arguments)
{
    const json_t *list = json_object_get(arguments, "vcpus");
    const json_t *entry;
    unsigned i;
    size_t at;

    json_array_foreach(list, at, entry) {
        for (i = 0; i < sim->guest.vcpu_count; i++) {
            if (sim->guest.vcpus[i].logical_id ==
                json_integer_value(json_object_get(entry, "logical-id")))
                break;
        }
        if (i == sim->guest.vcpu_count)
            return sim_error("GenericError", "no such vCPU");
        if (!sim->guest.set_does_nothing)
            sim->guest.vcpus[i].online = json_is_true(json_object_get(entry, "online"));
    }
    return sim_return(json_integer((json_int_t)json_array_size(list)));
}

static json_t *get_blocks(const struct sim *sim)
{
    json_t *list = json_array();
    unsigned i;

    for (i = sim->guest.block_count; i > 0; i--)
        json_array_append_new(list, json_pack("{s:I, s:b, s:b}", "phys-index",
                                              (json_int_t)sim->guest.blocks[i - 1].index, "online",
                                              sim->guest.blocks[i - 1].online, "can-offline", 1));
    return sim_return(list);
}

static json_t *set_blocks(struct sim *sim, const json_t *arguments)
{
    const char *response =
        sim->guest.block_response != NULL ? sim->guest.block_response : "success";
    json_t *answers = json_array();
    const json_t *entry;
    json_int_t index;
    unsigned i;
    size_t at;

    json_array_foreach(json_object_get(arguments, "mem-blks"), at, entry) {
        index = json_integer_value(json_object_get(entry, "phys-index"));
        for (i = 0; i < sim->guest.block_count; i++) {
            if ((json_int_t)sim->guest.blocks[i].index == index &&
                strcmp(response, "success") == 0 && !sim->guest.set_does_nothing)
                sim->guest.blocks[i].online = json_is_true(json_object_get(entry, "online"));
        }
        json_array_append_new(answers, json_pack("{s:I, s:s}", "phys-index", index, "response",
                                                 response));
        if (strcmp(response, "operation-failed") == 0)
            json_object_set_new(json_array_get(answers, at), "error-code", json_integer(16));
    }
    return sim_return(answers);
}

/* Every disk that QEMU has is a whole disk and a partition in the guest. */
static json_t *get_disks(const struct sim *sim)
{
    json_t *list = sim->guest.more_disks != NULL ? fake_json(sim->guest.more_disks) : json_array();
    json_t *address;
    char name[32];
    unsigned i;

    for (i = 0; i < sim->disk_count; i++) {
        if (sim->disks[i].id[0] == '\0' || sim->guest.ignores)
            continue;
        address = json_pack("{s:s, s:i, s:i, s:I}", "bus-type", "scsi", "bus", 0, "target", 0,
                            "unit", (json_int_t)sim->disks[i].lun);
        if (sim->guest.tells_serials)
            json_object_set_new(address, "serial", json_string(sim->disks[i].serial));
        (void)snprintf(name, sizeof(name), "/dev/%cd%c1", sim->disks[i].virtio ? 'v' : 's',
                       'a' + (int)i);
        json_array_append_new(list, json_pack("{s:s, s:b, s:[]}", "name", name, "partition", 1,
                                              "dependencies"));
        name[strlen(name) - 1] = '\0';
        json_array_append_new(list, json_pack("{s:s, s:b, s:[], s:o}", "name", name, "partition",
                                              0, "dependencies", "address", address));
    }
    return sim_return(list);
}

static json_t *get_fsinfo(const struct sim *sim)
{
    return sim_return(fake_json(sim->guest.mounts != NULL ? sim->guest.mounts : "[]"));
}

json_t *sim_agent_do(struct sim *sim, const char *command, const json_t *arguments)
{
    json_t *answer;

    if (json_object_get(sim->disabled, command) != NULL)
        return sim_error("CommandNotFound", "Command %s has been disabled", command);
    if (strcmp(command, "guest-sync-delimited") == 0)
        return sim_return(json_incref(json_object_get(arguments, "id")));
    if (strcmp(command, "guest-info") == 0)
        return get_info(sim);
    if (strcmp(command, "guest-get-osinfo") == 0)
        return sim_return(json_pack("{s:s, s:s}", "kernel-release", "6.1.0-13-amd64", "id",
                                    "debian"));
    if (strcmp(command, "guest-get-vcpus") == 0)
        return get_vcpus(sim);
    if (strcmp(command, "guest-set-vcpus") == 0)
        return set_vcpus(sim, arguments);
    if (strcmp(command, "guest-get-memory-blocks") == 0)
        return get_blocks(sim);
    if (strcmp(command, "guest-get-memory-block-info") == 0)
        return sim_return(json_pack("{s:I}", "size", (json_int_t)sim->guest.block_bytes));
    if (strcmp(command, "guest-set-memory-blocks") == 0)
        return set_blocks(sim, arguments);
    if (strcmp(command, "guest-get-disks") == 0)
        return get_disks(sim);
    if (strcmp(command, "guest-get-fsinfo") == 0)
        return get_fsinfo(sim);
    answer = sim_file_do(sim, command, arguments);
    return answer != NULL ? answer
                          : sim_error("CommandNotFound", "The command %s has not been found",
                                      command);
}
