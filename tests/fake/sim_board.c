/* SPDX-License-Identifier: MIT */
/* What QEMU tells of its machine: architecture, type, and which devices it knows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/sim_parts.h"

const struct sim_board sim_q35 = {
    .arch = "x86_64",
    .machine = "pc-q35-7.2-machine",
    .acpi = "auto",
};
const struct sim_board sim_microvm = {
    .arch = "x86_64",
    .machine = "microvm-machine",
    .acpi = "auto",
};
const struct sim_board sim_virt_arm = {
    .arch = "aarch64",
    .machine = "virt-7.2-machine",
    .acpi = "auto",
    .tree = "arm-ged.dtb",
};
const struct sim_board sim_virt_riscv = {
    .arch = "riscv64",
    .machine = "virt-machine",
    .lacks_dimm = true,
    .lacks_virtio_mem = true,
    .tree = "riscv.dtb",
};
const struct sim_board sim_pseries = {
    .arch = "ppc64",
    .machine = "pseries-7.2-machine",
    .lacks_virtio_mem = true,
    .tree = "pseries.dtb",
};
const struct sim_board sim_s390 = {
    .arch = "s390x",
    .machine = "s390-ccw-virtio-7.2-machine",
    .lacks_dimm = true,
    .lacks_virtio_mem = true,
};

json_t *sim_board_get(const struct sim *sim, const char *property)
{
    if (strcmp(property, "type") == 0)
        return sim_return(json_string(sim->board->machine));
    if (strcmp(property, "memory-backend") == 0)
        return sim_return(json_string("/objects/pc.ram"));
    if (strcmp(property, "memory") == 0)
        return sim_return(json_pack("{s:I, s:I, s:I}", "size", (json_int_t)sim->base_bytes,
                                    "max-size", (json_int_t)sim->max_bytes, "slots",
                                    (json_int_t)sim->slots));
    if (strcmp(property, "acpi") == 0 && sim->board->acpi != NULL)
        return sim_return(json_string(sim->board->acpi));
    return sim_error("GenericError", "Property '%s.%s' not found", sim->board->machine, property);
}

/* Copies what a real QEMU of this board wrote. */
static json_t *dump_tree(const struct sim *sim, const char *path)
{
    static char blob[1 << 20];
    char recorded[512];
    FILE *from, *to;
    size_t size;

    if (sim->board->tree == NULL)
        return sim_error("GenericError", "This machine doesn't have a FDT");
    (void)snprintf(recorded, sizeof(recorded), "%s/tests/data/fdt/%s", getenv("VMPLUG_SOURCE"),
                   sim->board->tree);
    from = fopen(recorded, "r");
    to = fopen(path, "w");
    if (to == NULL)
        return sim_error("GenericError", "Error saving FDT to file %s: ", path);
    if (from == NULL)
        fake_fail("cannot read %s", recorded);
    size = fread(blob, 1, sizeof(blob), from);
    (void)fwrite(blob, 1, size, to);
    (void)fclose(from);
    (void)fclose(to);
    return sim_return(json_object());
}

static json_t *list_properties(const struct sim *sim, const char *driver)
{
    if (strcmp(driver, "pc-dimm") == 0 ? sim->board->lacks_dimm : sim->board->lacks_virtio_mem)
        return sim_error("DeviceNotFound", "Device '%s' not found", driver);
    return sim_return(fake_json("[{'name':'memdev','type':'link<memory-backend>'}]"));
}

json_t *sim_board_do(const struct sim *sim, const char *command, const json_t *arguments)
{
    if (strcmp(command, "query-target") == 0)
        return sim_return(json_pack("{s:s}", "arch", sim->board->arch));
    if (strcmp(command, "device-list-properties") == 0)
        return list_properties(sim, json_string_value(json_object_get(arguments, "typename")));
    if (strcmp(command, "dumpdtb") == 0)
        return dump_tree(sim, json_string_value(json_object_get(arguments, "filename")));
    return NULL;
}
