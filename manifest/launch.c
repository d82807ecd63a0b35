/* SPDX-License-Identifier: MIT */
#include "manifest/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "manifest/run_directory.h"
#include "manifest/supervise.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"

#define LAYOUT_MS 5000
#define SECTOR 512
#define LOG_TAIL 1024
#define NEW_FILES_MAX 64 /* of one launch: more hostDisks than that are made before it */

struct launching {
    const struct launch *launch;
    char path[VM_DIRECTORY_MAX]; /* the VM's run-time directory */
    int directory, lock;
    bool was_there; /* the directory, with the logs of an earlier launch */
    struct argv argv;
    struct supervision supervision;
    double deadline_ms;
    char *made[NEW_FILES_MAX]; /* outside of that directory */
    size_t made_count;
    bool made_variables;
};

const char *launch_disks_directory(const char *name, char *text, size_t size)
{
    return vm_directory_path(name, RUN_DIRECTORY_DISKS, text, size);
}

/* ---- the command line ---- */

static int make_arguments(const struct launch *launch, struct argv *argv, struct error *error)
{
    char path[VM_DIRECTORY_MAX], disks[VM_DIRECTORY_MAX];
    struct layout layout;
    struct launch_input input = {
        .vm = launch->vm,
        .cluster = launch->cluster,
        .claims = launch->claims,
        .layout = &layout,
        .store = launch->store,
        .name = launch->name,
        .directory = vm_directory_path(launch->name, NULL, path, sizeof(path)),
    };
    const char *before = launch->claims->empty_directory;
    int status;

    *argv = (struct argv){0};
    if (vm_directory_check_name(launch->name, error) < 0)
        return -1;
    launch->claims->empty_directory = launch_disks_directory(launch->name, disks, sizeof(disks));
    status = layout_load(&layout, launch->store, launch->name, error);
    if (status == 0)
        status = launch_arguments_make(argv, &input, error);
    layout_free(&layout);
    launch->claims->empty_directory = before;
    return status;
}

char *launch_print(const struct launch *launch, struct error *error)
{
    struct argv argv;
    char *text = NULL;

    if (make_arguments(launch, &argv, error) == 0) {
        text = argv_quote(&argv);
        if (text == NULL)
            (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
    }
    argv_free(&argv);
    return text;
}

/* ---- what it needs ---- */

/* Takes no room on the disk before the guest writes to it. */
static int make_sparse(const char *path, uint64_t bytes, struct error *error)
{
    AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int errnum;

    if (fd >= 0 && ftruncate(fd, (off_t)((bytes + SECTOR - 1) / SECTOR * SECTOR)) == 0)
        return 0;
    errnum = errno;
    if (fd >= 0)
        (void)unlink(path);
    return error_set_errno(error, ERROR_SYSTEM, errnum, "make room or access there",
                           "cannot make %s", path);
}

static int make_host_disk(struct launching *launching, const struct volume *volume,
                          struct error *error)
{
    const char *path = volume->source_name;
    char *copy;

    if (access(path, F_OK) == 0 || errno != ENOENT)
        return 0;
    copy = launching->made_count < NEW_FILES_MAX ? strdup(path) : NULL;
    if (copy == NULL || make_sparse(path, volume->capacity_bytes, error) < 0) {
        free(copy);
        return copy != NULL ? -1 : error_set(error, ERROR_SYSTEM, "", "out of memory");
    }
    launching->made[launching->made_count++] = copy;
    return 0;
}

static int make_empty_disk(struct launching *launching, const struct volume *volume,
                           struct error *error)
{
    char path[VM_DIRECTORY_MAX + 512];

    if (mkdirat(launching->directory, RUN_DIRECTORY_DISKS, 0700) < 0 && errno != EEXIST)
        return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot make %s/"
                               RUN_DIRECTORY_DISKS, launching->path);
    (void)snprintf(path, sizeof(path), "%s/" RUN_DIRECTORY_DISKS "/%s.img", launching->path,
                   volume->name);
    return make_sparse(path, volume->capacity_bytes, error);
}

static int make_disks(struct launching *launching, struct error *error)
{
    const struct virtual_machine *vm = launching->launch->vm;
    const struct volume *volume;
    size_t i;

    for (i = 0; i < vm->volume_count; i++) {
        volume = &vm->volumes[i];
        if (volume->source == VOLUME_EMPTY_DISK && make_empty_disk(launching, volume, error) < 0)
            return -1;
        if (volume->may_make && make_host_disk(launching, volume, error) < 0)
            return -1;
    }
    return 0;
}

static int make_variables(struct launching *launching, struct error *error)
{
    const struct launch *launch = launching->launch;
    const struct launch_board *board;
    struct firmware firmware;

    if (launch_arguments_find_board(launch->vm, &board, error) < 0)
        return -1;
    if (!launch_arguments_wants_efi(launch->vm, board))
        return 0;
    if (firmware_find(&firmware, board->architecture, launch->vm->efi && launch->vm->secure_boot,
                      launch->store, launch->name, error) < 0)
        return -1;
    launching->made_variables = access(firmware.variables, F_OK) < 0;
    return firmware_make_variables(&firmware, launch->store, launch->name, error);
}

/* ---- QEMU ---- */

/* What QEMU had to say last, in one line. */
static void read_log(const struct launching *launching, char *text, size_t size)
{
    AUTO_FD int fd = openat(launching->directory, RUN_DIRECTORY_LOG, O_RDONLY | O_CLOEXEC);
    off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    char tail[LOG_TAIL + 1], *line, *rest = NULL;
    ssize_t count = 0;
    size_t used = 0;

    text[0] = '\0';
    if (fd >= 0)
        count = pread(fd, tail, LOG_TAIL, end > LOG_TAIL ? end - LOG_TAIL : 0);
    tail[count > 0 ? count : 0] = '\0';
    for (line = strtok_r(tail, "\n", &rest); line != NULL && used + 3 < size;
         line = strtok_r(NULL, "\n", &rest))
        used += (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? "; " : "", line);
}

static int ended(struct launching *launching, struct error *error)
{
    char log[320];

    supervise_abandon(&launching->supervision); /* its last words are written then */
    read_log(launching, log, sizeof(log));
    return error_set(error, ERROR_REJECTED, "vmplug launch --print shows what is started",
                     "QEMU ended at once: %s", log);
}

static int late(struct error *error)
{
    return error_set(error, ERROR_TIMEOUT, "see whether this host has memory and time left",
                     "QEMU was started and does not answer");
}

/* QEMU makes its sockets in the order of its command line, of which that of the console is the
 * last: the monitors are listened at when it is there. */
static int await_sockets(struct launching *launching, int watch, struct error *error)
{
    struct pollfd polled[2] = {{.fd = watch, .events = POLLIN},
                               {.fd = launching->supervision.control, .events = POLLIN}};
    char events[4096];

    while (faccessat(launching->directory, VM_DIRECTORY_CONSOLE, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
        if (clock_poll(polled, 2, launching->deadline_ms) == 0)
            return late(error);
        if (polled[1].revents != 0)
            return ended(launching, error);
        if (polled[0].revents != 0 && read(watch, events, sizeof(events)) < 0 && errno != EINTR)
            return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot watch %s",
                                   launching->path);
    }
    return 0;
}

static int start_qemu(struct launching *launching, struct error *error)
{
    AUTO_FD int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    if (watch < 0 || inotify_add_watch(watch, launching->path, IN_CREATE) < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot watch %s",
                               launching->path);
    if (supervise_start(&launching->supervision, &launching->argv, launching->directory,
                        launching->lock, error) < 0)
        return -1;
    return await_sockets(launching, watch, error);
}

/* A monitor answers once QEMU has made the whole machine, and then the other one does, too, which
 * is left alone: a daemon that waits for the VM may have it by now. Returns QEMU's process, or -1.
 */
static pid_t await_qemu(struct launching *launching, struct error *error)
{
    char path[VM_DIRECTORY_MAX];
    double left_ms = launching->deadline_ms - clock_now_ms();
    struct qmp_client_options options = {
        .path = vm_directory_path(launching->launch->name, VM_DIRECTORY_QMP_2, path,
                                  sizeof(path)),
        .greeting_timeout_ms = left_ms > 1 ? left_ms : 1,
    };
    struct error problem = ERROR_INIT;
    struct qmp_client *client = qmp_client_new(&options, &problem);
    AUTO_JSON json_t *status = NULL;
    pid_t process = -1;

    if (client != NULL)
        status = blocking_qmp(client, "query-status", NULL, options.greeting_timeout_ms, &problem);
    if (status != NULL)
        process = qmp_client_peer(client);
    qmp_client_free(client);
    if (status != NULL)
        return process;
    if (problem.code == ERROR_TIMEOUT || problem.code == ERROR_BUSY)
        (void)late(error);
    else if (problem.code == ERROR_SYSTEM)
        (void)error_set(error, problem.code, "", "%s", problem.why);
    else
        (void)ended(launching, error);
    return -1;
}

/* So that disks stay where they are when others leave the manifest before the next launch. The VM
 * runs all the same when that can't be written; whoever plugs something next tells of it. */
static void record_layout(const struct launch *launch)
{
    char path[VM_DIRECTORY_MAX];
    const struct vm_options options = {
        .qmp_path = vm_directory_path(launch->name, VM_DIRECTORY_QMP_2, path, sizeof(path))};
    struct vm *vm = vm_new(&options, NULL);

    if (vm != NULL)
        (void)layout_record(vm, launch->store, launch->name, LAYOUT_MS, NULL);
    vm_free(vm);
}

/* ---- all together ---- */

/* QEMU would say so, too, among other things. */
static int check_file(const char *path, const char *annotation, struct error *error)
{
    if (path == NULL || access(path, R_OK) == 0)
        return 0;
    return error_set_errno(error, ERROR_BLOCKED, errno, "give the path of a file that is there",
                           "metadata.annotations.%s: cannot read %s", annotation, path);
}

static int check_kernel(const struct virtual_machine *vm, struct error *error)
{
    if (check_file(vm->kernel, ANNOTATION_KERNEL, error) < 0)
        return -1;
    return check_file(vm->initrd, ANNOTATION_INITRD, error);
}

static int enter(struct launching *launching, struct error *error)
{
    const char *name = launching->launch->name;

    if (vm_directory_check_name(name, error) < 0)
        return -1;
    (void)vm_directory_path(name, NULL, launching->path, sizeof(launching->path));
    launching->was_there = access(launching->path, F_OK) == 0;
    launching->directory = vm_directory_open(name, true, error);
    if (launching->directory < 0)
        return -1;
    if (!run_directory_is_adopted(launching->directory))
        return run_directory_lock(launching->directory, name, &launching->lock, error);
    (void)error_set(error, ERROR_BLOCKED, "", "the VM '%s' is adopted: somebody else starts it",
                    name);
    error_advise(error, "choose another name, or vmplug forget %s", name);
    return -1;
}

static void leave(struct launching *launching, bool undo)
{
    size_t i;

    if (undo)
        supervise_abandon(&launching->supervision);
    if (undo && launching->lock >= 0 && launching->was_there)
        run_directory_clean(launching->directory);
    else if (undo && launching->lock >= 0)
        run_directory_remove(launching->directory, launching->launch->name);
    if (undo && launching->made_variables)
        (void)firmware_remove_variables(launching->launch->store, launching->launch->name, NULL);
    for (i = 0; i < launching->made_count; i++) {
        if (undo)
            (void)unlink(launching->made[i]);
        free(launching->made[i]);
    }
    argv_free(&launching->argv);
    if (launching->lock >= 0)
        close(launching->lock);
    if (launching->directory >= 0)
        close(launching->directory);
}

int launch_start(const struct launch *launch, pid_t *ret_process, struct error *error)
{
    struct launching launching = {
        .launch = launch,
        .directory = -1,
        .lock = -1,
        .supervision = SUPERVISION_INIT,
        .deadline_ms = clock_now_ms() +
                       (launch->timeout_ms > 0 ? launch->timeout_ms : LAUNCH_TIMEOUT_MS),
    };
    int status = enter(&launching, error);

    if (status == 0)
        status = make_arguments(launch, &launching.argv, error);
    if (status == 0)
        status = check_kernel(launch->vm, error);
    if (status == 0) {
        run_directory_clean(launching.directory); /* of one that ended together with its keeper */
        status = make_disks(&launching, error);
    }
    if (status == 0)
        status = make_variables(&launching, error);
    if (status == 0)
        status = start_qemu(&launching, error);
    if (status == 0) {
        *ret_process = await_qemu(&launching, error);
        status = *ret_process < 0 ? -1 : 0;
    }
    if (status == 0) {
        supervise_release(&launching.supervision);
        record_layout(launch);
    }
    leave(&launching, status < 0);
    return status;
}
