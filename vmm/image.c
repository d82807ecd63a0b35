/* SPDX-License-Identifier: MIT */
#include "vmm/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "qmp/field.h"
#include "vmm/words.h"

#define RAW_OR_QCOW2 "say --format raw or --format qcow2"

static const char qcow2_magic[4] = {'Q', 'F', 'I', '\xfb'};

static bool name_ends_in(const char *path, const char *suffix)
{
    size_t length = strlen(path);

    return length > strlen(suffix) && strcasecmp(path + length - strlen(suffix), suffix) == 0;
}

/* O_NONBLOCK: a FIFO must not hold us up before its type is known. */
static int open_image(const char *file, bool read_only, struct error *error)
{
    const char *fix = "give the path of a disk image or block device";
    int fd = open(file, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0)
        return fd;
    if (errno == EACCES || errno == EROFS || errno == EPERM)
        fix = "give yourself and QEMU access to it, or add --read-only";
    else if (errno == ENOENT)
        fix = read_only ? "look at its path"
                        : "look at its path, or make it first, for example with qemu-img create";
    return error_set_errno(error, ERROR_BLOCKED, errno, fix, "cannot open %s", file);
}

static int check_type(const char *file, int fd, struct image *image, struct error *error)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return error_set_errno(error, ERROR_BLOCKED, errno, "", "cannot look at %s", file);
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
        return error_set(error, ERROR_BLOCKED, "give the path of a disk image or block device",
                         "%s is neither a regular file nor a block device", file);
    image->block_device = S_ISBLK(status.st_mode);
    return 0;
}

static int choose_format(const char *file, int fd, struct image *image, struct error *error)
{
    char magic[sizeof(qcow2_magic)] = {0};
    bool is_qcow2 = pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
                    memcmp(magic, qcow2_magic, sizeof(magic)) == 0;

    image->format = is_qcow2 ? "qcow2" : "raw";
    if (name_ends_in(file, ".qcow2")) {
        if (!is_qcow2)
            return error_set(error, ERROR_BLOCKED, RAW_OR_QCOW2,
                             "%s is named like a qcow2 image and is none", file);
        return 0;
    }
    if (!is_qcow2)
        return 0;
    if (!name_ends_in(file, ".raw") && !name_ends_in(file, ".iso"))
        return error_set(error, ERROR_BLOCKED, RAW_OR_QCOW2,
                         "%s begins like a qcow2 image, which a guest can write into a raw one, "
                         "and its name does not say which it is",
                         file);
    image->format = "raw";
    image->header_ignored = true;
    return 0;
}

static int inspect_remote(const char *uri, const char *format, struct image *ret,
                          struct error *error)
{
    struct image image = {.format = format != NULL ? format : "raw", .remote = true};

    if (text_check_utf8("the URI", uri, error) < 0 || nbd_parse(uri, &image.nbd, error) < 0)
        return -1;
    if (strlen(uri) >= sizeof(image.path))
        return error_set(error, ERROR_INVALID, "", "the URI is too long");
    (void)snprintf(image.path, sizeof(image.path), "%s", uri);
    *ret = image;
    return 0;
}

static int inspect_file(const char *file, const char *format, bool read_only, struct image *ret,
                        struct error *error)
{
    struct image image = {.format = format};
    AUTO_FD int fd = open_image(file, read_only, error);

    if (fd < 0 || check_type(file, fd, &image, error) < 0)
        return -1;
    if (format == NULL && choose_format(file, fd, &image, error) < 0)
        return -1;
    if (realpath(file, image.path) == NULL)
        return error_set_errno(error, ERROR_BLOCKED, errno, "", "cannot resolve %s", file);
    if (text_check_utf8("the path", image.path, error) < 0)
        return -1;
    *ret = image;
    return 0;
}

int image_inspect(const char *file, const char *format, bool read_only, struct image *ret,
                  struct error *error)
{
    if (format != NULL && text_check_utf8("the format", format, error) < 0)
        return -1;
    if (words_check_file(file, error) < 0)
        return -1;
    return nbd_is_uri(file) ? inspect_remote(file, format, ret, error)
                            : inspect_file(file, format, read_only, ret, error);
}

json_t *image_node(const struct image *image, const char *node_name, bool read_only)
{
    const char *driver = image->block_device ? "host_device" : "file";
    json_t *file = image->remote ? nbd_node(&image->nbd)
                                 : json_pack("{s:s, s:s}", "driver", driver, "filename",
                                             image->path);
    json_t *node = json_pack("{s:s, s:s, s:o}", "driver", image->format, "node-name", node_name,
                             "file", file);

    if (read_only)
        field_set(&node, "read-only", json_true());
    return node;
}

void image_tune(json_t **node, const struct image *image, bool direct, const char *aio)
{
    json_t *file = json_incref(field_object(*node, "file"));

    if (image->remote || (!direct && aio == NULL)) {
        json_decref(file);
        return;
    }
    if (aio != NULL)
        field_set(&file, "aio", json_string(aio));
    if (direct) {
        field_set(&file, "cache", json_pack("{s:b}", "direct", 1));
        field_set(node, "cache", json_pack("{s:b}", "direct", 1));
    }
    field_set(node, "file", file);
}
