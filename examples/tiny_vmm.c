/* SPDX-License-Identifier: MIT */
/*
 * A tiny VMM: starts a QEMU that nobody else can talk to, and keeps so much memory available in the
 * guest as it is told, on its standard input, in MiB: gives more when the guest has less, and takes
 * back what it has in plenty. Ends, and QEMU with it, on SIGTERM or SIGINT.
 *
 *     cc -Wall -o tiny_vmm tiny_vmm.c $(pkg-config --cflags --libs libvmplug jansson)
 *     ./tiny_vmm TARGET-MIB qemu-system-x86_64 -machine q35 -m 256M,maxmem=4G -kernel … -initrd …
 *
 * The guest needs a driver for virtio-balloon, which tells how it is, one for virtio-mem, and the
 * guest agent. Monitor and agent are socket pairs, whose other ends QEMU inherits: no path, and
 * nothing to clean up.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>
#include <vmplug/vmm.h>

#define MIB (UINT64_C(1) << 20)
#define STEP (128 * MIB) /* a memory block of Linux on x86 */
#define MAX (2048 * MIB)
#define TURN_MS 1000
#define PATIENCE_MS 10000

#define ARGUMENTS_MAX 128

struct tiny {
    struct vmplug_vm *vm;
    pid_t qemu;
    uint64_t target_bytes;
    uint64_t plugged_bytes; /* of the virtio-mem */
};

/* ---- QEMU ---- */

/* What QEMU is told beside the user's own arguments, by the descriptors that it inherits. */
static void become_qemu(char **arguments, int qmp_fd, int agent_fd)
{
    const char *argv[ARGUMENTS_MAX];
    char qmp[64], agent[64];
    const char *const more[] = {
        "-chardev", qmp, "-mon", "chardev=tiny-qmp,mode=control",
        "-chardev", agent, "-device", "virtio-serial-pci,id=tiny-serial",
        "-device", "virtserialport,chardev=tiny-agent,name=org.qemu.guest_agent.0",
        "-object", "memory-backend-ram,id=tiny-ram,size=2G",
        "-device", "virtio-mem-pci,id=tiny-memory,memdev=tiny-ram",
        "-device", "virtio-balloon-pci,id=tiny-balloon", "-display", "none", NULL};
    size_t count = 0, i;

    (void)snprintf(qmp, sizeof(qmp), "socket,id=tiny-qmp,fd=%d", qmp_fd);
    (void)snprintf(agent, sizeof(agent), "socket,id=tiny-agent,fd=%d", agent_fd);
    while (*arguments != NULL && count < ARGUMENTS_MAX - sizeof(more) / sizeof(more[0]))
        argv[count++] = *arguments++;
    for (i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        argv[count++] = more[i];
    (void)fcntl(qmp_fd, F_SETFD, 0); /* these two it keeps */
    (void)fcntl(agent_fd, F_SETFD, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    execvp(argv[0], (char **)argv);
    perror(argv[0]);
    _exit(127);
}

/* Returns 0, or -1 with an error that it has printed. */
static int start(struct tiny *tiny, char **arguments)
{
    struct vmplug_vm_options options = {.struct_bytes = sizeof(options)};
    struct vmplug_error error;
    int qmp[2], agent[2];
    sigset_t none;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, agent) < 0 ||
        (tiny->qemu = fork()) < 0) {
        perror("tiny_vmm");
        return -1;
    }
    if (tiny->qemu == 0) {
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        become_qemu(arguments, qmp[1], agent[1]);
    }
    close(qmp[1]); /* or the end of QEMU would not be seen */
    close(agent[1]);
    options.qmp_fd = qmp[0];
    options.agent_fd = agent[0];
    options.qemu_pid = tiny->qemu;
    tiny->vm = vmplug_vm_open(&options, &error);
    if (tiny->vm != NULL && vmplug_qmp_wait_ready(vmplug_vm_qmp(tiny->vm), &error) == 0)
        return 0;
    fprintf(stderr, "tiny_vmm: %s\n", error.why);
    return -1;
}

/* QEMU ends by itself when it can; it is awaited in any case. */
static void stop(struct tiny *tiny)
{
    if (tiny->vm != NULL)
        vmplug_text_free(vmplug_qmp_call(vmplug_vm_qmp(tiny->vm), "quit", NULL, PATIENCE_MS, NULL));
    vmplug_vm_free(tiny->vm);
    if (tiny->qemu <= 0)
        return;
    (void)kill(tiny->qemu, SIGTERM);
    while (waitpid(tiny->qemu, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* ---- the guest's memory ---- */

/* A command's "return" value, the caller's; NULL when there is none. */
static json_t *ask(struct tiny *tiny, const char *command, const char *arguments)
{
    char *text = vmplug_qmp_call(vmplug_vm_qmp(tiny->vm), command, arguments, PATIENCE_MS, NULL);
    json_t *value = NULL;

    if (text != NULL) /* as reals: QEMU says 2^64-1 of what it does not know */
        value = json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    vmplug_text_free(text);
    return value;
}

/* As the guest last told its balloon; 0 when it has not told. */
static double available_bytes(struct tiny *tiny)
{
    json_t *told = ask(tiny, "qom-get", "{\"path\": \"/machine/peripheral/tiny-balloon\", "
                                        "\"property\": \"guest-stats\"}");
    double bytes = json_real_value(
        json_object_get(json_object_get(told, "stats"), "stat-available-memory"));

    json_decref(told);
    return bytes < 1e18 ? bytes : 0;
}

static void resize(struct tiny *tiny, uint64_t bytes)
{
    static const char *const name = "tiny-memory";
    const struct vmplug_request request = {.struct_bytes = sizeof(request),
                                           .action = VMPLUG_MEMORY_RESIZE,
                                           .timeout_ms = PATIENCE_MS,
                                           .names = &name,
                                           .name_count = 1,
                                           .bytes = bytes,
                                           .movable = 1}; /* so that it can be taken back */
    struct vmplug_error error = {.code = VMPLUG_ERROR_NONE};
    int verdict = vmplug_run(tiny->vm, &request, NULL, &error);

    printf("%" PRIu64 " MiB plugged: %s %s\n", bytes / MIB, vmplug_verdict_name(verdict),
           error.why);
    if (verdict != VMPLUG_BLOCKED) /* then nothing was sent; else it stands, at least */
        tiny->plugged_bytes = bytes;
}

/* A step down is made only where it leaves a quarter of a step beyond the target, or the next one
 * would be up again. */
static void keep_target(struct tiny *tiny)
{
    double available = available_bytes(tiny), target = (double)tiny->target_bytes;

    if (available <= 0)
        return;
    if (available < target && tiny->plugged_bytes + STEP <= MAX)
        resize(tiny, tiny->plugged_bytes + STEP);
    else if (available > target + 1.25 * (double)STEP && tiny->plugged_bytes >= STEP)
        resize(tiny, tiny->plugged_bytes - STEP);
}

/* ---- the program ---- */

/* Until a signal says that it is over: 0; or QEMU has ended by itself: 1. */
static int serve(struct tiny *tiny, int signals)
{
    struct pollfd polled[] = {{.fd = signals, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    struct signalfd_siginfo signal;
    char line[64];
    ssize_t size;

    for (;;) {
        if (poll(polled, 2, TURN_MS) < 0)
            continue;
        if (polled[0].revents != 0 && read(signals, &signal, sizeof(signal)) > 0)
            return signal.ssi_signo == SIGCHLD;
        if (polled[1].revents != 0) {
            size = read(0, line, sizeof(line) - 1);
            line[size > 0 ? size : 0] = '\0';
            if (size <= 0)
                polled[1].fd = -1; /* the last target holds */
            else
                tiny->target_bytes = strtoull(line, NULL, 10) * MIB;
        }
        keep_target(tiny);
    }
}

int main(int argc, char **argv)
{
    struct tiny tiny = {.target_bytes = argc > 1 ? strtoull(argv[1], NULL, 10) * MIB : 0};
    struct sigaction ended = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP}; /* not: stopped */
    sigset_t set;
    int signals, failed = 1;

    if (argc < 3) {
        fprintf(stderr, "usage: tiny_vmm TARGET-MIB QEMU [ARGUMENT]...\n");
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)sigaction(SIGCHLD, &ended, NULL);
    signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (start(&tiny, argv + 2) == 0) {
        printf("QEMU is process %d\n", (int)tiny.qemu);
        json_decref(ask(&tiny, "qom-set", "{\"path\": \"/machine/peripheral/tiny-balloon\", "
                                          "\"property\": \"guest-stats-polling-interval\", "
                                          "\"value\": 1}"));
        failed = serve(&tiny, signals);
    }
    stop(&tiny);
    return failed;
}
