/* SPDX-License-Identifier: MIT */
/* Files of the simulated guest, as its agent opens, reads and writes them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "tests/fake/sim_parts.h"

#define HANDLE 1000

static struct sim_block *find_block(struct sim *sim, uint64_t index)
{
    unsigned i;

    for (i = 0; i < sim->guest.block_count; i++) {
        if (sim->guest.blocks[i].index == index)
            return &sim->guest.blocks[i];
    }
    return NULL;
}

/* Which file the path names; anything but the two kinds below fails the test. */
static void read_path(const char *path, struct sim_file *ret)
{
    char letter;
    int used = 0;

    *ret = (struct sim_file){.handle = HANDLE};
    if (sscanf(path, "/sys/block/sd%c/device/vpd_pg80%n", &letter, &used) == 1 && used > 0 &&
        path[used] == '\0') {
        ret->disk = (unsigned)(letter - 'a');
        return;
    }
    if (sscanf(path, "/sys/devices/system/memory/memory%" SCNu64 "/%15s", &ret->block,
               ret->attribute) != 2 ||
        (strcmp(ret->attribute, "state") != 0 && strcmp(ret->attribute, "valid_zones") != 0))
        fake_fail("vmplug opens %s in the guest", path);
}

static json_t *open_file(struct sim *sim, const json_t *arguments)
{
    const char *path = json_string_value(json_object_get(arguments, "path"));
    const char *mode = json_string_value(json_object_get(arguments, "mode"));
    struct sim_file file;
    bool exists;

    sim_check_arguments("guest-file-open", arguments, "path mode");
    read_path(path, &file);
    exists = file.attribute[0] != '\0' ? find_block(sim, file.block) != NULL
                                       : sim->guest.has_vpd && file.disk < sim->disk_count;
    if (!exists)
        return sim_error("GenericError", "failed to open file '%s' (mode: '%s'): No such file or "
                         "directory", path, mode);
    if ((strcmp(mode, "w") == 0) != (strcmp(file.attribute, "state") == 0))
        fake_fail("vmplug opens %s with mode %s", path, mode);
    if (sim->guest.file.handle != 0)
        fake_fail("vmplug left a file open in the guest");
    sim->guest.file = file;
    return sim_return(json_integer(HANDLE));
}

/* Page 0x80: 00 80 00 length serial. Zones as Linux lists them: of a block that is online the one
 * that it is in, else those that it may go to, the preferred first. */
static size_t content(struct sim *sim, unsigned char *bytes, size_t size)
{
    const struct sim_file *file = &sim->guest.file;
    const struct sim_block *block = find_block(sim, file->block);
    const char *serial;

    if (file->attribute[0] != '\0') {
        (void)snprintf((char *)bytes, size, "%s\n",
                       block == NULL || !block->online ? "Normal Movable"
                       : block->movable                ? "Movable"
                                                       : "Normal");
        return strlen((char *)bytes);
    }
    serial = sim->disks[file->disk].serial;
    bytes[1] = 0x80;
    bytes[3] = (unsigned char)strlen(serial);
    memcpy(bytes + 4, serial, strlen(serial));
    return 4 + strlen(serial);
}

static json_t *read_file(struct sim *sim)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char bytes[256] = {0};
    size_t size = content(sim, bytes, sizeof(bytes) - 3), i;
    char text[512], *at = text;
    unsigned bits;

    for (i = 0; i < size; i += 3) {
        bits = (unsigned)(bytes[i] << 16 | bytes[i + 1] << 8 | bytes[i + 2]);
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = i + 1 < size ? digits[bits >> 6 & 63] : '=';
        *at++ = i + 2 < size ? digits[bits & 63] : '=';
    }
    *at = '\0';
    return sim_return(json_pack("{s:I, s:s, s:b}", "count", (json_int_t)size, "buf-b64", text,
                                "eof", 1));
}

static json_t *write_file(struct sim *sim, const json_t *arguments)
{
    struct sim_file *file = &sim->guest.file;
    const char *text = json_string_value(json_object_get(arguments, "buf-b64"));
    size_t size;

    sim_check_arguments("guest-file-write", arguments, "handle buf-b64 count");
    if (!base64_decode(text, (unsigned char *)file->written, sizeof(file->written) - 1, &size))
        return sim_error("GenericError", "failed to decode base64");
    file->written[size] = '\0';
    return sim_return(json_pack("{s:I, s:b}", "count", (json_int_t)size, "eof", 0));
}

/* Only now does the guest's kernel see what was written. */
static json_t *flush_file(struct sim *sim)
{
    const struct sim_file *file = &sim->guest.file;
    struct sim_block *block = find_block(sim, file->block);

    if (sim->guest.flush_error != NULL)
        return sim_error("GenericError", "failed to flush file: %s", sim->guest.flush_error);
    if (strcmp(file->written, "online_movable") != 0 || block == NULL || block->online)
        return sim_error("GenericError", "failed to flush file: Invalid argument");
    block->online = block->movable = !sim->guest.set_does_nothing;
    return sim_return(json_object());
}

static json_t *close_file(struct sim *sim)
{
    sim->guest.file = (struct sim_file){0};
    return sim_return(json_object());
}

json_t *sim_file_do(struct sim *sim, const char *command, const json_t *arguments)
{
    if (strcmp(command, "guest-file-open") == 0)
        return open_file(sim, arguments);
    if (strncmp(command, "guest-file-", strlen("guest-file-")) != 0)
        return NULL;
    if (sim->guest.file.handle == 0 ||
        json_integer_value(json_object_get(arguments, "handle")) != sim->guest.file.handle)
        fake_fail("vmplug's %s is of a file that is not open", command);
    if (strcmp(command, "guest-file-read") == 0)
        return read_file(sim);
    if (strcmp(command, "guest-file-write") == 0)
        return write_file(sim, arguments);
    if (strcmp(command, "guest-file-flush") == 0)
        return flush_file(sim);
    return strcmp(command, "guest-file-close") == 0 ? close_file(sim) : NULL;
}
