/* SPDX-License-Identifier: MIT */
#include "tests/matrix/oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/report.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define BEYOND_MS 100 /* the deadline */

/* ---- what is there ---- */

static void put(json_t *all, const char *kind, const char *name, json_t *value)
{
    char key[128];

    (void)snprintf(key, sizeof(key), "%s %s", kind, name);
    (void)json_object_set_new(all, key, value);
}

/* Which device has this memory backend, "" for none. */
static const char *user_of(const struct sim *sim, const char *backend)
{
    unsigned i;

    for (i = 0; i < sim->dimm_count; i++) {
        if (strcmp(sim->dimms[i].backend, backend) == 0)
            return sim->dimms[i].id;
    }
    for (i = 0; i < sim->virtio_mem_count; i++) {
        if (strcmp(sim->virtio_mems[i].backend, backend) == 0)
            return sim->virtio_mems[i].id;
    }
    return "";
}

static void look_at_memory(const struct sim *sim, json_t *qemu, json_t *guest)
{
    const struct sim_virtio_mem *elastic;
    const struct sim_dimm *dimm;
    const char *id;
    json_t *object;
    unsigned i;

    for (i = 0; i < sim->dimm_count; i++) {
        dimm = &sim->dimms[i];
        put(qemu, "dimm", dimm->id, json_pack("[I, I]", (json_int_t)dimm->addr,
                                              (json_int_t)dimm->bytes));
    }
    for (i = 0; i < sim->virtio_mem_count; i++) {
        elastic = &sim->virtio_mems[i];
        put(qemu, "virtio-mem", elastic->id, json_integer((json_int_t)elastic->requested_bytes));
        put(guest, "virtio-mem", elastic->id, json_integer((json_int_t)elastic->bytes));
    }
    json_object_foreach(sim->objects, id, object)
        put(qemu, "backend", id, json_pack("{s:s}", "user", user_of(sim, id)));
}

static void look_at_disks(const struct sim *sim, json_t *qemu, json_t *guest)
{
    const struct sim_cdrom *drive;
    const struct sim_disk *disk;
    const char *user;
    json_t *limits;
    unsigned i, j;

    for (i = 0; i < sim->disk_count; i++) {
        disk = &sim->disks[i];
        user = disk->id;
        for (j = 0; j < sim->cdrom_count; j++)
            user = strcmp(sim->cdroms[j].node, disk->node) == 0 ? sim->cdroms[j].id : user;
        limits = json_array();
        for (j = 0; j < COUNT_OF(disk->limits); j++)
            json_array_append_new(limits, json_integer((json_int_t)disk->limits[j]));
        put(qemu, "node", disk->node, json_pack("{s:s, s:I, s:o}", "user", user, "bytes",
                                                (json_int_t)disk->bytes, "limits", limits));
        if (disk->id[0] == '\0')
            continue;
        put(qemu, "disk", disk->id, json_pack("[s, i]", disk->bus, (int)disk->lun));
        put(guest, "disk", disk->id, json_boolean(disk->seen));
    }
    for (i = 0; i < sim->cdrom_count; i++) {
        drive = &sim->cdroms[i];
        put(qemu, "drive", drive->id, json_pack("[s, b]", drive->node, drive->tray_open));
    }
}

json_t *oracle_look(const struct sim *sim)
{
    json_t *qemu = json_object(), *guest = json_object();
    char number[24];
    unsigned i;

    for (i = 0; i < sim->cpu_count; i++) {
        (void)snprintf(number, sizeof(number), "#%u", i);
        if (sim->cpus[i].present)
            put(qemu, "cpu", sim->cpus[i].id[0] != '\0' ? sim->cpus[i].id : number,
                json_integer(i));
    }
    for (i = 0; i < sim->guest.vcpu_count; i++) {
        (void)snprintf(number, sizeof(number), "%d", (int)sim->guest.vcpus[i].logical_id);
        put(guest, "cpu", number, json_boolean(sim->guest.vcpus[i].online));
    }
    for (i = 0; i < sim->guest.block_count; i++) {
        (void)snprintf(number, sizeof(number), "%u", (unsigned)sim->guest.blocks[i].index);
        put(guest, "block", number, json_pack("[b, b]", sim->guest.blocks[i].online,
                                              sim->guest.blocks[i].movable));
    }
    look_at_memory(sim, qemu, guest);
    look_at_disks(sim, qemu, guest);
    return json_pack("{s:o, s:o}", "qemu", qemu, "guest", guest);
}

/* ---- what was said of it ---- */

static char wrong[4096];

static const char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(wrong, sizeof(wrong), format, arguments);
    va_end(arguments);
    return wrong;
}

static bool is_left(const struct operation_result *result, const char *name)
{
    size_t i;

    for (i = 0; i < result->left_count; i++) {
        if (strcmp(result->left[i], name) == 0)
            return true;
    }
    return false;
}

/* By what is left, or as a part of that; the operation's own device is named by its id where the
 * verdict says that it may stand. */
static bool is_named(const struct operation_result *result, const char *key, const json_t *value)
{
    bool may_stand = result->verdict == VERDICT_PENDING || result->verdict == VERDICT_LOST ||
                     result->verdict == VERDICT_REFUSED;
    const char *name = strchr(key, ' ') + 1;
    const char *user = json_is_object(value) ? field_string(value, "user", "") : "";

    return is_left(result, name) || (*user != '\0' && is_left(result, user)) ||
           (may_stand && (strcmp(name, result->id) == 0 || strcmp(user, result->id) == 0));
}

/* What QEMU has now and had not, or had and has no more, is for the result to tell. */
static const char *judge_failure(const struct oracle_mishap *mishap, const struct oracle_end *end)
{
    const struct operation_result *result = &end->result;
    const json_t *usual = json_object_get(mishap->usual_after, "qemu");
    json_t *before = json_object_get(end->before, "qemu");
    json_t *after = json_object_get(end->after, "qemu");
    bool may_stand = result->verdict == VERDICT_PENDING || result->verdict == VERDICT_LOST;
    json_t *value, *other;
    const char *key;

    json_object_foreach(after, key, value) {
        other = json_object_get(before, key);
        if (other == NULL && !is_named(result, key, value))
            return say("there is a new %s, unnamed", key);
        if (other != NULL && !json_equal(value, other) && !(may_stand && usual != NULL) &&
            !is_named(result, key, other))
            return say("%s has changed", key);
    }
    json_object_foreach(before, key, value) {
        if (json_object_get(after, key) != NULL)
            continue;
        if (json_object_get(usual, key) != NULL)
            return say("%s is gone, and was not to go", key);
        if (!may_stand)
            return say("%s is gone", key);
    }
    return NULL;
}

/* A device that has gone leaves nothing unnamed: its backend or block node is in the result, or in
 * the record. */
static const char *judge_remains(const struct oracle_mishap *mishap, const struct oracle_end *end)
{
    json_t *before = json_object_get(end->before, "qemu");
    const json_t *usual = json_object_get(mishap->usual_after, "qemu");
    const json_t *after = json_object_get(end->after, "qemu");
    json_t *value;
    const char *key;

    if (end->recorded || end->result.id[0] == '\0')
        return NULL;
    json_object_foreach(before, key, value) {
        if (json_object_get(usual, key) == NULL && json_object_get(after, key) != NULL &&
            strcmp(field_string(value, "user", ""), end->result.id) == 0 &&
            field_string(json_object_get(after, key), "user", "")[0] == '\0' &&
            !is_named(&end->result, key, value))
            return say("%s remains, unnamed", key);
    }
    return NULL;
}

static bool is_as_usual(const struct oracle_mishap *mishap, const struct oracle_end *end,
                        const char *part)
{
    return json_equal(json_object_get(mishap->usual_after, part),
                      json_object_get(end->after, part));
}

/* A success is what is there, on every side that it speaks for. */
static const char *judge_success(const struct oracle_mishap *mishap, const struct oracle_end *end)
{
    bool of_guest = end->result.verdict != VERDICT_UNCONFIRMED && !end->result.guest_unseen;

    if (!verdict_is_success(mishap->usual))
        return say("a success, where it usually is %s", verdict_name(mishap->usual));
    if (!is_as_usual(mishap, end, "qemu"))
        return say("QEMU contradicts it");
    if (of_guest && !is_as_usual(mishap, end, "guest"))
        return say("the guest contradicts it");
    if (end->connection_ended)
        return say("a success without a connection");
    if (end->result.left_count > 0)
        return say("a success that leaves something");
    if (end->recorded)
        return say("a success is recorded as standing");
    return NULL;
}

/* As the command's contract has it. */
static int exit_code_of(const struct operation_result *result)
{
    static const int codes[VERDICTS_] = {
        [VERDICT_REJECTED] = 4, [VERDICT_REFUSED] = 5,       [VERDICT_PENDING] = 6,
        [VERDICT_BLOCKED] = 7,  [VERDICT_UNPROVEN] = 8,      [VERDICT_LOST] = 9,
        [VERDICT_PARTIAL] = 10, [VERDICT_INTERRUPTED] = 130, [VERDICT_ERROR] = 1,
    };

    if (result->verdict == VERDICT_ERROR &&
        (result->error.code == ERROR_CONNECT || result->error.code == ERROR_BUSY ||
         result->error.code == ERROR_PROTOCOL || result->error.code == ERROR_LIMIT ||
         result->error.code == ERROR_DISCONNECTED))
        return 3;
    return codes[result->verdict];
}

/* What holds of every result. */
static const char *judge_form(const struct oracle_end *end)
{
    const struct operation_result *result = &end->result;
    bool success = verdict_is_success(result->verdict);

    if (result->elapsed_ms > end->timeout_ms + BEYOND_MS)
        return say("it took %.0f ms", result->elapsed_ms);
    if (report_exit_code(result->verdict, &result->error) != exit_code_of(result))
        return say("exit code %d", report_exit_code(result->verdict, &result->error));
    if ((result->error.code == ERROR_NONE) != success)
        return say("error code %d", (int)result->error.code);
    if ((result->awaiting != NULL) != (result->verdict == VERDICT_PENDING))
        return say("awaiting %s", result->awaiting != NULL ? result->awaiting : "nothing");
    if ((result->verdict == VERDICT_UNCONFIRMED) && result->missing == NULL)
        return say("unconfirmed, and nothing is missing");
    return NULL;
}

static const char *judge_verdict(const struct oracle_mishap *mishap, const struct oracle_end *end)
{
    enum verdict verdict = end->result.verdict;

    if (mishap->harmless && verdict != mishap->usual)
        return say("it usually is %s, and nothing was lost", verdict_name(mishap->usual));
    if (verdict == VERDICT_LOST && !end->connection_ended)
        return say("the connection is there");
    if (mishap->side != SIM_QMP && (verdict == VERDICT_LOST || verdict == VERDICT_REJECTED))
        return say("QEMU had no part in it");
    if (end->file_open && (mishap->harmless || mishap->side == SIM_QMP) && !end->connection_ended)
        return say("a file is open in the guest");
    if (verdict_is_success(verdict))
        return judge_success(mishap, end);
    if (end->recorded && (verdict == VERDICT_ERROR || verdict == VERDICT_BLOCKED ||
                          verdict == VERDICT_UNPROVEN || verdict == VERDICT_REJECTED))
        return say("it is recorded as standing");
    return judge_failure(mishap, end);
}

const char *oracle_judge(const struct oracle_mishap *mishap, const struct oracle_end *end)
{
    const char *fault = judge_form(end);

    if (fault == NULL && mishap->lie)
        return NULL;
    if (fault == NULL)
        fault = judge_verdict(mishap, end);
    return fault != NULL ? fault : judge_remains(mishap, end);
}
