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
    "guest-file-open",
    "guest-file-read",
    "guest-file-seek",
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
            fake_fail("too many memory blocks");
        guest->blocks[guest->block_count++] = (struct sim_block){index, guest->onlines};
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
    json_t *list = json_array(), *address;
    char name[32];
    unsigned i;

    for (i = 0; i < sim->disk_count; i++) {
        if (sim->disks[i].id[0] == '\0' || sim->guest.ignores)
            continue;
        address = json_pack("{s:s, s:i, s:i, s:I}", "bus-type", "scsi", "bus", 0, "target", 0,
                            "unit", (json_int_t)sim->disks[i].lun);
        if (sim->guest.tells_serials)
            json_object_set_new(address, "serial", json_string(sim->disks[i].serial));
        (void)snprintf(name, sizeof(name), "/dev/sd%c1", 'a' + (int)i);
        json_array_append_new(list, json_pack("{s:s, s:b, s:[]}", "name", name, "partition", 1,
                                              "dependencies"));
        name[strlen(name) - 1] = '\0';
        json_array_append_new(list, json_pack("{s:s, s:b, s:[], s:o}", "name", name, "partition",
                                              0, "dependencies", "address", address));
    }
    return sim_return(list);
}

/* A page 0x80: 00 80 00 length serial. */
static bool put_page(struct sim *sim, unsigned disk)
{
    const char *serial = disk < sim->disk_count ? sim->disks[disk].serial : "";
    size_t length = strlen(serial);

    if (!sim->guest.has_vpd || disk >= sim->disk_count)
        return false;
    memcpy(sim->guest.file, (const unsigned char[]){0x00, 0x80, 0x00, (unsigned char)length}, 4);
    memcpy(sim->guest.file + 4, serial, length);
    sim->guest.file_size = 4 + length;
    return true;
}

static bool put_medium(struct sim *sim, unsigned drive)
{
    const struct sim_disk *node =
        drive < sim->cdrom_count ? sim_find_node(sim, sim->cdroms[drive].node) : NULL;
    FILE *file = node != NULL && !sim->guest.has_no_drives ? fopen(node->file, "re") : NULL;

    if (file == NULL)
        return false;
    sim->guest.file_size = fread(sim->guest.file, 1, SIM_FILE_MAX, file);
    fclose(file);
    return true;
}

static bool put_file(struct sim *sim, const char *path)
{
    unsigned drive;
    char letter;
    int used = 0;

    if (sscanf(path, "/sys/block/sd%c/device/vpd_pg80%n", &letter, &used) == 1 && used > 0 &&
        path[used] == '\0')
        return put_page(sim, (unsigned)(letter - 'a'));
    used = 0;
    if (sscanf(path, "/sys/block/sd%c/size%n", &letter, &used) == 1 && used > 0 &&
        path[used] == '\0' && (unsigned)(letter - 'a') < sim->disk_count) {
        sim->guest.file_size = (size_t)snprintf(
            (char *)sim->guest.file, SIM_FILE_MAX, "%llu\n",
            (unsigned long long)sim->disks[letter - 'a'].bytes / 512);
        return true;
    }
    if (sscanf(path, "/dev/sr%u%n", &drive, &used) == 1 && used > 0 && path[used] == '\0')
        return put_medium(sim, drive);
    fake_fail("vmplug opens %s in the guest", path);
}

static json_t *open_file(struct sim *sim, const json_t *arguments)
{
    const char *path = json_string_value(json_object_get(arguments, "path"));

    if (sim->guest.open_handle != 0)
        fake_fail("vmplug left a file open in the guest");
    if (!put_file(sim, path))
        return sim_error("GenericError", "failed to open file '%s': No such file or directory",
                         path);
    sim->guest.file_at = 0;
    sim->guest.open_handle = 1000;
    return sim_return(json_integer(1000));
}

static json_t *seek_file(struct sim *sim, const json_t *arguments)
{
    sim_check_arguments("guest-file-seek", arguments, "handle offset whence");
    sim->guest.file_at = (size_t)json_integer_value(json_object_get(arguments, "offset"));
    return sim_return(json_pack("{s:I, s:b}", "position", (json_int_t)sim->guest.file_at, "eof",
                                0));
}

static json_t *read_file(struct sim *sim, const json_t *arguments)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const struct sim_guest *guest = &sim->guest;
    size_t count = (size_t)json_integer_value(json_object_get(arguments, "count"));
    size_t left = guest->file_at < guest->file_size ? guest->file_size - guest->file_at : 0;
    size_t size = count < left ? count : left, i;
    unsigned char bytes[4096 + 2] = {0};
    char text[8192], *at = text;
    unsigned bits;

    if (size > 4096)
        fake_fail("vmplug reads a lot at once");
    memcpy(bytes, guest->file + guest->file_at, size);
    for (i = 0; i < size; i += 3) {
        bits = (unsigned)(bytes[i] << 16 | bytes[i + 1] << 8 | bytes[i + 2]);
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = i + 1 < size ? digits[bits >> 6 & 63] : '=';
        *at++ = i + 2 < size ? digits[bits & 63] : '=';
    }
    *at = '\0';
    return sim_return(json_pack("{s:I, s:s, s:b}", "count", (json_int_t)size, "buf-b64", text,
                                "eof", size < count));
}

static json_t *close_file(struct sim *sim, const json_t *arguments)
{
    if (json_integer_value(json_object_get(arguments, "handle")) != sim->guest.open_handle)
        fake_fail("vmplug closes a file that is not open");
    sim->guest.open_handle = 0;
    return sim_return(json_object());
}

json_t *sim_agent_do(struct sim *sim, const char *command, const json_t *arguments)
{
    if (json_object_get(sim->disabled, command) != NULL)
        return sim_error("CommandNotFound", "Command %s has been disabled", command);
    if (strcmp(command, "guest-info") == 0)
        return get_info(sim);
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
    if (strcmp(command, "guest-file-open") == 0)
        return open_file(sim, arguments);
    if (strcmp(command, "guest-file-read") == 0)
        return read_file(sim, arguments);
    if (strcmp(command, "guest-file-seek") == 0)
        return seek_file(sim, arguments);
    if (strcmp(command, "guest-file-close") == 0)
        return close_file(sim, arguments);
    return sim_error("CommandNotFound", "The command %s has not been found", command);
}
