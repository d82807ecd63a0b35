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

/* A page 0x80: 00 80 00 length serial. */
static bool put_page(struct sim *sim, unsigned disk, struct sim_file *file)
{
    const char *serial = disk < sim->disk_count ? sim->disks[disk].serial : "";
    size_t length = strlen(serial);

    if (!sim->guest.has_vpd || disk >= sim->disk_count)
        return false;
    memcpy(file->bytes, (const unsigned char[]){0x00, 0x80, 0x00, (unsigned char)length}, 4);
    memcpy(file->bytes + 4, serial, length);
    file->size = 4 + length;
    return true;
}

static bool put_medium(struct sim *sim, unsigned drive, struct sim_file *file)
{
    const struct sim_disk *node =
        drive < sim->cdrom_count ? sim_find_node(sim, sim->cdroms[drive].node) : NULL;
    FILE *medium = node != NULL && !sim->guest.has_no_drives ? fopen(node->file, "re") : NULL;

    if (medium == NULL)
        return false;
    file->size = fread(file->bytes, 1, SIM_FILE_MAX, medium);
    fclose(medium);
    return true;
}

/* Zones as Linux lists them: of a block that is online the one that it is in, else those that it
 * may go to, the preferred first. */
static bool put_block(struct sim *sim, struct sim_file *file)
{
    const struct sim_block *block = find_block(sim, file->block);

    if (block == NULL)
        return false;
    file->size = (size_t)snprintf((char *)file->bytes, SIM_FILE_MAX, "%s\n",
                                  !block->online   ? "Normal Movable"
                                  : block->movable ? "Movable"
                                                   : "Normal");
    return true;
}

static bool ends_here(const char *path, int used)
{
    return used > 0 && path[used] == '\0';
}

static void put_text(const char *text, size_t size, struct sim_file *file)
{
    if (size > SIM_FILE_MAX)
        fake_fail("a file of the guest is too large");
    memcpy(file->bytes, text, size);
    file->size = size;
}

/* Whether the guest has the file that the path names. */
static bool put_file(struct sim *sim, const char *path, struct sim_file *file)
{
    const json_t *text = json_object_get(sim->guest.files, path);
    unsigned drive;
    char letter;
    int used = 0;

    if (json_is_string(text))
        put_text(json_string_value(text), json_string_length(text), file);
    if (text != NULL)
        return json_is_string(text);
    if (strcmp(path, "/proc/swaps") == 0) {
        if (sim->guest.swaps != NULL)
            put_text(sim->guest.swaps, strlen(sim->guest.swaps), file);
        return sim->guest.swaps != NULL;
    }
    if (sscanf(path, "/sys/block/sd%c/device/vpd_pg80%n", &letter, &used) == 1 &&
        ends_here(path, used))
        return put_page(sim, (unsigned)(letter - 'a'), file);
    used = 0;
    if (sscanf(path, "/sys/block/vd%c/serial%n", &letter, &used) == 1 && ends_here(path, used) &&
        (unsigned)(letter - 'a') < sim->disk_count) {
        file->size = (size_t)snprintf((char *)file->bytes, SIM_FILE_MAX, "%s",
                                      sim->disks[letter - 'a'].serial);
        return true;
    }
    used = 0;
    if (sscanf(path, "/sys/block/%*1[sv]d%c/size%n", &letter, &used) == 1 &&
        ends_here(path, used) && (unsigned)(letter - 'a') < sim->disk_count) {
        file->size = (size_t)snprintf((char *)file->bytes, SIM_FILE_MAX, "%llu\n",
                                      (unsigned long long)sim->disks[letter - 'a'].bytes / 512);
        return true;
    }
    if (sscanf(path, "/dev/sr%u%n", &drive, &used) == 1 && ends_here(path, used))
        return put_medium(sim, drive, file);
    if (sscanf(path, "/sys/devices/system/memory/memory%" SCNu64 "/%15s", &file->block,
               file->attribute) == 2 &&
        (strcmp(file->attribute, "state") == 0 || strcmp(file->attribute, "valid_zones") == 0))
        return put_block(sim, file);
    if (!sim->guest.forgives)
        json_decref(sim_offence(sim, "%s is opened in the guest", path));
    return false;
}

static json_t *open_file(struct sim *sim, const json_t *arguments)
{
    const char *path = json_string_value(json_object_get(arguments, "path"));
    const char *mode = json_string_value(json_object_get(arguments, "mode"));
    struct sim_file *file = &sim->guest.file;

    if (mode == NULL)
        mode = "r";
    /* One that a client left open is closed for it. */
    if (sim_has_file_open(sim) && !sim->guest.forgives)
        json_decref(sim_offence(sim, "%s is opened while another file is open", path));
    *file = (struct sim_file){0};
    if (!put_file(sim, path, file))
        return sim_error("GenericError", "failed to open file '%s' (mode: '%s'): No such file or "
                         "directory", path, mode);
    if ((strcmp(mode, "w") == 0) != (strcmp(file->attribute, "state") == 0))
        return sim_offence(sim, "%s is opened with mode %s", path, mode);
    file->handle = HANDLE;
    return sim_return(json_integer(HANDLE));
}

static json_t *seek_file(struct sim *sim, const json_t *arguments)
{
    struct sim_file *file = &sim->guest.file;

    file->at = (size_t)json_integer_value(json_object_get(arguments, "offset"));
    return sim_return(json_pack("{s:I, s:b}", "position", (json_int_t)file->at, "eof", 0));
}

static json_t *read_file(struct sim *sim, const json_t *arguments)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static char text[SIM_FILE_MAX * 4 / 3 + 5];
    struct sim_file *file = &sim->guest.file;
    const unsigned char *bytes = file->bytes + file->at;
    size_t count = (size_t)json_integer_value(json_object_get(arguments, "count"));
    size_t left = file->at < file->size ? file->size - file->at : 0;
    size_t size = count < left ? count : left, i;
    char *at = text;
    unsigned bits;

    for (i = 0; i < size; i += 3) {
        bits = (unsigned)bytes[i] << 16;
        bits |= i + 1 < size ? (unsigned)bytes[i + 1] << 8 : 0;
        bits |= i + 2 < size ? (unsigned)bytes[i + 2] : 0;
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = i + 1 < size ? digits[bits >> 6 & 63] : '=';
        *at++ = i + 2 < size ? digits[bits & 63] : '=';
    }
    *at = '\0';
    file->at += size;
    return sim_return(json_pack("{s:I, s:s, s:b}", "count", (json_int_t)size, "buf-b64", text,
                                "eof", size < count));
}

static json_t *write_file(struct sim *sim, const json_t *arguments)
{
    struct sim_file *file = &sim->guest.file;
    const char *text = json_string_value(json_object_get(arguments, "buf-b64"));
    size_t size;

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
        return sim->guest.forgives ? sim_error("GenericError", "handle has not been found")
                                   : sim_offence(sim, "handle has not been found");
    if (strcmp(command, "guest-file-read") == 0)
        return read_file(sim, arguments);
    if (strcmp(command, "guest-file-seek") == 0)
        return seek_file(sim, arguments);
    if (strcmp(command, "guest-file-write") == 0)
        return write_file(sim, arguments);
    if (strcmp(command, "guest-file-flush") == 0)
        return flush_file(sim);
    return strcmp(command, "guest-file-close") == 0 ? close_file(sim) : NULL;
}

bool sim_has_file_open(const struct sim *sim)
{
    return sim->guest.file.handle != 0;
}
