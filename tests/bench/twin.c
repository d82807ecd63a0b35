/* SPDX-License-Identifier: MIT */
#include "tests/bench/twin.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/bench/bench.h"

#define LIBVIRTD "/usr/sbin/libvirtd"
#define VIRTLOGD "/usr/sbin/virtlogd"
#define VIRSH "/usr/bin/virsh"
#define RUN "/run/libvirt"
#define LOG_SOCKET RUN "/virtlogd-sock" /* where libvirtd looks for it */
#define PATIENCE_MS 20000
#define DIMMS_MAX 64

static char directory[160], socket_path[192], connection[256], domain[192], dimm[192];
static char name[32]; /* of the domain, which has files by it in /var/lib/libvirt */
static pid_t daemons[2]; /* virtlogd, libvirtd */
static enum { UNTRIED, ABSENT, RUNNING } state;
static bool has_domain;

static const char domain_xml[] =
    "<domain type='qemu'><name>%s</name>"
    "<maxMemory slots='64' unit='MiB'>65536</maxMemory><memory unit='MiB'>256</memory>"
    "<vcpu placement='static' current='1'>65</vcpu>"
    "<os><type arch='x86_64' machine='q35'>hvm</type></os>"
    "<cpu><topology sockets='65' cores='1' threads='1'/>"
    "<numa><cell id='0' cpus='0-64' memory='256' unit='MiB'/></numa></cpu>"
    "<features><acpi/></features><devices>"
    "<emulator>/usr/bin/qemu-system-x86_64</emulator>"
    "<controller type='scsi' index='0' model='virtio-scsi'/>"
    "<controller type='usb' model='none'/><memballoon model='none'/></devices></domain>";
static const char dimm_xml[] = "<memory model='dimm'><target><size unit='MiB'>128</size>"
                               "<node>0</node></target></memory>";

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        exit(1);
}

/* It ends when this program does, however that ends: no other run's would start beside it. Ctrl-C
 * is for this program alone, which needs libvirtd to end the twin. */
static pid_t spawn(const char *const *argv)
{
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        (void)setsid();
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

/* A daemon tells nobody that it listens but by its socket. */
static bool await_file(const char *path)
{
    double until_ms = clock_now_ms() + PATIENCE_MS;

    while (access(path, F_OK) < 0) {
        if (clock_now_ms() >= until_ms)
            return false;
        (void)poll(NULL, 0, 20);
    }
    return true;
}

/* libvirtd has one place for what it knows of its VMs, and one libvirtd at a time: we and what we
 * start see an empty one there. Where that may not be, there is one benchmark at a time. */
static void hide_others(void)
{
    (void)mkdir(RUN, 0755);
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
        (void)mount("tmpfs", RUN, "tmpfs", 0, "mode=755");
}

static bool start(void)
{
    char config[192], text[2048], pid_file[192];

    if (geteuid() != 0 || access(LIBVIRTD, X_OK) < 0 || access(VIRSH, X_OK) < 0 ||
        access(VIRTLOGD, X_OK) < 0)
        return false;
    (void)snprintf(directory, sizeof(directory), "%s/twin", harness_dir());
    (void)snprintf(socket_path, sizeof(socket_path), "%s/libvirt-sock", directory);
    (void)snprintf(connection, sizeof(connection), "qemu+unix:///system?socket=%s", socket_path);
    (void)snprintf(domain, sizeof(domain), "%s/domain.xml", directory);
    (void)snprintf(dimm, sizeof(dimm), "%s/dimm.xml", directory);
    (void)snprintf(config, sizeof(config), "%s/libvirtd.conf", directory);
    (void)snprintf(pid_file, sizeof(pid_file), "%s/pid", directory);
    (void)mkdir(directory, 0700);
    (void)snprintf(name, sizeof(name), "vmplug-twin-%d", (int)getpid());
    (void)snprintf(text, sizeof(text), domain_xml, name);
    write_file(domain, text);
    (void)snprintf(text, sizeof(text),
                   "listen_tls = 0\nunix_sock_dir = \"%s\"\nauth_unix_rw = \"none\"\n"
                   "log_outputs = \"4:file:%s/log\"\n",
                   directory, directory);
    write_file(dimm, dimm_xml);
    write_file(config, text);
    hide_others();
    (void)snprintf(text, sizeof(text), "%s/virtlogd.pid", directory);
    if (access(LOG_SOCKET, F_OK) < 0)
        daemons[0] = spawn(HARNESS_ARGUMENTS(VIRTLOGD, "-p", text));
    daemons[1] = spawn(HARNESS_ARGUMENTS(LIBVIRTD, "-f", config, "-p", pid_file));
    return await_file(LOG_SOCKET) && await_file(socket_path);
}

static bool is_there(void)
{
    if (state == UNTRIED) {
        state = start() ? RUNNING : ABSENT;
        (void)atexit(twin_end);
    }
    return state == RUNNING;
}

static double virsh(const char *commands)
{
    return bench_time_run(HARNESS_ARGUMENTS(VIRSH, "-c", connection, commands));
}

static void destroy(void)
{
    char command[64];

    (void)snprintf(command, sizeof(command), "destroy %s", name);
    if (has_domain)
        (void)virsh(command);
    has_domain = false;
}

/* A fresh one. */
static void create(void)
{
    char command[256];

    destroy();
    has_domain = true;
    (void)snprintf(command, sizeof(command), "create %s --paused", domain);
    (void)virsh(command);
}

double twin_state(void)
{
    char command[64];

    if (!is_there())
        return -1;
    if (!has_domain)
        create();
    (void)snprintf(command, sizeof(command), "domstate %s", name);
    return virsh(command);
}

double twin_series(int action, unsigned count)
{
    static char commands[DIMMS_MAX * 256];
    size_t used = 0;
    unsigned i;

    if (action == VMPLUG_DISK_ADD || count > DIMMS_MAX || !is_there())
        return -1;
    for (i = 0; i < count && action == VMPLUG_MEMORY_ADD; i++)
        used += (size_t)snprintf(commands + used, sizeof(commands) - used,
                                 "attach-device %s %s --live; ", name, dimm);
    if (action == VMPLUG_CPU_ADD)
        (void)snprintf(commands, sizeof(commands), "setvcpus %s %u --live", name, count + 1);
    create();
    return virsh(commands);
}

/* Its QEMU would outlive libvirtd. */
void twin_end(void)
{
    size_t i;

    if (state == RUNNING)
        destroy();
    state = ABSENT;
    for (i = COUNT_OF(daemons); i-- > 0;) {
        if (daemons[i] <= 0)
            continue;
        (void)kill(daemons[i], SIGTERM);
        (void)waitpid(daemons[i], NULL, 0);
        daemons[i] = 0;
    }
}
