/* SPDX-License-Identifier: MIT */
/*
 * Disks that the guest swaps to. No command of the agent lists them, but it can read /proc/swaps;
 * a guest without that file, or an agent that may not read it, tells nothing.
 */
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "qmp/field.h"
#include "vmm/inventory_parts.h"

#define READ_BYTES 4096

static void take_content(void *user, void *item, const json_t *value, const struct error *error)
{
    const struct inventory_question *question = user;
    char text[READ_BYTES + 1];
    size_t size = 0;

    (void)item;
    (void)error;
    if (!base64_decode(field_string(value, "buf-b64", ""), (unsigned char *)text, READ_BYTES,
                       &size))
        return;
    text[size] = '\0';
    qga_uses_read_swaps(&question->inventory->guest.uses, text);
}

static void take_nothing(void *user, void *item, const json_t *value, const struct error *error)
{
    (void)user;
    (void)item;
    (void)value;
    (void)error;
}

static void take_handle(void *user, void *item, const json_t *value, const struct error *error)
{
    const struct inventory_question *question = user;
    int64_t handle = json_integer_value(value);

    (void)item;
    if (error != NULL || !json_is_integer(value))
        return;
    gather_ask(question->gather, PEER_AGENT, "guest-file-read",
               json_pack("{s:I, s:i}", "handle", handle, "count", READ_BYTES), take_content, NULL);
    gather_ask(question->gather, PEER_AGENT, "guest-file-close",
               json_pack("{s:I}", "handle", handle), take_nothing, NULL);
}

void inventory_swaps_ask(const struct inventory_question *question)
{
    static const char *const commands[] = {"guest-file-open", "guest-file-read",
                                           "guest-file-close"};
    size_t i;

    if ((question->inventory->parts & INVENTORY_GUEST_MOUNTS) == 0)
        return;
    for (i = 0; i < COUNT_OF(commands); i++) {
        if (!inventory_agent_has(question->inventory, commands[i]))
            return;
    }
    gather_ask(question->gather, PEER_AGENT, commands[0],
               json_pack("{s:s, s:s}", "path", "/proc/swaps", "mode", "r"), take_handle, NULL);
}
