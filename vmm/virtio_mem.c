/* SPDX-License-Identifier: MIT */
#include "vmm/virtio_mem.h"

#include <stdlib.h>
#include <string.h>

#include "qmp/codec.h"
#include "vmm/memory_plan.h"

const char *const virtio_mem_agent_commands[] = {"guest-get-memory-blocks",
                                                 "guest-get-memory-block-info",
                                                 "guest-set-memory-blocks", NULL};

bool virtio_mem_read(struct operation *operation, const json_t *answer,
                     struct qapi_memory_device *ret)
{
    uint64_t wanted = operation->request.dimm.bytes;
    const json_t *row;
    size_t i;

    json_array_foreach(answer, i, row) {
        qapi_read_memory_device(row, ret);
        if (strcmp(ret->id, operation->result.id) != 0 || strcmp(ret->kind, "virtio-mem") != 0)
            continue;
        operation->addr = ret->addr;
        operation->bytes = ret->reserved_bytes;
        operation->size_reached = ret->requested_bytes == wanted && ret->bytes == wanted;
        operation_detail(operation, "reached_bytes", json_integer((json_int_t)ret->bytes));
        return true;
    }
    return false;
}

static void on_set(struct operation *operation, const json_t *value, const struct error *error)
{
    struct error failure = ERROR_INIT;

    if (error == NULL && qga_check_memory_blocks_set(value, &failure) == 0)
        operation_look_again(operation);
    else
        operation_online_failed(operation, error != NULL ? error : &failure);
}

/* Which of the blocks in its range are there, and which of those are not online. */
static size_t count_blocks(const struct operation *operation,
                           const struct qga_memory_block *blocks, size_t count, json_t *online,
                           json_t *offline)
{
    uint64_t block = memory_plan_block_bytes(operation);
    size_t found = 0, i;

    for (i = 0; i < count; i++) {
        if (blocks[i].index < operation->addr / block ||
            blocks[i].index >= (operation->addr + operation->bytes) / block)
            continue;
        found++;
        (void)json_array_append_new(blocks[i].online ? online : offline,
                                    json_integer((json_int_t)blocks[i].index));
    }
    return found;
}

/* What was just made can have no blocks from before. */
static bool were_there(const struct operation *operation)
{
    const struct inventory_guest *guest = &operation->before->guest;
    AUTO_JSON json_t *online = json_array();
    AUTO_JSON json_t *offline = json_array();

    return operation->kind == &virtio_mem_add_kind && !operation->request.resume &&
           count_blocks(operation, guest->blocks, guest->block_count, online, offline) > 0;
}

/* QEMU counts memory that the guest has accepted, a moment before the guest has made a block of
 * it: the blocks must hold it all. */
static void on_blocks(struct operation *operation, const json_t *value, const struct error *error)
{
    uint64_t block = memory_plan_block_bytes(operation);
    AUTO_JSON json_t *online = json_array();
    AUTO_JSON json_t *offline = json_array();
    struct qga_memory_block *blocks = NULL;
    size_t count = 0, found;

    if (error != NULL || !qga_read_memory_blocks(value, &blocks, &count)) {
        operation_look_later(operation);
        return;
    }
    found = count_blocks(operation, blocks, count, online, offline);
    free(blocks);
    if (were_there(operation)) {
        operation_cannot_look(operation, "agent",
                              "the guest had memory at this address before: does the agent's "
                              "socket belong to this VM?");
    } else if (json_array_size(offline) > 0) {
        operation_ask_agent(operation, "guest-set-memory-blocks",
                            qga_memory_blocks_online(offline), on_set);
    } else if (operation->size_reached && found * block >= operation->request.dimm.bytes) {
        operation_detail(operation, "blocks", json_incref(online));
        operation_confirmed(operation);
    } else {
        operation_look_later(operation);
    }
}

static void on_devices(struct operation *operation, const json_t *value,
                       const struct error *error)
{
    struct qapi_memory_device device;

    (void)error;
    if (virtio_mem_read(operation, value, &device))
        operation_ask_agent(operation, "guest-get-memory-blocks", NULL, on_blocks);
    else
        operation_look_later(operation);
}

void virtio_mem_look_inside(struct operation *operation)
{
    operation_ask_qmp(operation, "query-memory-devices", NULL, on_devices);
}
