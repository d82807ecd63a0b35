/* SPDX-License-Identifier: MIT */
#include "manifest/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "manifest/firmware.h"
#include "manifest/layout.h"
#include "manifest/run_directory.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"

#define PATIENCE_MS 5000

static int check_qemu(const char *path, struct error *error)
{
    const struct qmp_client_options options = {.path = path};
    struct qmp_client *client = qmp_client_new(&options, error);
    AUTO_JSON json_t *answer = NULL;

    if (client == NULL)
        return -1;
    answer = blocking_qmp(client, "query-status", NULL, PATIENCE_MS, error);
    qmp_client_free(client);
    return answer != NULL ? 0 : -1;
}

static int link_socket(int directory, const char *target, const char *name, struct error *error)
{
    if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
        return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot replace the link %s", name);
    if (target == NULL)
        return 0;
    if (symlinkat(target, directory, name) < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot link to %s", target);
    return 0;
}

/* From the root on, so that a link to it leads there. */
static int find(const char *socket, char path[PATH_MAX], struct error *error)
{
    if (realpath(socket, path) != NULL)
        return 0;
    return error_set_errno(error, ERROR_CONNECT, errno, "look at its path", "cannot find %s",
                           socket);
}

int adopt_qemu(const char *name, const char *qmp, const char *agent, struct error *error)
{
    AUTO_FD int directory = -1;
    AUTO_FD int lock = -1;
    char qmp_path[PATH_MAX], agent_path[PATH_MAX];

    if (vm_directory_check_name(name, error) < 0 || check_qemu(qmp, error) < 0 ||
        find(qmp, qmp_path, error) < 0 || (agent != NULL && find(agent, agent_path, error) < 0))
        return -1;
    directory = vm_directory_open(name, true, error);
    if (directory < 0 || run_directory_lock(directory, name, &lock, error) < 0)
        return -1;
    run_directory_clean(directory);
    if (link_socket(directory, agent != NULL ? agent_path : NULL, VM_DIRECTORY_AGENT, error) == 0 &&
        link_socket(directory, qmp_path, VM_DIRECTORY_QMP, error) == 0)
        return 0;
    run_directory_remove(directory, name);
    return -1;
}

/* Returns whether there was something. */
static int forget_directory(const char *name, struct error *error)
{
    AUTO_FD int directory = vm_directory_open(name, false, NULL);
    AUTO_FD int lock = -1;

    if (directory < 0)
        return 0;
    if (run_directory_lock(directory, name, &lock, error) < 0)
        return -1;
    run_directory_remove(directory, name);
    return 1;
}

static int forget_state(struct store *store, const char *name, struct error *error)
{
    AUTO_JSON json_t *object = NULL;
    /* One that nobody can read is there, too. */
    bool there = store_load(store, KIND_VIRTUAL_MACHINE, name, &object, NULL) < 0 ||
                 object != NULL;

    if (store_remove(store, KIND_VIRTUAL_MACHINE, name, error) < 0 ||
        layout_remove(store, name, error) < 0 ||
        firmware_remove_variables(store, name, error) < 0)
        return -1;
    return there ? 1 : 0;
}

int adopt_forget(struct store *store, const char *name, struct error *error)
{
    int running, stored = 0;

    if (vm_directory_check_name(name, error) < 0)
        return -1;
    running = forget_directory(name, error);
    if (running < 0)
        return -1;
    if (store->directory >= 0) {
        if (store_lock(store, error) < 0)
            return -1;
        stored = forget_state(store, name, error);
        store_unlock(store);
    }
    if (stored < 0)
        return -1;
    return running + stored > 0
               ? 0
               : error_set(error, ERROR_BLOCKED, "see vmplug get vm", "there is no VM '%s'", name);
}
