/* SPDX-License-Identifier: MIT */
#include "manifest/launch_arguments.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "manifest/quantity.h"
#include "vmm/image.h"
#include "vmm/vm_directory.h"

#define CPU_PATH "spec.template.spec.domain.cpu"
#define APIC_IDS_MAX 255 /* more take an IOMMU that maps interrupts */
#define MEMORY_STEP (UINT64_C(2) << 20) /* of the virtio-mem, and KubeVirt's own */
#define QEMU_STEP UINT64_C(8192) /* to which QEMU rounds base memory up */
#define BASE_BACKEND "vmplug-mem-base"
#define ROOM_BACKEND LAUNCH_ARGUMENTS_ROOM "-backend"
#define ROOM_PORT "vmplug-mem-port"

static const struct launch_board boards[] = {
    {.architecture = "amd64", .machine = "q35", .qemu = "qemu-system-x86_64", .host = "x86_64",
     .adds_cpus = true, .has_sata = true},
    {.architecture = "arm64", .machine = "virt", .qemu = "qemu-system-aarch64", .host = "aarch64",
     .always_efi = true},
};

/* "virt", "virt-7.2"; "q35", "pc-q35-7.2". */
static bool is_machine(const struct launch_board *board, const char *machine)
{
    size_t length = strlen(board->machine);

    if (strncmp(machine, "pc-", 3) == 0)
        machine += 3;
    return strncmp(machine, board->machine, length) == 0 &&
           (machine[length] == '\0' || machine[length] == '-');
}

int launch_arguments_find_board(const struct virtual_machine *vm,
                                const struct launch_board **ret, struct error *error)
{
    size_t i;

    for (i = 0; i < COUNT_OF(boards); i++) {
        if ((vm->architecture == NULL || strcmp(vm->architecture, boards[i].architecture) == 0) &&
            (vm->machine == NULL || is_machine(&boards[i], vm->machine))) {
            *ret = &boards[i];
            return 0;
        }
    }
    return error_set(error, ERROR_INVALID,
                     "leave both out, or use q35 with amd64, or virt with arm64",
                     "spec.template.spec.domain.machine.type: machine %.30s%s%.20s is none that "
                     "vmplug launches",
                     vm->machine != NULL ? vm->machine : "of the architecture",
                     vm->architecture != NULL ? ", architecture " : "",
                     vm->architecture != NULL ? vm->architecture : "");
}

bool launch_arguments_wants_efi(const struct virtual_machine *vm,
                                const struct launch_board *board)
{
    return vm->efi || board->always_efi;
}

/* ---- the machine ---- */

/* $VMPLUG_QEMU may be for another board: then its neighbour in the same directory is meant. */
static void add_qemu(struct argv *argv, const struct virtual_machine *vm,
                     const struct launch_board *board)
{
    const char *said = vm->qemu != NULL ? vm->qemu : getenv("VMPLUG_QEMU");
    size_t length, tail, i;

    if (said == NULL)
        said = "";
    length = strlen(said);
    for (i = 0; vm->qemu == NULL && i < COUNT_OF(boards); i++) {
        tail = strlen(boards[i].qemu);
        if (length >= tail && strcmp(said + length - tail, boards[i].qemu) == 0) {
            argv_add(argv, "%.*s%s", (int)(length - tail), said, board->qemu);
            return;
        }
    }
    argv_add(argv, "%s", length > 0 ? said : board->qemu);
}

static bool has_kvm(const struct launch_board *board)
{
    AUTO_FD int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    struct utsname host;

    return fd >= 0 && uname(&host) == 0 && strcmp(host.machine, board->host) == 0;
}

static const char *choose_accel(const struct virtual_machine *vm,
                                const struct launch_board *board)
{
    if (vm->accel != NULL)
        return vm->accel;
    return has_kvm(board) ? "kvm" : "tcg";
}

/* On virt the emulated `max` has pointer authentication, and its real algorithm is slow. */
static const char *choose_cpu(const struct virtual_machine *vm, const struct launch_board *board,
                              const char *accel)
{
    const char *model = vm->cpu.model;

    if (model != NULL && strcmp(model, "host-passthrough") != 0 &&
        strcmp(model, "host-model") != 0)
        return model;
    if (strncmp(accel, "kvm", 3) == 0)
        return "host";
    return board->always_efi ? "max,pauth-impdef=on" : "max";
}

static int add_firmware(struct argv *argv, const struct launch_input *input,
                        const struct launch_board *board, struct error *error)
{
    struct image code = {.format = "raw"}, variables = {.format = "raw"};
    struct firmware firmware;

    if (firmware_find(&firmware, board->architecture, input->vm->efi && input->vm->secure_boot,
                      input->store, input->name, error) < 0)
        return -1;
    (void)snprintf(code.path, sizeof(code.path), "%s", firmware.code);
    (void)snprintf(variables.path, sizeof(variables.path), "%s", firmware.variables);
    argv_json(argv, "-blockdev", image_node(&code, "vmplug-efi-code", true));
    argv_json(argv, "-blockdev", image_node(&variables, "vmplug-efi-variables", false));
    if (board->has_sata && input->vm->efi && input->vm->secure_boot)
        argv_option(argv, "-global", "driver=cfi.pflash01,property=secure,value=on");
    return 0;
}

static int add_machine(struct argv *argv, const struct launch_input *input,
                       const struct launch_board *board, struct error *error)
{
    const struct virtual_machine *vm = input->vm;
    const char *accel = choose_accel(vm, board);
    bool efi = launch_arguments_wants_efi(vm, board);

    if (efi && add_firmware(argv, input, board, error) < 0)
        return -1;
    argv_option(argv, "-machine", "%s%s%s%s%s", vm->machine != NULL ? vm->machine : board->machine,
                board->has_sata ? "" : ",gic-version=max",
                efi ? ",pflash0=vmplug-efi-code,pflash1=vmplug-efi-variables" : "",
                board->has_sata && vm->efi && vm->secure_boot ? ",smm=on" : "",
                vm->memory.hugepage_bytes != 0 ? ",memory-backend=" BASE_BACKEND : "");
    argv_option(argv, "-accel", "%s", accel);
    argv_option(argv, "-cpu", "%s", choose_cpu(vm, board, accel));
    return 0;
}

/* ---- vCPUs ---- */

static unsigned power_of_two(unsigned count)
{
    unsigned power = 1;

    while (power < count)
        power *= 2;
    return power;
}

/* Each core and thread of a socket takes a part of an APIC id whose size is a power of two. */
static unsigned most_sockets(const struct virtual_machine *vm, const struct launch_board *board)
{
    if (!board->adds_cpus)
        return VIRTUAL_MACHINE_SOCKETS_MAX;
    return APIC_IDS_MAX / (power_of_two(vm->cpu.cores) * power_of_two(vm->cpu.threads));
}

static int add_cpus(struct argv *argv, const struct launch_input *input,
                    const struct launch_board *board, const struct ceilings *ceilings,
                    struct error *error)
{
    const struct virtual_machine *vm = input->vm;
    unsigned each = vm->cpu.cores * vm->cpu.threads, sockets = ceilings->sockets;
    unsigned most = most_sockets(vm, board);

    if (vm->cpu.sockets > most || vm->cpu.max_sockets > most)
        return error_set(error, ERROR_BLOCKED, "ask for fewer sockets, cores or threads",
                         CPU_PATH ".%s: board %s can have %u sockets of %u cores and %u threads, "
                         "not %u",
                         vm->cpu.sockets > most ? "sockets" : "maxSockets", board->machine, most,
                         vm->cpu.cores, vm->cpu.threads,
                         vm->cpu.sockets > most ? vm->cpu.sockets : vm->cpu.max_sockets);
    if (vm->cpu.sockets > sockets)
        return error_set(error, ERROR_BLOCKED, "raise it",
                         CPU_PATH ".sockets: %u sockets are more than %s allows: %u",
                         vm->cpu.sockets, ceilings->sockets_by, sockets);
    if (sockets > most)
        sockets = most;
    if (!board->adds_cpus)
        sockets = vm->cpu.sockets;
    argv_option(argv, "-smp", "%u,sockets=%u,cores=%u,threads=%u,maxcpus=%u",
                vm->cpu.sockets * each, sockets, vm->cpu.cores, vm->cpu.threads, sockets * each);
    return 0;
}

/* ---- memory ---- */

static uint64_t memory_step(const struct virtual_machine *vm)
{
    return vm->memory.hugepage_bytes > MEMORY_STEP ? vm->memory.hugepage_bytes : MEMORY_STEP;
}

static json_t *backend(const struct virtual_machine *vm, const char *id, uint64_t bytes)
{
    uint64_t page = vm->memory.hugepage_bytes;

    if (page == 0)
        return json_pack("{s:s, s:s, s:I, s:b}", "qom-type", "memory-backend-ram", "id", id,
                         "size", (json_int_t)bytes, "reserve", 0);
    return json_pack("{s:s, s:s, s:I, s:b, s:I, s:b}", "qom-type", "memory-backend-memfd", "id",
                     id, "size", (json_int_t)bytes, "hugetlb", 1, "hugetlbsize", (json_int_t)page,
                     "reserve", strcmp(id, BASE_BACKEND) == 0);
}

/* The room is not taken from the host before the guest has it. Of huge pages, of which a host may
 * have none left, each is taken at the moment it is asked for: the guest is told no, not killed. */
static void add_room(struct argv *argv, const struct virtual_machine *vm, uint64_t room)
{
    argv_option(argv, "-device", "pcie-root-port,id=" ROOM_PORT ",chassis=200,addr=0x4");
    argv_json(argv, "-object", backend(vm, ROOM_BACKEND, room));
    argv_option(argv, "-device",
                "virtio-mem-pci,id=" LAUNCH_ARGUMENTS_ROOM ",bus=" ROOM_PORT ",memdev=" ROOM_BACKEND
                ",requested-size=0,block-size=%" PRIu64 "%s",
                memory_step(vm), vm->memory.hugepage_bytes != 0 ? ",prealloc=on" : "");
}

static int add_memory(struct argv *argv, const struct virtual_machine *vm,
                      const struct ceilings *ceilings, struct error *error)
{
    uint64_t base = (vm->memory.guest_bytes + QEMU_STEP - 1) / QEMU_STEP * QEMU_STEP;
    uint64_t step = memory_step(vm), room;
    char text[QUANTITY_TEXT_MAX], limit[QUANTITY_TEXT_MAX];

    if (base == 0)
        return error_set(error, ERROR_INVALID, "say how much, for example 1Gi",
                         "spec.template.spec.domain.memory.guest: it is missing");
    if (vm->memory.hugepage_bytes != 0 && base % vm->memory.hugepage_bytes != 0)
        return error_set(error, ERROR_INVALID, "round it",
                         "%.90s: must be a multiple of the huge pages' %s", vm->memory.path,
                         quantity_format(vm->memory.hugepage_bytes, text));
    if (vm->memory.guest_bytes > ceilings->guest_bytes)
        return error_set(error, ERROR_BLOCKED, "raise it", "%.90s: %s is more than %s allows: %s",
                         vm->memory.path, quantity_format(vm->memory.guest_bytes, text),
                         ceilings->guest_by, quantity_format(ceilings->guest_bytes, limit));
    room = ceilings->guest_bytes > base ? (ceilings->guest_bytes - base) / step * step : 0;
    if (room == 0)
        argv_option(argv, "-m", "size=%" PRIu64 "k", base / 1024);
    else
        argv_option(argv, "-m", "size=%" PRIu64 "k,slots=1,maxmem=%" PRIu64 "k", base / 1024,
                    (base + room) / 1024);
    if (vm->memory.hugepage_bytes != 0)
        argv_json(argv, "-object", backend(vm, BASE_BACKEND, base));
    if (room != 0)
        add_room(argv, vm, room);
    return 0;
}

/* ---- channels ---- */

/* The console's socket comes last: once it is there, QEMU has made the others (launch.c). */
static int add_channels(struct argv *argv, const char *directory, struct error *error)
{
    char path[2 * VM_DIRECTORY_MAX];

    if (strlen(directory) + sizeof("/" VM_DIRECTORY_CONSOLE) > 108) /* sun_path, unix(7) */
        return error_set(error, ERROR_BLOCKED, "choose a shorter name or XDG_RUNTIME_DIR",
                         "%.120s: a socket there would have too long a path", directory);
    argv_escape(directory, path, sizeof(path));
    argv_option(argv, "-device", "virtio-scsi-pci,id=scsi0,addr=0x2");
    argv_option(argv, "-device", "virtio-serial-pci,id=serial0,addr=0x3");
    argv_option(argv, "-qmp", "unix:%s/" VM_DIRECTORY_QMP ",server=on,wait=off", path);
    argv_option(argv, "-qmp", "unix:%s/" VM_DIRECTORY_QMP_2 ",server=on,wait=off", path);
    argv_option(argv, "-chardev", "socket,id=agent,path=%s/" VM_DIRECTORY_AGENT
                ",server=on,wait=off", path);
    argv_option(argv, "-device",
                "virtserialport,id=agent0,chardev=agent,name=org.qemu.guest_agent.0");
    argv_option(argv, "-chardev", "socket,id=console,path=%s/" VM_DIRECTORY_CONSOLE
                ",server=on,wait=off,logfile=%s/console.log", path, path);
    argv_option(argv, "-serial", "chardev:console");
    argv_option(argv, "-display", "none");
    argv_option(argv, "-pidfile", "%s/" VM_DIRECTORY_PID, directory);
    return 0;
}

/* ---- what it boots ---- */

static int check_path(const char *path, const char *annotation, struct error *error)
{
    if (path == NULL || path[0] == '/')
        return 0;
    return error_set(error, ERROR_INVALID, "write the whole path, from / on",
                     "metadata.annotations.%s: it must be an absolute path", annotation);
}

static int add_kernel(struct argv *argv, const struct virtual_machine *vm, struct error *error)
{
    if (check_path(vm->kernel, ANNOTATION_KERNEL, error) < 0 ||
        check_path(vm->initrd, ANNOTATION_INITRD, error) < 0)
        return -1;
    if (vm->kernel == NULL && (vm->initrd != NULL || vm->cmdline != NULL))
        return error_set(error, ERROR_INVALID, "give " ANNOTATION_KERNEL ", too",
                         "metadata.annotations.%s: it is for a kernel",
                         vm->initrd != NULL ? ANNOTATION_INITRD : ANNOTATION_CMDLINE);
    if (vm->kernel == NULL) {
        argv_option(argv, "-boot", "strict=on");
        return 0;
    }
    argv_option(argv, "-kernel", "%s", vm->kernel);
    if (vm->initrd != NULL)
        argv_option(argv, "-initrd", "%s", vm->initrd);
    if (vm->cmdline != NULL)
        argv_option(argv, "-append", "%s", vm->cmdline);
    return 0;
}

int launch_arguments_make(struct argv *argv, const struct launch_input *input,
                          struct error *error)
{
    const struct virtual_machine *vm = input->vm;
    const struct ceilings ceilings =
        ceilings_of(vm, input->cluster, vm->cpu.sockets, vm->memory.guest_bytes);
    const struct launch_board *board;

    *argv = (struct argv){0};
    if (vm_directory_check_name(input->name, error) < 0 ||
        launch_arguments_find_board(vm, &board, error) < 0)
        return -1;
    add_qemu(argv, vm, board);
    argv_option(argv, "-name", "%s", input->name);
    if (vm->uuid != NULL)
        argv_option(argv, "-uuid", "%s", vm->uuid);
    argv_add(argv, "-nodefaults");
    argv_add(argv, "-no-user-config");
    if (add_machine(argv, input, board, error) < 0 ||
        add_cpus(argv, input, board, &ceilings, error) < 0 ||
        add_memory(argv, vm, &ceilings, error) < 0 ||
        add_channels(argv, input->directory, error) < 0 ||
        launch_arguments_add_disks(argv, input, board, error) < 0 ||
        add_kernel(argv, vm, error) < 0)
        return -1;
    return argv->failed ? error_set(error, ERROR_SYSTEM, "", "out of memory") : 0;
}
