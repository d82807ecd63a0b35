/* SPDX-License-Identifier: MIT */
#include "manifest/virtual_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/limits.h"
#include "qmp/codec.h"
#include "vmm/vm_directory.h"
#include "vmm/words.h"

#define SPEC "spec.template.spec"
#define GRACE_SECONDS_MAX 86400
#define BOOT_ORDER_MAX 1000
#define VIRTIO_SERIAL_MAX 20
#define MEMORY_MAX_BYTES (UINT64_C(1) << 52) /* 52 bits of physical address */
#define MEMORY_MIN_BYTES (UINT64_C(1) << 20)
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What one reading has beside the VM. */
struct reading {
    struct virtual_machine *vm;
    bool whole;
    struct notes *notes;
};

/* ---- fields without effect ---- */

static void expect(const struct reading *reading, struct node object, const char *const *known)
{
    notes_expect(reading->notes, object, known);
}

/* VEP 31 prints spec.devices, which is not where the API has it. */
static void expect_template(const struct reading *reading, struct node spec)
{
    if (document_is_there(document_get(spec, "devices")))
        document_refuse(document_get(spec, "devices"), "write it as spec.domain.devices",
                        "devices belong to the domain");
    expect(reading, spec,
           WORDS("domain", "volumes", "architecture", "terminationGracePeriodSeconds",
                 "devices"));
}

/* ---- metadata ---- */

/* Others are other programs'. */
#define OURS "vmplug/"
static void note_ours(struct node member, void *user)
{
    if (strncmp(member.key, OURS, strlen(OURS)) == 0)
        notes_add_unknown(member, user);
}

static void read_metadata(const struct reading *reading, struct node metadata)
{
    struct virtual_machine *vm = reading->vm;
    struct node annotations = document_get(metadata, "annotations");
    const struct {
        const char *key;
        const char **ret;
    } known[] = {
        {ANNOTATION_QMP, &vm->qmp_path},   {ANNOTATION_AGENT, &vm->agent_path},
        {ANNOTATION_KERNEL, &vm->kernel},  {ANNOTATION_INITRD, &vm->initrd},
        {ANNOTATION_CMDLINE, &vm->cmdline}, {ANNOTATION_ACCEL, &vm->accel},
        {ANNOTATION_QEMU, &vm->qemu},      {ANNOTATION_API, &vm->api_path},
    };
    size_t i;

    document_string(document_get(metadata, "name"), &vm->name);
    for (i = 0; i < COUNT_OF(known); i++)
        document_string(document_get(annotations, known[i].key), known[i].ret);
    document_each_unknown(annotations,
                          WORDS(ANNOTATION_QMP, ANNOTATION_AGENT, ANNOTATION_KERNEL,
                                ANNOTATION_INITRD, ANNOTATION_CMDLINE, ANNOTATION_ACCEL,
                                ANNOTATION_QEMU, ANNOTATION_API, ANNOTATION_LAST_APPLIED),
                          note_ours, reading->notes);
}

/* ---- spec ---- */

static void read_run_strategy(const struct reading *reading, struct node spec)
{
    static const char *const words[] = {"Always", "RerunOnFailure", "Manual", "Halted", "Once",
                                        NULL};
    struct node running = document_get(spec, "running");
    struct node strategy = document_get(spec, "runStrategy");
    unsigned choice = RUN_ALWAYS;
    bool on = true;

    if (document_bool(running, &on))
        choice = on ? RUN_ALWAYS : RUN_HALTED;
    if (document_choice(strategy, words, &choice) && document_is_there(running))
        document_refuse(strategy, "keep runStrategy, which is the newer one",
                        "running and runStrategy exclude each other");
    reading->vm->run_strategy = (enum run_strategy)choice;
    reading->vm->run_given = document_is_there(running) || document_is_there(strategy);
}

static void read_cpu(const struct reading *reading, struct node cpu)
{
    struct virtual_machine *vm = reading->vm;
    bool given = document_unsigned(document_get(cpu, "sockets"), 1, VIRTUAL_MACHINE_SOCKETS_MAX,
                                   &vm->cpu.sockets);

    given |= document_unsigned(document_get(cpu, "cores"), 1, VIRTUAL_MACHINE_SOCKETS_MAX,
                               &vm->cpu.cores);
    given |= document_unsigned(document_get(cpu, "threads"), 1, VIRTUAL_MACHINE_SOCKETS_MAX,
                               &vm->cpu.threads);
    vm->cpu.given = given;
    document_unsigned(document_get(cpu, "maxSockets"), 1, VIRTUAL_MACHINE_SOCKETS_MAX,
                      &vm->cpu.max_sockets);
    document_string(document_get(cpu, "model"), &vm->cpu.model);
    if ((uint64_t)vm->cpu.sockets * vm->cpu.cores * vm->cpu.threads >
        VIRTUAL_MACHINE_SOCKETS_MAX)
        document_refuse(cpu, "ask for fewer", "%u sockets x %u cores x %u threads are more than "
                        "%d vCPUs", vm->cpu.sockets, vm->cpu.cores, vm->cpu.threads,
                        VIRTUAL_MACHINE_SOCKETS_MAX);
    expect(reading, cpu, WORDS("sockets", "cores", "threads", "maxSockets", "model"));
}

/* Of nothing at all there is none. */
static bool read_size(struct node node, uint64_t *ret_bytes)
{
    if (!document_bytes(node, ret_bytes))
        return false;
    if (*ret_bytes == 0)
        document_refuse(node, "write it as 512Mi or 2Gi", "must be more than 0");
    return true;
}

/* With less no guest starts; whoever writes 512m, half a byte, means another unit. */
static bool read_memory_size(struct node node, uint64_t *ret_bytes)
{
    if (!read_size(node, ret_bytes))
        return false;
    if (*ret_bytes > 0 && *ret_bytes < MEMORY_MIN_BYTES)
        document_refuse(node, "write it as 512Mi or 2Gi", "must be at least 1Mi");
    if (*ret_bytes > MEMORY_MAX_BYTES)
        document_refuse(node, "write it as 512Mi or 2Gi", "must be at most 4Pi, which is all that "
                        "a processor can address");
    return true;
}

static void read_memory(const struct reading *reading, struct node domain)
{
    struct virtual_machine *vm = reading->vm;
    struct node memory = document_get(domain, "memory");
    struct node resources = document_get(domain, "resources");
    struct node hugepages = document_get(memory, "hugepages");
    struct node requests = document_get(resources, "requests");
    struct node limits = document_get(resources, "limits");
    uint64_t unused;

    if (read_memory_size(document_get(memory, "guest"), &vm->memory.guest_bytes))
        vm->memory.path = SPEC ".domain.memory.guest";
    else if (read_memory_size(document_get(requests, "memory"), &vm->memory.guest_bytes))
        vm->memory.path = SPEC ".domain.resources.requests.memory";
    else if (read_memory_size(document_get(limits, "memory"), &vm->memory.guest_bytes))
        vm->memory.path = SPEC ".domain.resources.limits.memory";
    /* What is not the guest's size must be well-formed all the same. */
    document_bytes(document_get(requests, "memory"), &unused);
    document_bytes(document_get(limits, "memory"), &unused);
    read_memory_size(document_get(memory, "maxGuest"), &vm->memory.max_guest_bytes);
    read_size(document_get(hugepages, "pageSize"), &vm->memory.hugepage_bytes);
    expect(reading, memory, WORDS("guest", "maxGuest", "hugepages"));
    expect(reading, hugepages, WORDS("pageSize"));
    expect(reading, resources, WORDS("requests", "limits"));
    expect(reading, requests, WORDS("memory"));
    expect(reading, limits, WORDS("memory"));
}

static void read_firmware(const struct reading *reading, struct node domain)
{
    struct virtual_machine *vm = reading->vm;
    struct node firmware = document_get(domain, "firmware");
    struct node bootloader = document_get(firmware, "bootloader");
    struct node efi = document_get(bootloader, "efi");
    struct node machine = document_get(domain, "machine");

    if (document_string(document_get(machine, "type"), &vm->machine) && vm->machine[0] == '\0')
        vm->machine = NULL; /* as examples of KubeVirt's have it */
    document_string(document_get(firmware, "uuid"), &vm->uuid);
    vm->efi = document_is_there(efi) && document_is_object(efi);
    vm->secure_boot = vm->efi; /* KubeVirt's default */
    document_bool(document_get(efi, "secureBoot"), &vm->secure_boot);
    expect(reading, machine, WORDS("type"));
    expect(reading, firmware, WORDS("bootloader", "uuid"));
    expect(reading, bootloader, WORDS("efi", "bios"));
    expect(reading, efi, WORDS("secureBoot"));
}

static void read_spec(const struct reading *reading, struct node root)
{
    struct virtual_machine *vm = reading->vm;
    struct node outer = document_get(root, "spec");
    struct node template = document_get(outer, "template");
    struct node spec = document_get(template, "spec");
    struct node domain = document_get(spec, "domain");
    struct node devices = document_get(domain, "devices");

    read_run_strategy(reading, outer);
    read_cpu(reading, document_get(domain, "cpu"));
    read_memory(reading, domain);
    read_firmware(reading, domain);
    document_string(document_get(spec, "architecture"), &vm->architecture);
    vm->grace_given = document_unsigned(document_get(spec, "terminationGracePeriodSeconds"), 0,
                                        GRACE_SECONDS_MAX, &vm->grace_seconds);
    expect(reading, root, WORDS("apiVersion", "kind", "metadata", "spec", "status"));
    expect(reading, outer,
           WORDS("running", "runStrategy", "template", "updateVolumesStrategy"));
    expect(reading, template, WORDS("spec", "metadata"));
    expect_template(reading, spec);
    expect(reading, domain,
           WORDS("cpu", "memory", "resources", "devices", "firmware", "machine"));
    expect(reading, devices, WORDS("disks"));
}

/* ---- disks ---- */

static void read_target(const struct reading *reading, struct node target, struct volume *volume)
{
    static const char *const buses[] = {"scsi", "virtio", "sata", NULL};
    static const char *const trays[] = {"closed", "open", NULL};
    bool read_only = false;
    unsigned choice;

    if (document_choice(document_get(target, "bus"), buses, &choice))
        volume->bus = buses[choice];
    if (volume->device == VOLUME_CDROM && volume->bus != NULL &&
        strcmp(volume->bus, "virtio") == 0)
        document_refuse(document_get(target, "bus"), "choose sata or scsi",
                        "there is no CD-ROM drive for virtio");
    if (document_bool(document_get(target, "readonly"), &read_only))
        volume->read_only |= read_only;
    if (volume->device == VOLUME_CDROM) /* must be one of them, and no more: a reset closes it */
        document_choice(document_get(target, "tray"), trays, &choice);
    expect(reading, target,
           volume->device == VOLUME_CDROM ? WORDS("bus", "readonly", "tray")
                                          : WORDS("bus", "readonly"));
}

static void read_device(const struct reading *reading, struct node disk, struct volume *volume)
{
    static const char *const keys[] = {
        [VOLUME_DISK] = "disk", [VOLUME_LUN] = "lun", [VOLUME_CDROM] = "cdrom"};
    struct node target = disk;
    unsigned count = 0;
    size_t i;

    for (i = 0; i < COUNT_OF(keys); i++) {
        if (!document_is_there(document_get(disk, keys[i])))
            continue;
        volume->device = (enum volume_device)i;
        target = document_get(disk, keys[i]);
        count++;
    }
    if (count > 1)
        document_refuse(disk, "keep one of disk, lun and cdrom",
                        "it can't be several kinds of device");
    volume->read_only = volume->device == VOLUME_CDROM;
    if (count > 0)
        read_target(reading, target, volume);
}

/* It becomes part of ids and of files' names. */
static void read_name(struct node name, const char **ret)
{
    if (document_string(name, ret) && vm_directory_check_name(*ret, NULL) < 0)
        document_refuse(name, "use at most 63 of a-z, 0-9 and -, with no - at either end",
                        "'%.80s' is no name for a volume", *ret);
}

/* As long as any bus takes it; which one it is on is seen when it comes there. */
static void read_serial(struct node serial, struct volume *volume)
{
    struct error problem = ERROR_INIT;

    if (document_string(serial, &volume->serial) &&
        words_check_serial(volume->serial, WORDS_SERIAL_MAX, &problem) < 0)
        document_refuse(serial, problem.fix, "%s", problem.why);
}

static void read_disk(const struct reading *reading, struct node disk, struct volume *volume)
{
    static const char *const caches[] = {"none", "writethrough", "writeback", NULL};
    static const char *const ios[] = {"default", "native", "threads", "io_uring", NULL};
    unsigned choice;

    read_name(document_get(disk, "name"), &volume->name);
    read_device(reading, disk, volume);
    read_serial(document_get(disk, "serial"), volume);
    document_unsigned(document_get(disk, "bootOrder"), 1, BOOT_ORDER_MAX, &volume->boot_order);
    if (document_choice(document_get(disk, "cache"), caches, &choice))
        volume->cache = caches[choice];
    if (document_choice(document_get(disk, "io"), ios, &choice) && choice > 0)
        volume->io = ios[choice];
    if (volume->io != NULL && strcmp(volume->io, "native") == 0 &&
        !virtual_machine_is_direct(volume))
        document_refuse(document_get(disk, "io"), "say cache: none, or io: threads",
                        "native needs cache: none");
    expect(reading, disk,
           WORDS("name", "disk", "lun", "cdrom", "serial", "bootOrder", "cache", "io"));
}

/* ---- volumes ---- */

static void read_host_disk(struct node source, struct volume *volume)
{
    static const char *const types[] = {"Disk", "DiskOrCreate", NULL};
    struct node path = document_get(source, "path");
    unsigned type = 0;

    if (document_require(path) && document_string(path, &volume->source_name) &&
        volume->source_name[0] != '/')
        document_refuse(path, "write the whole path, from / on", "it must be an absolute path");
    if (document_require(document_get(source, "type")))
        document_choice(document_get(source, "type"), types, &type);
    volume->may_make = type == 1;
    document_bytes(document_get(source, "capacity"), &volume->capacity_bytes);
    if (volume->may_make && volume->capacity_bytes == 0)
        document_refuse(source, "give its capacity", "a disk that may have to be made has a size");
}

static void read_named(struct node source, const char *key, struct volume *volume)
{
    struct node name = document_get(source, key);

    if (document_require(name))
        document_string(name, &volume->source_name);
    document_bool(document_get(source, "hotpluggable"), &volume->hotpluggable);
}

/* The one member beside the name says what kind it is. */
static void read_source(const struct reading *reading, struct node member, struct volume *volume)
{
    bool read_only = false;

    if (strcmp(member.key, "persistentVolumeClaim") == 0) {
        volume->source = VOLUME_CLAIM;
        read_named(member, "claimName", volume);
        if (document_bool(document_get(member, "readOnly"), &read_only))
            volume->read_only |= read_only;
        expect(reading, member, WORDS("claimName", "hotpluggable", "readOnly"));
    } else if (strcmp(member.key, "dataVolume") == 0) {
        volume->source = VOLUME_DATA_VOLUME;
        read_named(member, "name", volume);
        expect(reading, member, WORDS("name", "hotpluggable"));
    } else if (strcmp(member.key, "hostDisk") == 0) {
        volume->source = VOLUME_HOST_DISK;
        read_host_disk(member, volume);
        expect(reading, member, WORDS("path", "type", "capacity"));
    } else if (strcmp(member.key, "emptyDisk") == 0) {
        volume->source = VOLUME_EMPTY_DISK;
        if (document_require(document_get(member, "capacity")))
            read_size(document_get(member, "capacity"), &volume->capacity_bytes);
        expect(reading, member, WORDS("capacity"));
    } else {
        volume->source = VOLUME_REFUSED;
        volume->refusal = member.key;
    }
}

static struct volume *find(const struct virtual_machine *vm, const char *name)
{
    size_t i;

    for (i = 0; i < vm->volume_count; i++) {
        if (vm->volumes[i].name != NULL && strcmp(vm->volumes[i].name, name) == 0)
            return &vm->volumes[i];
    }
    return NULL;
}

static void read_volume(const struct reading *reading, struct node outer, size_t index)
{
    struct node name = document_get(outer, "name"), member;
    const char *text = NULL;
    struct volume *volume;
    unsigned sources = 0;

    if (!document_require(name) || !document_string(name, &text))
        return;
    volume = find(reading->vm, text);
    if (volume == NULL) {
        document_refuse(name, "give it a disk of that name, or take it away",
                        "no disk uses the volume '%.63s'", text);
        return;
    }
    if (volume->volume_path[0] != '\0') {
        document_refuse(name, "names are unique", "there are two volumes '%.63s'", text);
        return;
    }
    (void)snprintf(volume->volume_path, sizeof(volume->volume_path), SPEC ".volumes[%zu]", index);
    DOCUMENT_EACH(member, outer) {
        if (strcmp(member.key, "name") == 0)
            continue;
        read_source(reading, member, volume);
        if (++sources > 1)
            document_refuse(member, "keep one of them", "a volume has one source");
    }
    if (sources == 0)
        document_refuse(outer, "say which: persistentVolumeClaim, dataVolume, hostDisk or "
                        "emptyDisk", "the volume '%.63s' has no source", text);
}

/* A CD-ROM drive may be empty; a disk may not. */
static void check_joined(const struct reading *reading, struct node disks)
{
    const struct volume *volume;
    struct node disk;
    size_t i = 0;

    DOCUMENT_EACH(disk, disks) {
        volume = &reading->vm->volumes[i++];
        if (volume->volume_path[0] == '\0' && volume->device != VOLUME_CDROM &&
            volume->name != NULL)
            document_refuse(disk, "add a volume of that name",
                            "the disk '%.63s' has no volume", volume->name);
    }
}

static bool has_boot_order(const struct virtual_machine *vm, unsigned boot_order)
{
    size_t i;

    for (i = 0; boot_order != 0 && i < vm->volume_count; i++) {
        if (vm->volumes[i].boot_order == boot_order)
            return true;
    }
    return false;
}

/* An object would be gone through, too, member by member; and each item is held against each. */
static bool is_list_or_absent(struct node node)
{
    if (!document_is_there(node))
        return true;
    if (document_is_list(node) && json_array_size(node.value) > LIMITS_DISKS)
        document_refuse(node, "", "a VM has at most %d of them", LIMITS_DISKS);
    return json_is_array(node.value) && json_array_size(node.value) <= LIMITS_DISKS;
}

static int read_volumes(const struct reading *reading, struct node root, struct error *error)
{
    struct virtual_machine *vm = reading->vm;
    struct node spec =
        document_get(document_get(document_get(root, "spec"), "template"), "spec");
    struct node disks =
        document_get(document_get(document_get(spec, "domain"), "devices"), "disks");
    struct node volumes = document_get(spec, "volumes"), item;
    struct volume *volume;
    size_t index = 0;

    vm->volumes_given = document_is_there(disks) || document_is_there(volumes);
    if (!is_list_or_absent(disks) || !is_list_or_absent(volumes))
        return -1;
    vm->volumes = calloc(json_array_size(disks.value) + 1, sizeof(*vm->volumes));
    if (vm->volumes == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    DOCUMENT_EACH(item, disks) {
        volume = &vm->volumes[vm->volume_count];
        (void)snprintf(volume->disk_path, sizeof(volume->disk_path),
                       SPEC ".domain.devices.disks[%zu]", vm->volume_count);
        read_disk(reading, item, volume);
        if (!document_require(document_get(item, "name")))
            return -1;
        if (volume->name != NULL && find(vm, volume->name) != NULL)
            document_refuse(document_get(item, "name"), "names are unique",
                            "there are two disks '%.63s'", volume->name);
        if (has_boot_order(vm, volume->boot_order))
            document_refuse(document_get(item, "bootOrder"), "give each one of its own",
                            "two disks have the bootOrder %u", volume->boot_order);
        vm->volume_count++;
    }
    if (!reading->whole && (!document_is_there(disks) || !document_is_there(volumes)))
        return 0;
    DOCUMENT_EACH(item, volumes)
        read_volume(reading, item, index++);
    check_joined(reading, disks);
    return 0;
}

int virtual_machine_read(struct virtual_machine *vm, const struct document *document, bool whole,
                         struct notes *notes, struct error *error)
{
    const struct reading reading = {.vm = vm, .whole = whole, .notes = notes};
    struct error problem = ERROR_INIT;
    struct node root = document_root(document, &problem);

    *vm = (struct virtual_machine){.object = json_incref(document->root),
                                   .cpu = {.sockets = 1, .cores = 1, .threads = 1}};
    read_metadata(&reading, document_get(root, "metadata"));
    read_spec(&reading, root);
    if (problem.code == ERROR_NONE)
        (void)read_volumes(&reading, root, &problem);
    if (problem.code == ERROR_NONE)
        return 0;
    if (error != NULL)
        *error = problem;
    return -1;
}

void virtual_machine_free(struct virtual_machine *vm)
{
    free(vm->volumes);
    json_decref(vm->object);
    *vm = (struct virtual_machine){0};
}

const struct volume *virtual_machine_find(const struct virtual_machine *vm, const char *name)
{
    return find(vm, name);
}

/* io: native goes with nothing else. */
bool virtual_machine_is_direct(const struct volume *volume)
{
    if (volume->cache != NULL)
        return strcmp(volume->cache, "none") == 0;
    return volume->io != NULL && strcmp(volume->io, "native") == 0;
}

const char *virtual_machine_write_cache(const struct volume *volume)
{
    if (volume->cache == NULL)
        return NULL;
    return strcmp(volume->cache, "writethrough") == 0 ? "off" : "on";
}

size_t virtual_machine_serial_max(const char *bus)
{
    return bus != NULL && strcmp(bus, "virtio") == 0 ? VIRTIO_SERIAL_MAX : WORDS_SERIAL_MAX;
}

unsigned virtual_machine_vcpus(const struct virtual_machine *vm)
{
    return vm->cpu.sockets * vm->cpu.cores * vm->cpu.threads;
}
