/* SPDX-License-Identifier: MIT */
#include "tests/fake/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/fake/sim_parts.h"

/* ---- replies and events ---- */

json_t *sim_return(json_t *value)
{
    return json_pack("{s:o}", "return", value);
}

json_t *sim_error(const char *class_name, const char *desc, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, desc);
    (void)vsnprintf(text, sizeof(text), desc, arguments);
    va_end(arguments);
    return json_pack("{s:{s:s, s:s}}", "error", "class", class_name, "desc", text);
}

void sim_emit(struct sim *sim, const char *event, json_t *data)
{
    fault_emit(&sim->faults, event,
               json_pack("{s:{s:i, s:i}, s:s, s:o}", "timestamp", "seconds", 1, "microseconds", 2,
                         "event", event, "data", data));
}

void sim_check_arguments(const char *command, const json_t *arguments, const char *names)
{
    const char *key, *found;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)arguments, key, value) {
        found = strstr(names, key);
        while (found != NULL && ((found > names && found[-1] != ' ') ||
                                 (found[strlen(key)] != ' ' && found[strlen(key)] != '\0')))
            found = strstr(found + 1, key);
        if (found == NULL)
            fake_fail("QEMU's %s has no argument '%s'", command, key);
    }
}

/* ---- the guest's answers ---- */

static void tell_ost(struct sim *sim, const struct sim_ost *ost)
{
    struct sim_ost *last = sim->telling_cpu ? &sim->cpus[sim->telling_slot].ost
                                            : &sim->dimm_ost[sim->telling_slot];
    const char *device = sim->telling_cpu ? sim->cpus[sim->telling_slot].id : "";
    char slot[16];
    unsigned i;

    for (i = 0; !sim->telling_cpu && i < sim->dimm_count; i++) {
        if (sim->dimms[i].slot == sim->telling_slot)
            device = sim->dimms[i].id;
    }
    *last = *ost;
    if (!sim->has_ost || sim->guest.ost_unheard)
        return;
    (void)snprintf(slot, sizeof(slot), "%u", sim->telling_slot);
    sim_emit(sim, "ACPI_DEVICE_OST",
             json_pack("{s:{s:s, s:s, s:s, s:i, s:i}}", "info", "device", device, "slot", slot,
                       "slot-type", sim->telling_cpu ? "CPU" : "DIMM", "source", (int)ost->source,
                       "status", (int)ost->status));
}

static void tell_more(struct sim *sim)
{
    const struct sim_ost *answers = sim->ejecting ? sim->guest.eject : sim->guest.ost;
    unsigned count = sim->ejecting ? sim->guest.eject_count : sim->guest.ost_count;

    if (sim->telling && sim->ejecting && sim->unplug_error != NULL) {
        sim_refuse_by_event(sim);
        sim->telling = false;
    }
    while (sim->telling && sim->told < count) {
        if (sim->guest.ost_delay_ms > 0 && sim->qmp.wake_ms == CLOCK_NEVER_MS) {
            sim->qmp.wake_ms = clock_now_ms() + sim->guest.ost_delay_ms;
            return;
        }
        sim->qmp.wake_ms = CLOCK_NEVER_MS;
        /* QEMU unplugs before the guest has said its last word, which then names no device. */
        if (sim->ejecting && sim->told + 1 == count && answers[sim->told].status == 0)
            sim_unplug(sim, sim->telling_cpu, sim->telling_slot);
        tell_ost(sim, &answers[sim->told++]);
    }
    if (sim->telling && !sim->ejecting && !sim->guest.ignores)
        sim_guest_shows(sim, sim->telling_cpu, sim->telling_slot);
    sim->telling = false;
}

static void begin_telling(struct sim *sim, bool ejecting, bool is_cpu, unsigned slot)
{
    sim->telling = !ejecting || !sim->guest.ignores_eject;
    sim->ejecting = ejecting;
    sim->telling_cpu = is_cpu;
    sim->telling_slot = slot;
    sim->told = 0;
    if (sim->event_first)
        tell_more(sim);
}

void sim_eject(struct sim *sim, bool is_cpu, unsigned slot)
{
    begin_telling(sim, true, is_cpu, slot);
}

void sim_plugged(struct sim *sim, bool is_cpu, unsigned slot)
{
    begin_telling(sim, false, is_cpu, slot);
}

void sim_reset(struct sim *sim)
{
    sim->telling = false;
    sim->qmp.wake_ms = CLOCK_NEVER_MS;
    sim_emit(sim, "RESET", json_pack("{s:b, s:s}", "guest", 0, "reason", "host-qmp-system-reset"));
}

static void on_woken(void *user)
{
    struct sim *sim = user;

    sim->qmp.wake_ms = 0; /* tell_more() takes it for a delay that has passed */
    tell_more(sim);
}

/* ---- commands ---- */

static json_t *carry_out(void *user, enum sim_side side, const json_t *message)
{
    const char *command = json_string_value(json_object_get(message, "execute"));
    const json_t *arguments = json_object_get(message, "arguments");

    return side == SIM_QMP ? sim_qmp_do(user, command, arguments)
                           : sim_agent_do(user, command, arguments);
}

static void take(struct sim *sim, enum sim_side side, json_t *message)
{
    const char *command = json_string_value(json_object_get(message, "execute"));

    if (command == NULL)
        fake_fail("vmplug sent what is no command: %s", json_dumps(message, JSON_COMPACT));
    json_array_append(sim->record[side], message);
    if (sim->on_command != NULL)
        sim->on_command(sim->user, sim, side, command);
    if ((side == SIM_QMP ? sim->qmp.fd : sim->agent.fd) < 0)
        return; /* hung up by the test */
    fault_command(&sim->faults, side, message);
    if (sim->qmp.wake_ms == CLOCK_NEVER_MS)
        tell_more(sim);
    sim_virtio_mem_work(sim);
}

static void greet(void *user)
{
    struct sim *sim = user;

    if (sim->greets)
        fault_greet(&sim->faults,
                    fake_json("{'QMP':{'version':{'qemu':{'micro':22,'minor':2,'major':7},"
                              "'package':''},'capabilities':['oob']}}"));
}

static void take_qmp(void *user, json_t *message)
{
    take(user, SIM_QMP, message);
}

static void take_agent(void *user, json_t *message)
{
    struct sim *sim = user;

    if (!sim->agent_hangs)
        take(sim, SIM_AGENT, message);
}

static void take_sentinel(void *user)
{
    static const char complaint[] =
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, stray ''\"}}\n";
    struct sim *sim = user;

    if (!sim->agent_hangs)
        server_send(&sim->agent, complaint, sizeof(complaint) - 1);
}

static const struct server_handler qmp_handler = {
    .connected = greet, .received = take_qmp, .woken = on_woken};
static const struct server_handler agent_handler = {
    .received = take_agent, .sentinel = take_sentinel};

static void die(void *user)
{
    sim_die(user);
}

/* ---- the test's side ---- */

struct sim *sim_new(void)
{
    static unsigned number;
    struct sim *sim = calloc(1, sizeof(*sim));
    char name[64];
    unsigned i;

    (void)snprintf(name, sizeof(name), "sim%u-qmp", number);
    server_open(&sim->qmp, fake_path(name), &qmp_handler, sim);
    (void)snprintf(name, sizeof(name), "sim%u-agent", number++);
    server_open(&sim->agent, fake_path(name), &agent_handler, sim);
    sim->faults = (struct faults){.servers = {&sim->qmp, &sim->agent},
                                  .carry_out = carry_out,
                                  .die = die,
                                  .user = sim};
    sim->greets = sim->has_cpus = sim->has_ost = true;
    sim->board = &sim_q35;
    sim->major = 7;
    sim->scsi_count = 1;
    sim->types = json_object();
    sim->cpu_count = 4;
    sim->vcpus_per_slot = 1;
    sim->cpus[0].present = sim->cpus[1].present = true;
    sim->base_bytes = 256 * SIM_MIB;
    sim->max_bytes = 4 * SIM_GIB;
    sim->slots = 4;
    sim->objects = json_object();
    sim->disabled = json_object();
    sim->record[SIM_QMP] = json_array();
    sim->record[SIM_AGENT] = json_array();
    sim->guest = (struct sim_guest){
        .ost = {{1, 0}},
        .ost_count = 1,
        .eject = {{3, 0x84}, {3, 0}},
        .eject_count = 2,
        .tells_serials = true,
        .block_bytes = 128 * SIM_MIB,
        .files = sim_texts_new()};
    for (i = 0; i < 2; i++) {
        sim->guest.vcpus[sim->guest.vcpu_count++] = (struct sim_vcpu){i, true};
        sim->guest.blocks[sim->guest.block_count++] =
            (struct sim_block){.index = i, .online = true};
    }
    return sim;
}

void sim_actors(struct sim *sim, struct fake_actor actors[2])
{
    actors[0] = (struct fake_actor){.pump = &sim->qmp.pump};
    actors[1] = (struct fake_actor){.pump = &sim->agent.pump};
}

void sim_die(struct sim *sim)
{
    server_close(&sim->agent);
    server_close(&sim->qmp);
}

void sim_end(struct sim *sim)
{
    sim_die(sim);
    fault_clear(&sim->faults);
    json_decref(sim->objects);
    json_decref(sim->guest.files);
    json_decref(sim->types);
    json_decref(sim->disabled);
    json_decref(sim->record[SIM_QMP]);
    json_decref(sim->record[SIM_AGENT]);
    free(sim);
}

void sim_fault(struct sim *sim, struct fault fault)
{
    fault_add(&sim->faults, fault);
}

void sim_disable(struct sim *sim, const char *agent_command)
{
    json_object_set_new(sim->disabled, agent_command, json_true());
}

unsigned sim_count(const struct sim *sim, enum sim_side side, const char *command)
{
    const json_t *message;
    unsigned count = 0;
    size_t i;

    json_array_foreach(sim->record[side], i, message) {
        if (strcmp(json_string_value(json_object_get(message, "execute")), command) == 0)
            count++;
    }
    return count;
}

const json_t *sim_arguments(const struct sim *sim, enum sim_side side, const char *command)
{
    const json_t *message, *found = NULL;
    size_t i;

    json_array_foreach(sim->record[side], i, message) {
        if (strcmp(json_string_value(json_object_get(message, "execute")), command) == 0)
            found = json_object_get(message, "arguments");
    }
    return found;
}

unsigned sim_changes(const struct sim *sim)
{
    static const char *const changing[] = {
        "device_add",   "device_del", "object-add",      "object-del",
        "blockdev-add", "qom-set",    "blockdev-del",    "blockdev-open-tray",
        "block_resize", "block_set_io_throttle",
    };
    unsigned count = 0, i;

    for (i = 0; i < sizeof(changing) / sizeof(changing[0]); i++)
        count += sim_count(sim, SIM_QMP, changing[i]);
    return count + sim_count(sim, SIM_AGENT, "guest-set-vcpus") +
           sim_count(sim, SIM_AGENT, "guest-set-memory-blocks") +
           sim_count(sim, SIM_AGENT, "guest-file-write");
}
