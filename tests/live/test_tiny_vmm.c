/* SPDX-License-Identifier: MIT */
/*
 * examples/tiny_vmm with a real guest: it gives memory when the guest uses up its own, takes it
 * back when it does not, and heeds what it is told. QEMU and the guest are asked past it, by a
 * monitor and a console that are none of its business.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/live/harness.h"

#define MIB 1048576
#define HANGS_S 300

static struct harness_vm vm;
static FILE *says, *hears;
static pid_t tiny;
static int qemu;

/* The guest that scripts/build-guest makes, of which it prints the folder. */
static void find_guest(char *path, size_t size)
{
    const char *scripts = getenv("VMPLUG_SCRIPTS");
    char command[512];
    FILE *out;

    (void)snprintf(command, sizeof(command), "%s/build-guest",
                   scripts != NULL ? scripts : "scripts");
    out = popen(command, "r");
    assert_non_null(out);
    assert_non_null(fgets(path, (int)size, out));
    assert_int_equal(pclose(out), 0);
    path[strcspn(path, "\n")] = '\0';
}

static void become_tiny(const char *binary, const char *guest, int in, int out)
{
    char kernel[300], initrd[300], monitor[256], console[256];

    (void)snprintf(kernel, sizeof(kernel), "%s/vmlinuz", guest);
    (void)snprintf(initrd, sizeof(initrd), "%s/initramfs", guest);
    (void)snprintf(monitor, sizeof(monitor), "unix:%s,server=on,wait=off", vm.qmp2);
    (void)snprintf(console, sizeof(console), "socket,id=console,path=%s/console,server=on,wait=off",
                   vm.dir);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)dup2(in, STDIN_FILENO);
    (void)dup2(out, STDOUT_FILENO);
    execl("examples/tiny_vmm", "tiny_vmm", "50", binary, "-nodefaults", "-no-user-config",
          "-machine", "q35", "-cpu", "max", "-accel", "tcg", "-m", "256M,maxmem=4G", "-kernel",
          kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet loglevel=0 panic=-1", "-qmp",
          monitor, "-chardev", console, "-serial", "chardev:console", (char *)NULL);
    _exit(127);
}

/* Until it says so. One that never does is ended by SIGALRM, and with it this program. */
static void await_words(const char *words)
{
    AUTO_FREE char *line = NULL;
    size_t size = 0;

    do {
        if (getline(&line, &size, says) < 0)
            fail_msg("tiny_vmm ended before '%s'", words);
    } while (strstr(line, words) == NULL);
    (void)sscanf(line, "QEMU is process %d", &qemu);
}

static int start(void **state)
{
    AUTO_FREE char *binary = harness_qemu("x86_64");
    char guest[256];
    int in[2], out[2];

    (void)state;
    find_guest(guest, sizeof(guest));
    (void)alarm(HANGS_S);
    vm = (struct harness_vm){.guest = true};
    (void)snprintf(vm.dir, sizeof(vm.dir), "%s/tiny", harness_dir());
    (void)snprintf(vm.qmp2, sizeof(vm.qmp2), "%s/qmp2", vm.dir);
    (void)mkdir(vm.dir, 0700);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    tiny = fork();
    assert_true(tiny >= 0);
    if (tiny == 0)
        become_tiny(binary, guest, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    hears = fdopen(in[1], "w");
    says = fdopen(out[0], "r");
    await_words("QEMU is process ");
    return 0;
}

static void assert_ends(int expected)
{
    assert_int_equal(harness_await(tiny), expected);
    assert_int_equal(kill(qemu, 0), -1); /* it was awaited */
    fclose(says);
    fclose(hears);
}

/* What QEMU says that the guest has of the virtio-mem. */
static long plugged_mib(void)
{
    AUTO_JSON json_t *devices = harness_qmp(&vm, "query-memory-devices", NULL);
    const json_t *data = json_object_get(json_array_get(devices, 0), "data");

    return (long)(json_integer_value(json_object_get(data, "size")) / MIB);
}

static long guest_mib(void)
{
    AUTO_FREE char *said =
        harness_guest(&vm, "awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo");

    return strtol(said, NULL, 10);
}

/* Some other process's child: nobody tells us when it stands. */
static void stop_for_a_moment(int pid)
{
    char path[64], line[256] = "";
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    while (strstr(line, ") T ") == NULL) {
        file = fopen(path, "re");
        assert_non_null(file);
        assert_non_null(fgets(line, sizeof(line), file));
        fclose(file);
    }
    assert_int_equal(kill(pid, SIGCONT), 0);
}

static void test_target(void **state)
{
    long total;

    (void)state;
    stop_for_a_moment(qemu); /* which is no end */
    total = guest_mib();
    assert_int_equal(plugged_mib(), 0);
    free(harness_guest(&vm, "mkdir /tmp/m && mount -t tmpfs -o size=600m m /tmp/m && "
                            "dd if=/dev/zero of=/tmp/m/f bs=1M count=90 2>/dev/null"));
    await_words("128 MiB plugged: done");
    assert_int_equal(plugged_mib(), 128);
    assert_true(guest_mib() > total + 100);
    free(harness_guest(&vm, "rm /tmp/m/f"));
    await_words("0 MiB plugged: done");
    assert_int_equal(plugged_mib(), 0);
    assert_int_equal(guest_mib(), total);
    fprintf(hears, "%ld\n", total);
    fflush(hears);
    await_words("128 MiB plugged: done");
    assert_int_equal(plugged_mib(), 128);
    assert_int_equal(kill(tiny, SIGTERM), 0);
    assert_ends(0);
}

/* A QEMU that ends by itself ends the VMM, too, which says so by its exit code. */
static void test_end_of_qemu(void **state)
{
    (void)state;
    assert_int_equal(kill(qemu, SIGKILL), 0);
    assert_ends(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_target, start),
        cmocka_unit_test_setup(test_end_of_qemu, start),
    };

    harness_need_tools();
    return cmocka_run_group_tests_name("a tiny VMM", tests, NULL, NULL);
}
