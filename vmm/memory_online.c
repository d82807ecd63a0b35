/* SPDX-License-Identifier: MIT */
#include "vmm/memory_online.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/memory_plan.h"

const char *const memory_online_agent_commands[] = {"guest-get-memory-blocks",
                                                    "guest-get-memory-block-info",
                                                    "guest-set-memory-blocks", NULL};

bool memory_online_has_baseline(const struct inventory *before)
{
    return before->guest.blocks_known && before->guest.block_bytes != 0;
}

size_t memory_online_count(const struct operation *operation,
                           const struct qga_memory_block *blocks, size_t count, json_t **online,
                           json_t **offline)
{
    uint64_t block = memory_plan_block_bytes(operation);
    uint64_t first = operation->addr / block, end = (operation->addr + operation->bytes) / block;
    size_t found = 0, i;

    for (i = 0; i < count; i++) {
        if (blocks[i].index < first || blocks[i].index >= end)
            continue;
        found++;
        field_append(blocks[i].online ? online : offline,
                     json_integer((json_int_t)blocks[i].index));
    }
    return found;
}

bool memory_online_were_there(struct operation *operation)
{
    const struct inventory_guest *guest = &operation->before->guest;
    AUTO_JSON json_t *online = json_array();
    AUTO_JSON json_t *offline = json_array();

    if (memory_online_count(operation, guest->blocks, guest->block_count, &online, &offline) == 0)
        return false;
    operation_cannot_look(operation, "agent",
                          "the guest had memory at this address before: does the agent's socket "
                          "belong to this VM?");
    return true;
}

/* ---- as movable memory ---- */

#define BLOCK_PATH "/sys/devices/system/memory/memory%" PRIu64 "/%s"
#define ONLINE_MOVABLE "b25saW5lX21vdmFibGU=" /* "online_movable" in base64 */

static void check_next_zone(struct operation *operation);

/* The agent's own command puts blocks into whichever zone the guest's kernel prefers. */
static void on_state_written(struct operation *operation, const struct error *error)
{
    if (error != NULL)
        operation_online_failed(operation, error);
    else
        operation_look_again(operation);
}

static void put_online_movable(struct operation *operation, const json_t *offline)
{
    uint64_t block = (uint64_t)json_integer_value(json_array_get(offline, 0));
    char path[128];

    (void)snprintf(path, sizeof(path), BLOCK_PATH, block, "state");
    if (operation->block != block)
        operation->looked_again = false; /* another block is a step forward */
    operation->block = block;
    operation_write_file(operation, path, ONLINE_MOVABLE, on_state_written);
}

/* A guest that puts new memory online by itself may have chosen another zone before us. */
static void on_zone(struct operation *operation, const struct error *error)
{
    static const char movable[] = "Movable";
    const struct operation_file *file = &operation->file;
    bool is_movable = error == NULL && file->size >= strlen(movable) &&
                      memcmp(file->bytes, movable, strlen(movable)) == 0;

    if (is_movable) {
        operation->block++;
        check_next_zone(operation);
        return;
    }
    operation_detail(operation, "movable", error == NULL ? json_false() : json_null());
    operation_note(operation, "the guest has it online, but not as movable memory, and may not "
                              "be able to give it back; boot it with "
                              "memhp_default_state=online_movable");
    operation_confirmed(operation);
}

static void check_next_zone(struct operation *operation)
{
    const json_t *index = json_array_get(json_object_get(operation->result.details, "blocks"),
                                         operation->block);
    char path[128];

    if (index == NULL) {
        operation_detail(operation, "movable", json_true());
        operation_confirmed(operation);
        return;
    }
    (void)snprintf(path, sizeof(path), BLOCK_PATH, (uint64_t)json_integer_value(index),
                   "valid_zones");
    operation_read_file(operation, path, on_zone);
}

int memory_online_check_movable(const struct operation *operation, struct error *error)
{
    if (!operation->request.dimm.movable ||
        (operation_can_write_files(operation) && inventory_can_read_files(operation->before)))
        return 0;
    return error_set(error, ERROR_BLOCKED,
                     "allow the agent guest-file-open, -read, -write, -flush and -close, or boot "
                     "the guest with memhp_default_state=online_movable and leave out --movable",
                     "putting memory online as movable takes the guest agent's file commands, and "
                     "they are not to be had");
}

void memory_online_remember(const struct operation *operation, json_t **entry)
{
    field_set(entry, "movable", json_boolean(operation->request.dimm.movable));
}

int memory_online_take_up(struct operation *operation, struct error *error)
{
    AUTO_JSON json_t *entry = record_find(vm_record(operation->vm), operation->request.id);

    operation->request.dimm.movable = field_bool(entry, "movable", false);
    return memory_online_check_movable(operation, error);
}

/* ---- putting it online ---- */

static void on_set(struct operation *operation, const json_t *value, const struct error *error)
{
    struct error failure = ERROR_INIT;

    if (error == NULL && qga_check_memory_blocks_set(value, &failure) == 0)
        operation_look_again(operation);
    else
        operation_online_failed(operation, error != NULL ? error : &failure);
}

void memory_online_put(struct operation *operation, json_t *offline)
{
    if (operation->request.dimm.movable)
        put_online_movable(operation, offline);
    else
        operation_ask_agent_with(operation, "guest-set-memory-blocks",
                            qga_memory_blocks_online(offline), on_set);
}

void memory_online_confirm(struct operation *operation, json_t *online)
{
    operation_detail(operation, "blocks", json_incref(online));
    operation->block = 0;
    if (operation->request.dimm.movable)
        check_next_zone(operation);
    else
        operation_confirmed(operation);
}
