/* SPDX-License-Identifier: MIT */
#include "vmm/virtio_mem.h"

#include <stdlib.h>
#include <string.h>

#include "qmp/codec.h"
#include "vmm/memory_online.h"
#include "vmm/memory_plan.h"

bool virtio_mem_read(struct operation *operation, const json_t *answer,
                     struct qapi_memory_device *ret)
{
    uint64_t wanted = operation->request.dimm.bytes;

    if (!qapi_find_memory_device(answer, operation->result.id, ret) ||
        strcmp(ret->kind, "virtio-mem") != 0)
        return false;
    operation->addr = ret->addr;
    operation->bytes = ret->reserved_bytes;
    operation->size_reached = ret->requested_bytes == wanted && ret->bytes == wanted;
    operation_detail(operation, "reached_bytes", json_integer((json_int_t)ret->bytes));
    return true;
}

/* QEMU counts memory that the guest has accepted, a moment before the guest has made a block of
 * it: the blocks must hold it all. */
static void on_blocks(struct operation *operation, const json_t *value, const struct error *error)
{
    bool is_new = operation->kind == &virtio_mem_add_kind && !operation->request.resume;
    uint64_t block = memory_plan_block_bytes(operation);
    AUTO_JSON json_t *online = json_array();
    AUTO_JSON json_t *offline = json_array();
    struct qga_memory_block *blocks = NULL;
    size_t count = 0, found;

    if (error != NULL || !qga_read_memory_blocks(value, &blocks, &count)) {
        operation_look_later(operation);
        return;
    }
    found = memory_online_count(operation, blocks, count, &online, &offline);
    free(blocks);
    if (is_new && memory_online_were_there(operation))
        return;
    if (online == NULL || offline == NULL)
        operation_look_later(operation);
    else if (json_array_size(offline) > 0)
        memory_online_put(operation, offline);
    else if (operation->size_reached && found * block >= operation->request.dimm.bytes)
        memory_online_confirm(operation, online);
    else
        operation_look_later(operation);
}

static void on_devices(struct operation *operation, const json_t *value,
                       const struct error *error)
{
    struct qapi_memory_device device;

    (void)error;
    if (virtio_mem_read(operation, value, &device))
        operation_ask_agent(operation, "guest-get-memory-blocks", on_blocks);
    else
        operation_look_later(operation);
}

void virtio_mem_look_inside(struct operation *operation)
{
    operation_ask_qmp(operation, "query-memory-devices", on_devices);
}
