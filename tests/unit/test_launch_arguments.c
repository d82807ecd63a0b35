/* SPDX-License-Identifier: MIT */
/* The command line that a manifest makes: which words are in it, and what is refused. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manifest/launch_arguments.h"
#include "manifest/yaml_read.h"
#include "qmp/codec.h"
#include "tests/fake/fake.h"

#define LONG_NAME "a-volume-with-a-very-long-name"

static struct error error;
static struct layout layout;
static struct objects objects;
static const char *annotations = "";
static struct claims claims = {.objects = &objects, .empty_directory = "/run/disks"};

static int begin(void **state)
{
    (void)state;
    fake_empty(fake_dir());
    error = (struct error)ERROR_INIT;
    assert_int_equal(unsetenv("VMPLUG_QEMU"), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    layout_free(&layout);
    return 0;
}

/* The line for a VM with this domain, and further members of its spec; each on a line of its own,
 * from the first column on. NULL with the error. */
static char *line_of(const char *domain, const char *spec, const struct cluster *cluster)
{
    const struct cluster defaults = CLUSTER_INIT;
    const struct store store = {.directory = -1, .lock = -1, .path = "/state"};
    struct launch_input input = {.cluster = cluster != NULL ? cluster : &defaults,
                                 .claims = &claims, .layout = &layout, .store = &store,
                                 .name = "web", .directory = "/run/a,b"};
    struct document_list list = {0};
    struct virtual_machine vm;
    struct notes notes = {0};
    AUTO_FREE char *text = NULL;
    char *line = NULL;
    struct argv argv;

    error = (struct error)ERROR_INIT;
    assert_true(asprintf(&text,
                         "{kind: VirtualMachine, apiVersion: kubevirt.io/v1, metadata: {name: web, "
                         "annotations: {vmplug/accel: tcg%s}}, spec: {runStrategy: Always, "
                         "template: {spec: {domain: {%s}, %s}}}}",
                         annotations, domain, spec) > 0);
    if (yaml_read(&list, "t", text, strlen(text), &error) < 0 ||
        virtual_machine_read(&vm, &list.items[0], true, &notes, &error) < 0)
        fail_msg("%s", error.why);
    input.vm = &vm;
    if (launch_arguments_make(&argv, &input, &error) == 0)
        line = argv_quote(&argv);
    argv_free(&argv);
    virtual_machine_free(&vm);
    notes_free(&notes);
    document_list_free(&list);
    return line;
}

static void claim_line(const char *domain, const char *spec, const char *words)
{
    AUTO_FREE char *line = line_of(domain, spec, NULL);

    if (line == NULL || strstr(line, words) == NULL)
        fail_msg("no\n  %s\nin\n%s%s", words, line != NULL ? line : "", error.why);
}

static void claim_refused(const char *domain, const char *spec, const char *words)
{
    AUTO_FREE char *line = line_of(domain, spec, NULL);

    if (line != NULL || strstr(error.why, words) == NULL)
        fail_msg("not '%s', but %s%s", words, line != NULL ? line : "", error.why);
}

static const char whole[] =
    "qemu-system-x86_64 \\\n"
    "  -name web \\\n"
    "  -uuid 5d307ca9-b3ef-428c-8861-06e72d69f223 \\\n"
    "  -nodefaults \\\n"
    "  -no-user-config \\\n"
    "  -machine q35 \\\n"
    "  -accel tcg \\\n"
    "  -cpu max \\\n"
    "  -smp 4,sockets=4,cores=2,threads=1,maxcpus=8 \\\n"
    "  -m size=1048576k,slots=1,maxmem=4194304k \\\n"
    "  -device pcie-root-port,id=vmplug-mem-port,chassis=200,addr=0x4 \\\n"
    "  -object '{\"qom-type\":\"memory-backend-ram\",\"id\":\"vmplug-mem-room-backend\","
    "\"size\":3221225472,\"reserve\":false}' \\\n"
    "  -device virtio-mem-pci,id=vmplug-mem-room,bus=vmplug-mem-port,"
    "memdev=vmplug-mem-room-backend,requested-size=0,block-size=2097152 \\\n"
    "  -device virtio-scsi-pci,id=scsi0,addr=0x2 \\\n"
    "  -device virtio-serial-pci,id=serial0,addr=0x3 \\\n"
    "  -qmp unix:/run/a,,b/qmp,server=on,wait=off \\\n"
    "  -qmp unix:/run/a,,b/qmp2,server=on,wait=off \\\n"
    "  -chardev socket,id=agent,path=/run/a,,b/agent,server=on,wait=off \\\n"
    "  -device virtserialport,id=agent0,chardev=agent,name=org.qemu.guest_agent.0 \\\n"
    "  -chardev socket,id=console,path=/run/a,,b/console,server=on,wait=off,"
    "logfile=/run/a,,b/console.log \\\n"
    "  -serial chardev:console \\\n"
    "  -display none \\\n"
    "  -pidfile /run/a,b/pid \\\n"
    "  -device pcie-root-port,id=port1,chassis=1,addr=0x10.0,multifunction=on \\\n"
    "  -device pcie-root-port,id=port2,chassis=2,addr=0x10.1 \\\n"
    "  -device pcie-root-port,id=port3,chassis=3,addr=0x10.2 \\\n"
    "  -device pcie-root-port,id=port4,chassis=4,addr=0x10.3 \\\n"
    "  -device pcie-root-port,id=port5,chassis=5,addr=0x10.4 \\\n"
    "  -device pcie-root-port,id=port6,chassis=6,addr=0x10.5 \\\n"
    "  -device pcie-root-port,id=port7,chassis=7,addr=0x10.6 \\\n"
    "  -device pcie-root-port,id=port8,chassis=8,addr=0x10.7 \\\n"
    "  -blockdev '{\"driver\":\"raw\",\"node-name\":\"vmplug-fix-root\",\"file\":"
    "{\"driver\":\"file\",\"filename\":\"/run/disks/root.img\"}}' \\\n"
    "  -device '{\"driver\":\"scsi-hd\",\"id\":\"vmplug-fix-root\",\"bus\":\"scsi0.0\","
    "\"channel\":0,\"scsi-id\":0,\"lun\":0,\"drive\":\"vmplug-fix-root\",\"serial\":\"root\","
    "\"bootindex\":1}' \\\n"
    "  -boot strict=on\n";

static void test_whole_line(void **state)
{
    AUTO_FREE char *line =
        line_of("cpu: {sockets: 2, cores: 2, maxSockets: 4}, memory: {guest: 1Gi}, firmware: "
                "{uuid: 5d307ca9-b3ef-428c-8861-06e72d69f223}, devices: {disks: [{name: root, "
                "disk: {bus: scsi}}]}", "volumes: [{name: root, emptyDisk: {capacity: 1Gi}}]",
                NULL);

    (void)state;
    if (line == NULL)
        fail_msg("%s", error.why);
    assert_string_equal(line, whole);
}

#define MEMORY "memory: {guest: 256Mi}"

static void test_cpus(void **state)
{
    struct cluster cluster = {.ratio = 4, .max_sockets = 400};
    AUTO_FREE char *line = NULL;

    (void)state;
    claim_line(MEMORY ", cpu: {sockets: 2}", "", "-smp 2,sockets=8,cores=1,threads=1,maxcpus=8 ");
    claim_line(MEMORY ", cpu: {sockets: 100}", "", "-smp 100,sockets=255,cores=1,");
    claim_line(MEMORY ", cpu: {sockets: 1, cores: 3, maxSockets: 63}", "", "-smp 3,sockets=63,");
    claim_refused(MEMORY ", cpu: {sockets: 1, cores: 3, maxSockets: 64}", "",
                  "spec.template.spec.domain.cpu.maxSockets: board q35 can have 63 sockets");
    claim_refused(MEMORY ", cpu: {sockets: 300}", "", "cpu.sockets: board q35 can have 255");
    claim_line(MEMORY ", cpu: {model: host-model}", "", "-cpu max ");
    claim_line(MEMORY ", cpu: {model: Haswell}", "", "-cpu Haswell ");
    line = line_of(MEMORY ", cpu: {sockets: 2}", "", &cluster);
    assert_non_null(strstr(line, "-smp 2,sockets=255,")); /* a value for all is no demand */
}

static void test_memory(void **state)
{
    (void)state;
    claim_line("memory: {guest: 256Mi, maxGuest: 257Mi}", "", "-m size=262144k \\\n");
    claim_line("memory: {guest: 1000M, maxGuest: 1010M}", "",
               "-m size=976568k,slots=1,maxmem=984760k \\\n");
    claim_line("memory: {guest: 1Gi, hugepages: {pageSize: 2Mi}}", "",
               "-machine q35,memory-backend=vmplug-mem-base \\\n");
    claim_line("memory: {guest: 1Gi, hugepages: {pageSize: 2Mi}}", "",
               "-object '{\"qom-type\":\"memory-backend-memfd\",\"id\":\"vmplug-mem-base\","
               "\"size\":1073741824,\"hugetlb\":true,\"hugetlbsize\":2097152,\"reserve\":true}'");
    claim_line("memory: {guest: 1Gi, hugepages: {pageSize: 1Gi}}", "",
               "requested-size=0,block-size=1073741824,prealloc=on");
    claim_refused("memory: {guest: 1536Mi, hugepages: {pageSize: 1Gi}}", "",
                  "memory.guest: must be a multiple of the huge pages' 1Gi");
    claim_refused("cpu: {sockets: 1}", "", "memory.guest: it is missing");
}

static void test_boards(void **state)
{
    AUTO_FREE char *line = NULL;

    (void)state;
    claim_line(MEMORY ", machine: {type: pc-q35-7.2}", "", "-machine pc-q35-7.2 ");
    claim_refused(MEMORY ", machine: {type: q35}", "architecture: arm64",
                  "machine q35, architecture arm64 is none that vmplug launches");
    claim_refused(MEMORY ", machine: {type: microvm}", "", "machine microvm is none");
    if (access("/usr/share/OVMF/OVMF_CODE_4M.ms.fd", R_OK) == 0)
        claim_line(MEMORY ", firmware: {bootloader: {efi: {}}}", "",
                   ",pflash1=vmplug-efi-variables,smm=on ");
    if (access("/usr/share/AAVMF/AAVMF_CODE.fd", R_OK) < 0)
        return;
    assert_int_equal(setenv("VMPLUG_QEMU", "/opt/qemu-system-x86_64", 1), 0);
    line = line_of(MEMORY ", cpu: {sockets: 2}", "architecture: arm64", NULL);
    assert_non_null(line);
    assert_non_null(strstr(line, "/opt/qemu-system-aarch64 "));
    assert_non_null(strstr(line, "-smp 2,sockets=2,cores=1,threads=1,maxcpus=2 "));
    assert_non_null(strstr(line, "-machine virt,gic-version=max,pflash0=vmplug-efi-code,pflash1="
                                 "vmplug-efi-variables "));
    assert_non_null(strstr(line, "\"filename\":\"/state/firmware/web.fd\""));
    assert_non_null(strstr(line, "-cpu max,pauth-impdef=on "));
}

/* One disk with these members, in front of an emptyDisk, or another volume. */
static void claim_disk(const char *disk, const char *volume, const char *words)
{
    AUTO_FREE char *domain = NULL, *spec = NULL;

    assert_true(asprintf(&domain, MEMORY ", devices: {disks: [{name: d, %s}]}", disk) > 0);
    assert_true(asprintf(&spec, "volumes: [{name: d, %s}]", volume) > 0);
    claim_line(domain, spec, words);
}

static void claim_disk_refused(const char *disk, const char *volume, const char *words)
{
    AUTO_FREE char *domain = NULL, *spec = NULL;

    assert_true(asprintf(&domain, MEMORY ", devices: {disks: [{name: d, %s}]}", disk) > 0);
    assert_true(asprintf(&spec, "volumes: [{name: d, %s}]", volume) > 0);
    claim_refused(domain, spec, words);
}

#define EMPTY "emptyDisk: {capacity: 1Mi}"
#define FILE_NODE "\"file\":{\"driver\":\"file\",\"filename\":\"/run/disks/d.img\""

static void test_disks(void **state)
{
    (void)state;
    claim_disk("disk: {bus: virtio}", EMPTY,
               "{\"driver\":\"virtio-blk-pci\",\"id\":\"vmplug-fix-d\",\"drive\":\"vmplug-fix-d\"");
    claim_disk("disk: {bus: sata}", EMPTY, "{\"driver\":\"ide-hd\",\"id\":\"vmplug-fix-d\",\"bus\":"
                                           "\"ide.0\"");
    claim_disk("disk: {}", EMPTY, "{\"driver\":\"scsi-hd\"");
    claim_disk("disk: {bus: scsi}, serial: S1, bootOrder: 7", EMPTY,
               "\"serial\":\"S1\",\"bootindex\":7}");
    claim_disk("disk: {bus: scsi, readonly: true}", EMPTY, FILE_NODE "},\"read-only\":true}");
    claim_disk("disk: {bus: scsi}, cache: none, io: native", EMPTY,
               FILE_NODE ",\"aio\":\"native\",\"cache\":{\"direct\":true}},"
               "\"cache\":{\"direct\":true}}");
    claim_disk("disk: {bus: scsi}, io: native", EMPTY, "\"cache\":{\"direct\":true}}'");
    claim_disk("disk: {bus: scsi}, io: io_uring", EMPTY, FILE_NODE ",\"aio\":\"io_uring\"}}'");
    claim_disk("disk: {bus: scsi}, cache: writethrough", EMPTY, "\"write-cache\":\"off\"");
    claim_disk("disk: {bus: scsi}, cache: writeback", EMPTY, "\"write-cache\":\"on\"");
    claim_disk("disk: {bus: scsi}",
               "hostDisk: {path: /no/x.img, type: DiskOrCreate, capacity: 1Mi}",
               "\"filename\":\"/no/x.img\"");
    claim_disk_refused("disk: {bus: sata, readonly: true}", EMPTY,
                       "a sata disk can't be read-only");
    claim_disk_refused("disk: {bus: scsi}", "hostDisk: {path: /no/x.img, type: Disk}",
                       "spec.template.spec.volumes[0]: cannot open /no/x.img");
    claim_disk_refused("disk: {bus: scsi}", "containerDisk: {image: x}",
                       "a volume of kind containerDisk needs a cluster");
    claim_disk_refused("disk: {bus: virtio}, serial: a-serial-that-is-too-long", EMPTY,
                       "disks[0].serial: ");
}

static void test_drives_and_luns(void **state)
{
    (void)state;
    claim_disk("cdrom: {bus: sata}", EMPTY,
               "{\"driver\":\"ide-cd\",\"id\":\"vmplug-fix-d\",\"bus\":\"ide.0\",\"drive\":");
    claim_disk("cdrom: {bus: scsi}", EMPTY, FILE_NODE "},\"read-only\":true}");
    claim_line(MEMORY ", devices: {disks: [{name: d, cdrom: {bus: scsi}}]}", "",
               "{\"driver\":\"scsi-cd\",\"id\":\"vmplug-fix-d\",\"bus\":\"scsi0.0\",\"channel\":0,"
               "\"scsi-id\":0,\"lun\":0,\"serial\":\"d\"");
    claim_disk_refused("lun: {bus: scsi}", EMPTY, "and this is a file");
    claim_disk_refused("lun: {bus: virtio}", EMPTY, "a lun is on bus scsi");
}

static void test_kernel(void **state)
{
    (void)state;
    annotations = ", vmplug/kernel: /boot/k, vmplug/initrd: /boot/i, vmplug/cmdline: a b, "
                  "vmplug/qemu: /opt/q";
    claim_line(MEMORY, "", "-kernel /boot/k \\\n  -initrd /boot/i \\\n  -append 'a b'\n");
    claim_line(MEMORY, "", "/opt/q \\\n  -name web");
    claim_disk("disk: {bus: scsi}", EMPTY, "\"serial\":\"d\"}'"); /* not booted from */
    annotations = ", vmplug/kernel: boot/k";
    claim_refused(MEMORY, "", "vmplug/kernel: it must be an absolute path");
    annotations = ", vmplug/initrd: /boot/i";
    claim_refused(MEMORY, "", "vmplug/initrd: it is for a kernel");
    annotations = "";
}

/* Those that were somewhere go there again, the others around them. */
static void test_layout(void **state)
{
    static const char disks[] = MEMORY
        ", devices: {disks: [{name: a, disk: {bus: scsi}}, {name: b, disk: {bus: scsi}}, "
        "{name: c, disk: {bus: virtio}}, {name: d, disk: {bus: virtio}}]}";
    static const char volumes[] =
        "volumes: [{name: a, persistentVolumeClaim: {claimName: x, hotpluggable: true}}, "
        "{name: b, " EMPTY "}, "
        "{name: c, persistentVolumeClaim: {claimName: x, hotpluggable: true}}, "
        "{name: d, persistentVolumeClaim: {claimName: x, hotpluggable: true}}]";
    AUTO_FREE char *line = NULL;
    AUTO_FD int fd = open(fake_path("x.img"), O_RDWR | O_CREAT, 0600);

    (void)state;
    assert_return_code(fd, 0);
    assert_int_equal(
        objects_give(&objects, KIND_CLAIM, "x", json_pack("{s:{s:s}}", "spec", "volumeName", "x"),
                     &error), 0);
    assert_int_equal(objects_give(&objects, KIND_VOLUME, "x",
                                  json_pack("{s:{s:{s:s}}}", "spec", "hostPath", "path",
                                            fake_path("x.img")), &error), 0);
    layout.devices = json_pack("{s:{s:s, s:i, s:i}, s:{s:s}}", "vmplug-vol-a", "bus", "scsi0.0",
                               "scsi-id", 0, "lun", 5, "vmplug-vol-d", "bus", "port1");
    line = line_of(disks, volumes, NULL);
    if (line == NULL)
        fail_msg("%s", error.why);
    assert_non_null(strstr(line, "\"vmplug-vol-a\",\"bus\":\"scsi0.0\",\"channel\":0,\"scsi-id\":0,"
                                 "\"lun\":5,"));
    assert_non_null(strstr(line, "\"vmplug-fix-b\",\"bus\":\"scsi0.0\",\"channel\":0,\"scsi-id\":0,"
                                 "\"lun\":0,"));
    assert_non_null(strstr(line, "\"vmplug-vol-c\",\"bus\":\"port2\""));
    assert_non_null(strstr(line, "\"vmplug-vol-d\",\"bus\":\"port1\""));
    assert_non_null(strstr(line, "id=port10,chassis=10,addr=0x11.1 "));
    assert_null(strstr(line, "id=port11"));
    free(STEAL(line));
    json_decref(layout.devices); /* one place for two: the first has it */
    layout.devices = json_pack("{s:{s:s}, s:{s:s}}", "vmplug-vol-c", "bus", "port3",
                               "vmplug-vol-d", "bus", "port3");
    line = line_of(disks, volumes, NULL);
    assert_non_null(strstr(line, "\"vmplug-vol-c\",\"bus\":\"port3\""));
    assert_non_null(strstr(line, "\"vmplug-vol-d\",\"bus\":\"port1\""));
    objects_free(&objects);
    objects = (struct objects){0};
}

static void test_long_names(void **state)
{
    static const char disks[] = MEMORY ", devices: {disks: [{name: " LONG_NAME
                                       ", disk: {bus: %s}}]}";
    static const char volumes[] = "volumes: [{name: " LONG_NAME ", " EMPTY "}]";
    char domain[200];

    (void)state;
    (void)snprintf(domain, sizeof(domain), disks, "scsi");
    claim_line(domain, volumes, "\"serial\":\"" LONG_NAME "\"");
    (void)snprintf(domain, sizeof(domain), disks, "virtio");
    claim_line(domain, volumes, "\"serial\":\"a-volume-wi-");
}

/* Whatever is plugged later has the same one (plan_volumes.c). */
static void test_serials(void **state)
{
    char first[37], second[37];

    (void)state;
    assert_string_equal(volume_id_serial("short", 20, first, sizeof(first)), "short");
    assert_string_equal(volume_id_serial(LONG_NAME, 36, first, sizeof(first)), LONG_NAME);
    assert_int_equal(strlen(volume_id_serial(LONG_NAME, 20, first, sizeof(first))), 20);
    volume_id_serial(LONG_NAME "s", 20, second, sizeof(second));
    assert_string_not_equal(first, second);
}

static void test_quoting(void **state)
{
    struct argv argv = {0};
    AUTO_FREE char *text = NULL;
    char escaped[16], cut[5];

    (void)state;
    argv_add(&argv, "qemu");
    argv_option(&argv, "-append", "a 'b' $c");
    argv_add(&argv, "-nodefaults");
    argv_option(&argv, "-x", "%s", "");
    text = argv_quote(&argv);
    assert_string_equal(text, "qemu \\\n  -append 'a '\\''b'\\'' $c' \\\n  -nodefaults \\\n"
                              "  -x ''\n");
    argv_free(&argv);
    assert_string_equal(argv_escape("/a,b", escaped, sizeof(escaped)), "/a,,b");
    assert_string_equal(argv_escape("abc,", cut, sizeof(cut)), "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_line, begin, end),
        cmocka_unit_test_setup_teardown(test_cpus, begin, end),
        cmocka_unit_test_setup_teardown(test_memory, begin, end),
        cmocka_unit_test_setup_teardown(test_boards, begin, end),
        cmocka_unit_test_setup_teardown(test_disks, begin, end),
        cmocka_unit_test_setup_teardown(test_drives_and_luns, begin, end),
        cmocka_unit_test_setup_teardown(test_kernel, begin, end),
        cmocka_unit_test_setup_teardown(test_layout, begin, end),
        cmocka_unit_test_setup_teardown(test_long_names, begin, end),
        cmocka_unit_test_setup_teardown(test_serials, begin, end),
        cmocka_unit_test_setup_teardown(test_quoting, begin, end),
    };

    return cmocka_run_group_tests_name("launch_arguments", tests, NULL, NULL);
}
