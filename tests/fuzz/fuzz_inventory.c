/* SPDX-License-Identifier: MIT */
/*
 * A whole inventory of a VM whose QEMU and agent answer each command with what the input says, a
 * JSON object: {"query-block": [first answer, second answer, …]}. The last answer stands for all
 * later ones; {"error": …} is an error, and a command without answers is not known. Whatever they
 * say, the inventory comes to an end, its figures fit together, and what is shown of it to a person
 * has nothing in it that a terminal obeys.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/output.h"
#include "vmm/status_json.h"
#include "cli/status_text.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/doctor.h"
#include "vmm/hazard.h"
#include "vmm/inventory.h"
#include "vmm/vm.h"

#define ALL_PARTS INVENTORY_ALL
#define ROUNDS_MAX 50000

/* One side of the VM: where it listens, and the one connection. */
static struct side {
    char path[108];
    int listener;
    int fd;
    char line[65536];
    size_t size;
} sides[2];

static struct vm *vm;
static json_t *asked; /* command -> how often */

static void remove_sockets(void)
{
    char *slash = strrchr(sides[0].path, '/');

    (void)unlink(sides[0].path);
    (void)unlink(sides[1].path);
    *slash = '\0';
    (void)rmdir(sides[0].path);
}

static void listen_once(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/vmplug-fuzz-XXXXXX";
    unsigned i;

    if (sides[0].path[0] != '\0')
        return;
    MUST(mkdtemp(folder) != NULL);
    for (i = 0; i < 2; i++) {
        (void)snprintf(sides[i].path, sizeof(sides[i].path), "%s/%u", folder, i);
        memcpy(address.sun_path, sides[i].path, sizeof(address.sun_path));
        sides[i].listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        MUST(bind(sides[i].listener, (struct sockaddr *)&address, sizeof(address)) == 0);
        MUST(listen(sides[i].listener, 4) == 0);
    }
    (void)atexit(remove_sockets);
}

static void pump_all(void)
{
    struct pump *pumps[VM_PUMPS_MAX];
    size_t count = vm_pumps(vm, pumps), i;

    for (i = 0; i < count; i++)
        (void)pump_process(pumps[i], POLLIN | POLLOUT);
}

static void say(struct side *side, const char *text)
{
    size_t size = strlen(text);
    ssize_t sent;

    while (size > 0) {
        sent = send(side->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            return; /* it has hung up */
        if (sent < 0)
            pump_all(); /* nobody else would read it */
        text += sent > 0 ? sent : 0;
        size -= sent > 0 ? (size_t)sent : 0;
    }
}

/* The answer to a command, borrowed; NULL: there is none. */
static const json_t *find_answer(const json_t *answers, const char *command)
{
    const json_t *list = field_array(answers, command);
    json_int_t before = json_integer_value(json_object_get(asked, command));
    size_t last = json_array_size(list);

    (void)json_object_set_new(asked, command, json_integer(before + 1));
    return last == 0 ? NULL : json_array_get(list, before < (json_int_t)last ? (size_t)before
                                                                             : last - 1);
}

static json_t *make_reply(const json_t *answers, const json_t *request)
{
    const char *command = field_string(request, "execute", "");
    const json_t *answer = find_answer(answers, command);
    const json_t *error = field_object(answer, "error");

    if (strcmp(command, "qmp_capabilities") == 0)
        return json_pack("{s:{}}", "return");
    if (strcmp(command, "guest-sync-delimited") == 0)
        return json_pack("{s:O}", "return",
                         json_object_get(field_object(request, "arguments"), "id"));
    if (answer == NULL)
        return json_pack("{s:{s:s, s:s}}", "error", "class", "CommandNotFound", "desc",
                         "not found");
    return error != NULL ? json_pack("{s:O}", "error", (json_t *)(uintptr_t)error)
                         : json_pack("{s:O}", "return", (json_t *)(uintptr_t)answer);
}

static void answer_line(struct side *side, const json_t *answers)
{
    const char *text = side->line + (side->line[0] == '\xff' ? 1 : 0);
    AUTO_JSON json_t *request = codec_parse(text, NULL);
    AUTO_JSON json_t *reply = NULL;
    AUTO_FREE char *dump = NULL;
    json_t *id = json_object_get(request, "id");

    MUST(request != NULL);
    reply = make_reply(answers, request);
    if (id != NULL)
        (void)json_object_set(reply, "id", id);
    dump = codec_dump(reply, 0);
    MUST(dump != NULL);
    if (strcmp(field_string(request, "execute", ""), "guest-sync-delimited") == 0)
        say(side, "\xff");
    say(side, dump);
    say(side, "\r\n");
}

static void serve(struct side *side, const json_t *answers)
{
    char byte;

    while (recv(side->fd, &byte, 1, MSG_DONTWAIT) == 1) {
        MUST(side->size < sizeof(side->line) - 1);
        side->line[side->size++] = byte;
        if (byte != '\n')
            continue;
        side->line[side->size] = '\0';
        answer_line(side, answers);
        side->size = 0;
    }
}

struct outcome {
    bool done;
    struct inventory *inventory;
};

static void take(void *user, struct inventory *inventory, const struct error *error)
{
    struct outcome *outcome = user;

    MUST(!outcome->done && (inventory == NULL) == (error != NULL));
    outcome->done = true;
    outcome->inventory = inventory;
}

/* ---- what must hold of it ---- */

static void check_figures(const struct inventory *inventory)
{
    char reason[256];
    uint64_t bytes;
    size_t i;
    bool can;

    for (i = 0; i < inventory->cpus.slot_count; i++)
        MUST(inventory_slot_online(inventory, &inventory->cpus.slots[i]) <=
             (int)inventory->guest.cpu_count);
    MUST(inventory_cpus_online(inventory) <= (int)inventory->guest.cpu_count);
    for (i = 0; i < inventory->memory.device_count; i++) {
        const struct inventory_memory_device *device = &inventory->memory.devices[i];

        if (inventory_device_online(inventory, device, &bytes))
            MUST(bytes <= device->bytes);
        (void)inventory_can_give_back(inventory, i, &can, reason, sizeof(reason));
        if (device->id[0] != '\0')
            MUST(inventory_find_memory(inventory, device->id) != NULL);
    }
    (void)inventory_memory_online(inventory, &bytes);
    (void)inventory_guest_available(inventory, &bytes);
    for (i = 0; i < inventory->disks.disk_count; i++) {
        const char *name = inventory_guest_disk_name(inventory, &inventory->disks.disks[i]);

        MUST(name == NULL || strstr(name, "..") == NULL);
    }
}

/* UTF-8, as jansson understands it, without control characters but the line's end. */
static void check_shown(const char *text)
{
    AUTO_JSON json_t *valid = json_string(text);
    const unsigned char *at;

    MUST(valid != NULL);
    for (at = (const unsigned char *)text; *at != '\0'; at++) {
        MUST((*at >= 0x20 && *at != 0x7f) || *at == '\n');
        MUST(*at != 0xc2 || at[1] >= 0xa0);
    }
}

static void check_status(const struct inventory *inventory)
{
    struct output out = {.json = false};
    AUTO_JSON json_t *status = status_json(inventory);
    AUTO_FREE char *dump = codec_dump(status, 0);
    char *text = NULL;
    size_t size;

    MUST(dump != NULL);
    out.stream = open_memstream(&text, &size);
    MUST(out.stream != NULL);
    status_text(&out, inventory);
    (void)fclose(out.stream);
    check_shown(text);
    free(text);
}

static void check_doctor(const struct inventory *inventory)
{
    static struct doctor doctor;
    unsigned can;
    size_t i;

    memset(&doctor, 0, sizeof(doctor));
    doctor_examine(&doctor, vm, inventory);
    MUST(doctor.count <= DOCTOR_CHECKS_MAX);
    for (i = 0; i < doctor.count; i++)
        check_shown(doctor.checks[i].reason);
    for (can = 0; can < DOCTOR_CANS_; can++)
        MUST((doctor_obstacle(&doctor, (enum doctor_can)can) == NULL) ==
             (doctor.can[can] == DOCTOR_YES));
    (void)hazard_check_cpu_add(vm, inventory, NULL);
    (void)hazard_check_memory_map(vm, inventory, NULL);
    (void)hazard_check_cpu_remove(inventory, NULL);
}

static void run(const json_t *answers)
{
    struct outcome outcome = {.done = false};
    unsigned rounds;
    size_t i;

    MUST(inventory_fetch(vm, ALL_PARTS, 60000, 60000, take, &outcome, NULL) != NULL);
    for (rounds = 0; !outcome.done; rounds++) {
        MUST(rounds < ROUNDS_MAX);
        pump_all();
        for (i = 0; i < 2; i++)
            serve(&sides[i], answers);
    }
    if (outcome.inventory == NULL)
        return;
    check_figures(outcome.inventory);
    check_status(outcome.inventory);
    check_doctor(outcome.inventory);
    inventory_free(outcome.inventory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct script script = {.at = data, .size = size};
    AUTO_FREE char *text = script_text(&script);
    AUTO_JSON json_t *answers = text != NULL ? codec_parse(text, NULL) : NULL;
    unsigned i;

    if (!json_is_object(answers))
        return 0;
    listen_once();
    vm = vm_new(&(struct vm_options){.qmp_path = sides[0].path, .agent_path = sides[1].path}, NULL);
    MUST(vm != NULL);
    asked = json_object();
    for (i = 0; i < 2; i++) {
        sides[i].fd = accept(sides[i].listener, NULL, NULL);
        MUST(sides[i].fd >= 0);
        sides[i].size = 0;
    }
    say(&sides[0], "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
    run(answers);
    vm_free(vm);
    for (i = 0; i < 2; i++)
        close(sides[i].fd);
    json_decref(asked);
    return 0;
}
