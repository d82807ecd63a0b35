/* SPDX-License-Identifier: MIT */
#include "manifest/firmware.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "manifest/atomic_file.h"
#include "vmm/vm_directory.h"

#define DIRECTORY "firmware"
#define BYTES_MAX ((off_t)128 << 20) /* those of arm64 have 64 MiB */

/* Debian's places, then Fedora's. With Secure Boot there have to be keys in the variables. */
static const struct {
    const char *architecture;
    bool secure_boot;
    const char *code, *template;
} known[] = {
    {"amd64", false, "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
    {"amd64", false, "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
    {"amd64", false, "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
    {"amd64", true, "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"},
    {"amd64", true, "/usr/share/OVMF/OVMF_CODE.ms.fd", "/usr/share/OVMF/OVMF_VARS.ms.fd"},
    {"amd64", true, "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd",
     "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd"},
    {"arm64", false, "/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"},
    {"arm64", false, "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
     "/usr/share/edk2/aarch64/vars-template-pflash.raw"},
    {"arm64", true, "/usr/share/AAVMF/AAVMF_CODE.ms.fd", "/usr/share/AAVMF/AAVMF_VARS.ms.fd"},
};

static const char *name_file(const char *name, char text[VM_NAME_MAX + 8])
{
    (void)snprintf(text, VM_NAME_MAX + 8, "%.*s.fd", VM_NAME_MAX, name);
    return text;
}

int firmware_find(struct firmware *firmware, const char *architecture, bool secure_boot,
                  const struct store *store, const char *name, struct error *error)
{
    char file[VM_NAME_MAX + 8];
    size_t i;

    for (i = 0; i < COUNT_OF(known); i++) {
        if (strcmp(known[i].architecture, architecture) != 0 ||
            known[i].secure_boot != secure_boot || access(known[i].code, R_OK) < 0 ||
            access(known[i].template, R_OK) < 0)
            continue;
        firmware->code = known[i].code;
        firmware->template = known[i].template;
        (void)snprintf(firmware->variables, sizeof(firmware->variables), "%s/" DIRECTORY "/%s",
                       store->path, name_file(name, file));
        return 0;
    }
    (void)error_set(error, ERROR_BLOCKED, "", "there is no UEFI%s for %.20s on this host",
                    secure_boot ? " with Secure Boot" : "", architecture);
    error_advise(error, "install %s%s",
                 strcmp(architecture, "arm64") == 0 ? "qemu-efi-aarch64" : "ovmf",
                 secure_boot ? ", or say firmware.bootloader.efi.secureBoot: false" : "");
    return -1;
}

static int fail(const struct firmware *firmware, struct error *error)
{
    return error_set_errno(error, ERROR_SYSTEM, errno, "make room or access there",
                           "cannot copy %s", firmware->template);
}

int firmware_make_variables(const struct firmware *firmware, struct store *store,
                            const char *name, struct error *error)
{
    AUTO_FD int directory = -1;
    AUTO_FD int from = -1;
    AUTO_FREE char *bytes = NULL;
    char file[VM_NAME_MAX + 8];
    struct stat status;

    if (mkdirat(store->directory, DIRECTORY, 0700) < 0 && errno != EEXIST)
        return fail(firmware, error);
    directory = openat(store->directory, DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return fail(firmware, error);
    if (faccessat(directory, name_file(name, file), F_OK, 0) == 0)
        return 0;
    from = open(firmware->template, O_RDONLY | O_CLOEXEC);
    if (from < 0 || fstat(from, &status) < 0)
        return fail(firmware, error);
    bytes = status.st_size <= BYTES_MAX ? malloc((size_t)status.st_size + 1) : NULL;
    if (bytes == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    if (pread(from, bytes, (size_t)status.st_size, 0) != status.st_size)
        return fail(firmware, error);
    return atomic_file_write(directory, file, bytes, (size_t)status.st_size, error);
}

int firmware_remove_variables(struct store *store, const char *name, struct error *error)
{
    AUTO_FD int directory =
        store->directory < 0
            ? -1
            : openat(store->directory, DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char file[VM_NAME_MAX + 8];

    return directory < 0 ? 0 : atomic_file_remove(directory, name_file(name, file), error);
}
