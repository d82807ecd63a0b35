/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "qmp/field.h"
#include "vmm/inventory_parts.h"

#define MACHINE_SUFFIX "-machine"

static struct inventory_machine *machine_of(void *user)
{
    return &((struct inventory_question *)user)->inventory->machine;
}

static void take_name(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_machine *machine = machine_of(user);

    (void)item;
    (void)error;
    text_copy(machine->name, sizeof(machine->name), field_string(value, "name", ""));
}

static void take_uuid(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_machine *machine = machine_of(user);

    (void)item;
    (void)error;
    text_copy(machine->uuid, sizeof(machine->uuid), field_string(value, "UUID", ""));
}

static void take_status(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_machine *machine = machine_of(user);

    (void)item;
    (void)error;
    text_copy(machine->state, sizeof(machine->state), field_string(value, "status", ""));
}

static void take_target(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_machine *machine = machine_of(user);

    (void)item;
    (void)error;
    text_copy(machine->arch, sizeof(machine->arch), field_string(value, "arch", ""));
    inventory_board_take_arch(user);
}

/* QMP names no other accelerator than KVM; without it Debian's QEMU emulates. */
static void take_kvm(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_machine *machine = machine_of(user);

    (void)item;
    (void)error;
    if (value != NULL)
        text_copy(machine->accel, sizeof(machine->accel),
                       field_bool(value, "enabled", false) ? "kvm" : "tcg");
}

/* The greeting has said what query-version would say. */
void inventory_machine_finish(struct inventory *inventory, struct vm *vm)
{
    const json_t *version = field_object(qmp_client_greeting(vm_qmp(vm)), "version");
    const json_t *numbers = field_object(version, "qemu");
    struct inventory_machine *machine = &inventory->machine;
    unsigned major, minor, micro;

    if (field_unsigned(numbers, "major", &major) && field_unsigned(numbers, "minor", &minor) &&
        field_unsigned(numbers, "micro", &micro))
        (void)snprintf(machine->qemu, sizeof(machine->qemu), "%u.%u.%u", major, minor, micro);
}

static void take_type(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_machine *machine = machine_of(user);
    size_t length;

    (void)item;
    (void)error;
    text_copy(machine->machine, sizeof(machine->machine), json_string_value(value));
    length = strlen(machine->machine);
    if (length > strlen(MACHINE_SUFFIX) &&
        strcmp(machine->machine + length - strlen(MACHINE_SUFFIX), MACHINE_SUFFIX) == 0)
        machine->machine[length - strlen(MACHINE_SUFFIX)] = '\0';
}

void inventory_machine_ask_accel(const struct inventory_question *question)
{
    gather_ask(question->gather, PEER_QMP, "query-kvm", take_kvm, NULL);
}

void inventory_machine_ask(const struct inventory_question *question)
{
    struct gather *gather = question->gather;

    gather_ask(gather, PEER_QMP, "query-name", take_name, NULL);
    gather_ask(gather, PEER_QMP, "query-uuid", take_uuid, NULL);
}

void inventory_machine_ask_type(struct inventory_question *question)
{
    gather_ask(question->gather, PEER_QMP, "query-status", take_status, NULL);
    gather_ask(question->gather, PEER_QMP, "query-target", take_target, NULL);
    gather_qom_get(question->gather, "/machine", "type", take_type, NULL);
}
