/* SPDX-License-Identifier: MIT */
#include "qmp/qga_use.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "qmp/field.h"
#include "qmp/qga.h"

#define DEV "/dev/"
#define DIGITS "0123456789"

static const char *without_dev(const char *name)
{
    return strncmp(name, DEV, strlen(DEV)) == 0 ? name + strlen(DEV) : name;
}

static bool append(struct qga_uses *uses, const char *device, const char *by)
{
    struct qga_use *grown;

    if (*device == '\0' || uses->count >= QGA_ITEMS_MAX)
        return true;
    if (uses->count % 64 == 0) {
        grown = realloc(uses->uses, (uses->count + 64) * sizeof(*grown));
        if (grown == NULL)
            return false;
        uses->uses = grown;
    }
    text_copy(uses->uses[uses->count].device, sizeof(uses->uses->device), without_dev(device));
    text_copy(uses->uses[uses->count].by, sizeof(uses->uses->by), by);
    uses->count++;
    return true;
}

/* The file system's own device, and below it the disks that this is made of. */
bool qga_uses_read_filesystems(struct qga_uses *uses, const json_t *value)
{
    const json_t *row, *disk;
    const char *mountpoint;
    size_t i, j;

    json_array_foreach(value, i, row) {
        mountpoint = field_string(row, "mountpoint", "");
        if (!append(uses, field_string(row, "name", ""), mountpoint))
            return false;
        json_array_foreach(field_array(row, "disk"), j, disk) {
            if (!append(uses, field_string(disk, "dev", ""), mountpoint))
                return false;
        }
    }
    return true;
}

bool qga_uses_read_dependencies(struct qga_uses *uses, const json_t *value)
{
    const json_t *row, *dependency;
    size_t i, j;

    json_array_foreach(value, i, row) {
        if (field_bool(row, "partition", true))
            continue; /* a partition depends on its disk, and that is no use of it */
        json_array_foreach(field_array(row, "dependencies"), j, dependency) {
            if (!append(uses, json_is_string(dependency) ? json_string_value(dependency) : "",
                        field_string(row, "name", "")))
                return false;
        }
    }
    return true;
}

bool qga_uses_read_swaps(struct qga_uses *uses, const char *text)
{
    char device[sizeof(uses->uses->device)];
    size_t length;

    while ((text = strchr(text, '\n')) != NULL) {
        text++;
        length = strcspn(text, " \t\n");
        if (length >= sizeof(device))
            continue; /* a file, whose file system counts as mounted */
        memcpy(device, text, length);
        device[length] = '\0';
        if (!append(uses, device, "swap"))
            return false;
    }
    return true;
}

void qga_uses_free(struct qga_uses *uses)
{
    free(uses->uses);
    *uses = (struct qga_uses){0};
}

/* sda and sda1, nvme0n1 and nvme0n1p1; but not sdaa, sdap or nvme0n11: behind a digit comes a p. */
static int is_part_of(const char *device, const char *disk)
{
    size_t length = strlen(disk);
    const char *rest = device + length;

    if (length == 0 || strncmp(device, disk, length) != 0)
        return 0;
    if (*rest != '\0' && strchr(DIGITS, disk[length - 1]) != NULL && *rest++ != 'p')
        return 0;
    return strspn(rest, DIGITS) == strlen(rest);
}

const char *qga_uses_find(const struct qga_uses *uses, const char *disk)
{
    size_t i;

    for (i = 0; i < uses->count; i++) {
        if (is_part_of(uses->uses[i].device, without_dev(disk)))
            return uses->uses[i].by;
    }
    return NULL;
}
