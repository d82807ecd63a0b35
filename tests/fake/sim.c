/* SPDX-License-Identifier: MIT */
#include "tests/fake/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/fake/schema.h"
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

static void has_changed(struct sim *sim)
{
    if (sim->on_change != NULL)
        sim->on_change(sim->user, sim);
}

json_t *sim_offence(const struct sim *sim, const char *desc, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, desc);
    (void)vsnprintf(text, sizeof(text), desc, arguments);
    va_end(arguments);
    if (!sim->lenient)
        fake_fail("vmplug: %s", text);
    return sim_error("GenericError", "%s", text);
}

void sim_emit(struct sim *sim, const char *event, json_t *data)
{
    struct error error = ERROR_INIT;

    has_changed(sim);
    if (!sim->lenient &&
        schema_check_event(schema_of_qemu(sim->major), event, data, &error) < 0)
        fake_fail("no QEMU says so by %s: %s", event, error.why);
    fault_emit(&sim->faults, event,
               json_pack("{s:{s:i, s:i}, s:s, s:o}", "timestamp", "seconds", 1, "microseconds", 2,
                         "event", event, "data", data));
}

/* ---- the guest's answers ---- */

static const char *device_of(const struct sim *sim, const struct sim_task *task)
{
    unsigned i;

    for (i = 0; !task->is_cpu && i < sim->dimm_count; i++) {
        if (sim->dimms[i].slot == task->slot)
            return sim->dimms[i].id;
    }
    return task->is_cpu ? sim->cpus[task->slot].id : "";
}

static void tell_ost(struct sim *sim, const struct sim_task *task, const struct sim_ost *ost)
{
    char slot[16];

    *(task->is_cpu ? &sim->cpus[task->slot].ost : &sim->dimm_ost[task->slot]) = *ost;
    if (!sim->has_ost || sim->guest.ost_unheard)
        return;
    (void)snprintf(slot, sizeof(slot), "%u", task->slot);
    sim_emit(sim, "ACPI_DEVICE_OST",
             json_pack("{s:{s:s, s:s, s:s, s:i, s:i}}", "info", "device", device_of(sim, task),
                       "slot", slot, "slot-type", task->is_cpu ? "CPU" : "DIMM", "source",
                       (int)ost->source, "status", (int)ost->status));
}

/* What the guest has done before it says its last word; `last` is NULL when it says none. QEMU
 * unplugs by then, too, and the word then names no device. */
static void do_asked(struct sim *sim, const struct sim_task *task, const struct sim_ost *last)
{
    if (!task->ejecting && !sim->guest.ignores)
        sim_guest_shows(sim, task->is_cpu, task->slot);
    if (task->ejecting && last != NULL && last->status == 0)
        sim_unplug(sim, task->is_cpu, task->slot);
}

/* Gives the answers that have their time. Returns false when some have not. */
static bool tell_answers(struct sim *sim, struct sim_task *task)
{
    const struct sim_ost *answers = task->ejecting ? sim->guest.eject : sim->guest.ost;
    unsigned count = task->ejecting ? sim->guest.eject_count : sim->guest.ost_count;

    if (count == 0)
        do_asked(sim, task, NULL);
    while (task->told < count) {
        if (sim->guest.ost_delay_ms > 0 && sim->qmp.wake_ms == CLOCK_NEVER_MS) {
            sim->qmp.wake_ms = clock_now_ms() + sim->guest.ost_delay_ms;
            return false;
        }
        sim->qmp.wake_ms = CLOCK_NEVER_MS;
        if (task->told + 1 == count)
            do_asked(sim, task, &answers[task->told]);
        tell_ost(sim, task, &answers[task->told++]);
    }
    return true;
}

static void tell_more(struct sim *sim)
{
    struct sim_task *task = sim->tasks;

    while (sim->task_count > 0) {
        if (task->ejecting && sim->unplug_error != NULL)
            sim_refuse_by_event(sim, device_of(sim, task));
        else if (!tell_answers(sim, task))
            return;
        sim->task_count--;
        memmove(task, task + 1, sim->task_count * sizeof(*task));
    }
}

/* Asking twice for the same is asking once. */
static void ask_guest(struct sim *sim, bool ejecting, bool is_cpu, unsigned slot)
{
    unsigned i;

    for (i = 0; i < sim->task_count; i++) {
        if (sim->tasks[i].ejecting == ejecting && sim->tasks[i].is_cpu == is_cpu &&
            sim->tasks[i].slot == slot)
            return;
    }
    if ((ejecting && sim->guest.ignores_eject) || sim->task_count == SIM_TASKS_MAX)
        return;
    sim->tasks[sim->task_count++] =
        (struct sim_task){.ejecting = ejecting, .is_cpu = is_cpu, .slot = slot};
    if (sim->event_first)
        tell_more(sim);
}

void sim_eject(struct sim *sim, bool is_cpu, unsigned slot)
{
    ask_guest(sim, true, is_cpu, slot);
}

void sim_plugged(struct sim *sim, bool is_cpu, unsigned slot)
{
    ask_guest(sim, false, is_cpu, slot);
}

void sim_reset(struct sim *sim)
{
    sim->task_count = 0;
    sim->qmp.wake_ms = CLOCK_NEVER_MS;
    sim_emit(sim, "RESET", json_pack("{s:b, s:s}", "guest", 0, "reason", "host-qmp-system-reset"));
}

void sim_panic(struct sim *sim)
{
    struct sim_guest *guest = &sim->guest;

    sim->agent_hangs = guest->ignores = guest->ignores_eject = guest->ost_unheard = true;
    guest->opens_trays = guest->onlines = false;
    guest->ost_count = 0;
    sim->task_count = 0;
    sim->qmp.wake_ms = CLOCK_NEVER_MS;
    sim_emit(sim, "GUEST_PANICKED", json_pack("{s:s}", "action", "pause"));
}

static void on_woken(void *user)
{
    struct sim *sim = user;

    sim->qmp.wake_ms = 0; /* tell_answers() takes it for a delay that has passed */
    tell_more(sim);
    has_changed(sim);
}

/* ---- commands ---- */

static const struct schema *schema_of(const struct sim *sim, enum sim_side side)
{
    return side == SIM_QMP ? schema_of_qemu(sim->major) : schema_of_agent();
}

/* The simulated QEMU must not lie to tests, either. The guest's agent may say what it likes. */
static void check_answer(const struct sim *sim, const char *command, const json_t *value)
{
    struct error error = ERROR_INIT;

    if (value != NULL && !sim->lenient &&
        schema_check_answer(schema_of(sim, SIM_QMP), command, value, &error) < 0)
        fake_fail("no QEMU answers so to %s: %s", command, error.why);
}

static json_t *carry_out(void *user, enum sim_side side, const json_t *message)
{
    const char *command = json_string_value(json_object_get(message, "execute"));
    const json_t *arguments = json_object_get(message, "arguments");
    json_t *answer = side == SIM_QMP ? sim_qmp_do(user, command, arguments)
                                     : sim_agent_do(user, command, arguments);

    has_changed(user);
    if (side == SIM_QMP)
        check_answer(user, command, json_object_get(answer, "return"));
    return answer;
}

/* A command that there is not, or not so. What an agent may do is another's to find out. */
static json_t *find_mistake(const struct sim *sim, enum sim_side side, const json_t *message)
{
    struct error error = ERROR_INIT;

    if (schema_check(schema_of(sim, side), message, &error) == 0)
        return NULL;
    if (!sim->lenient && (side == SIM_QMP || strcmp(error.class_name, "GenericError") == 0))
        fake_fail("vmplug sent %s: %s", json_dumps(message, JSON_COMPACT), error.why);
    return sim_error(error.class_name, "%s", error.why);
}

static void take(struct sim *sim, enum sim_side side, json_t *message)
{
    const char *command = json_string_value(json_object_get(message, "execute"));
    struct server *server = sim->faults.servers[side];
    json_t *mistake = find_mistake(sim, side, message);

    if (mistake != NULL) {
        if (json_object_get(message, "id") != NULL)
            json_object_set(mistake, "id", json_object_get(message, "id"));
        server_send_json(server, mistake);
        return;
    }
    json_array_append(sim->record[side], message);
    if (sim->on_command != NULL)
        sim->on_command(sim->user, sim, side, command);
    if (server->fd < 0)
        return; /* hung up by the test */
    fault_command(&sim->faults, side, message);
    if (sim->qmp.wake_ms == CLOCK_NEVER_MS)
        tell_more(sim);
    sim_virtio_mem_work(sim);
    has_changed(sim);
}

static void greet(void *user)
{
    struct sim *sim = user;

    sim->negotiated = false;
    if (sim->greets)
        fault_greet(&sim->faults,
                    json_pack("{s:{s:o, s:[s]}}", "QMP", "version", sim_version(sim),
                              "capabilities", "oob"));
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

static void complain(struct server *server)
{
    server_send_json(server, sim_error("GenericError", "JSON parse error, stray ''"));
}

static void take_sentinel(void *user)
{
    struct sim *sim = user;

    if (!sim->agent_hangs)
        complain(&sim->agent);
}

static void take_malformed_qmp(void *user)
{
    struct sim *sim = user;

    json_decref(sim_offence(sim, "what is no JSON was sent"));
    complain(&sim->qmp);
}

static void take_malformed_agent(void *user)
{
    struct sim *sim = user;

    json_decref(sim_offence(sim, "what is no JSON was sent to the agent"));
    complain(&sim->agent);
}

static const struct server_handler qmp_handler = {.connected = greet,
                                                  .received = take_qmp,
                                                  .malformed = take_malformed_qmp,
                                                  .woken = on_woken};
static const struct server_handler agent_handler = {
    .received = take_agent, .malformed = take_malformed_agent, .sentinel = take_sentinel};

static void die(void *user)
{
    sim_die(user);
}

/* ---- the test's side ---- */

void sim_resize(struct sim *sim, unsigned cpus, unsigned max_cpus, uint64_t base_bytes,
                uint64_t max_bytes, unsigned slots)
{
    struct sim_guest *guest = &sim->guest;
    unsigned i;

    sim->cpu_count = max_cpus;
    sim->base_bytes = base_bytes;
    sim->max_bytes = max_bytes;
    sim->slots = slots;
    for (i = 0; i < max_cpus; i++)
        sim->cpus[i].present = i < cpus;
    guest->vcpu_count = cpus;
    for (i = 0; i < cpus; i++)
        guest->vcpus[i] = (struct sim_vcpu){i, true};
    guest->block_count = (unsigned)(base_bytes / guest->block_bytes);
    for (i = 0; i < guest->block_count; i++)
        guest->blocks[i] = (struct sim_block){.index = i, .online = true};
}

struct sim *sim_new_at(const char *qmp_path, const char *agent_path)
{
    struct sim *sim = calloc(1, sizeof(*sim));

    server_open(&sim->qmp, qmp_path, &qmp_handler, sim);
    server_open(&sim->agent, agent_path, &agent_handler, sim);
    sim->faults = (struct faults){.servers = {&sim->qmp, &sim->agent},
                                  .carry_out = carry_out,
                                  .die = die,
                                  .user = sim};
    sim->greets = sim->has_cpus = sim->has_ost = true;
    sim->board = &sim_q35;
    sim->major = 7;
    sim->scsi_count = 1;
    sim->types = json_object();
    sim->vcpus_per_slot = 1;
    sim->objects = json_object();
    sim->disabled = json_object();
    sim->record[SIM_QMP] = json_array();
    sim->record[SIM_AGENT] = json_array();
    sim->guest = (struct sim_guest){.ost = {{1, 0}},
                                    .ost_count = 1,
                                    .eject = {{3, 0x84}, {3, 0}},
                                    .eject_count = 2,
                                    .tells_serials = true,
                                    .block_bytes = 128 * SIM_MIB,
                                    .files = sim_texts_new()};
    sim_resize(sim, 2, 4, 256 * SIM_MIB, 4 * SIM_GIB, 4);
    return sim;
}

struct sim *sim_new(void)
{
    static unsigned number;
    char qmp[64], agent[64];

    (void)snprintf(qmp, sizeof(qmp), "sim%u-qmp", number);
    (void)snprintf(agent, sizeof(agent), "sim%u-agent", number++);
    return sim_new_at(fake_path(qmp), fake_path(agent));
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
