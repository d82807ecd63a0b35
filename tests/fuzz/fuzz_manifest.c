/* SPDX-License-Identifier: MIT */
/* Manifests, read as what they say they are: what is refused has a place and nothing else, what is
 * taken is within its bounds, has good names, and reads as the same again. */
#include "base/cleanup.h"
#include "manifest/ceilings.h"
#include "manifest/claims.h"
#include "manifest/volume_id.h"
#include "manifest/yaml_read.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/vm_directory.h"

static void check_error(const struct error *error)
{
    MUST(error->code == ERROR_INVALID);
    MUST(strncmp(error->why, "t:", 2) == 0 && error->why[2] >= '1' && error->why[2] <= '9');
}

static void check_notes(const struct notes *notes)
{
    size_t i;

    MUST(notes->count <= NOTES_MAX);
    for (i = 0; i < notes->count; i++)
        MUST(strncmp(notes->lines[i], "t:", 2) == 0 && strchr(notes->lines[i], '\n') == NULL);
}

/* Where it is looked for, there is nothing. */
static void check_file(const struct volume *volume)
{
    struct objects objects = OBJECTS_INIT(NULL);
    struct claims claims = {.objects = &objects, .empty_directory = "/run/vm"};
    struct error error = ERROR_INIT;
    char path[256];

    if (claims_find_file(&claims, volume, path, sizeof(path), &error) == 0)
        MUST(path[0] == '/' && strlen(path) < sizeof(path));
    else
        MUST(error.code == ERROR_BLOCKED && error.why[0] != '\0');
    if (volume->source == VOLUME_EMPTY_DISK)
        MUST(strchr(path + strlen("/run/vm/"), '/') == NULL);
    objects_free(&objects);
}

static void check_volume(const struct virtual_machine *vm, const struct volume *volume)
{
    char id[VOLUME_ID_MAX];

    MUST(vm_directory_check_name(volume->name, NULL) == 0);
    MUST(virtual_machine_find(vm, volume->name) == volume); /* names are unique */
    MUST(strlen(volume_id(VOLUME_HOTPLUGGABLE, volume->name, id)) < VOLUME_ID_MAX);
    MUST(volume->device != VOLUME_CDROM || volume->read_only);
    MUST((volume->source == VOLUME_REFUSED) == (volume->refusal != NULL));
    if (volume->source == VOLUME_NO_MEDIUM)
        MUST(volume->device == VOLUME_CDROM && volume->volume_path[0] == '\0');
    else
        check_file(volume);
    if (volume->source == VOLUME_CLAIM || volume->source == VOLUME_DATA_VOLUME ||
        volume->source == VOLUME_HOST_DISK)
        MUST(volume->source_name != NULL);
}

static void check_vm(const struct document *document, struct notes *notes)
{
    const struct cluster cluster = CLUSTER_INIT;
    struct error error = ERROR_INIT;
    struct virtual_machine vm;
    struct ceilings ceilings;
    size_t i;

    if (virtual_machine_read(&vm, document, true, notes, &error) < 0) {
        check_error(&error);
    } else {
        MUST(virtual_machine_vcpus(&vm) >= 1);
        MUST(virtual_machine_vcpus(&vm) <= VIRTUAL_MACHINE_SOCKETS_MAX);
        MUST((vm.memory.guest_bytes != 0) == (vm.memory.path != NULL));
        ceilings = ceilings_of(&vm, &cluster, vm.cpu.sockets, vm.memory.guest_bytes);
        MUST(vm.cpu.max_sockets != 0 || ceilings.sockets >= vm.cpu.sockets);
        MUST(vm.volumes_given || vm.volume_count == 0);
        for (i = 0; i < vm.volume_count; i++)
            check_volume(&vm, &vm.volumes[i]);
    }
    virtual_machine_free(&vm);
    (void)virtual_machine_read(&vm, document, false, notes, NULL); /* as a part of one */
    virtual_machine_free(&vm);
}

static void check_document(const struct document *document)
{
    struct cluster cluster = CLUSTER_INIT;
    struct error error = ERROR_INIT;
    struct notes notes = {.count = 0};
    const char *name = NULL;
    enum kind kind = KINDS_;

    if (kind_of(document, &kind, &name, &error) < 0) {
        check_error(&error);
        return;
    }
    MUST(kind < KINDS_ && (name == NULL || kind_check_name(kind, name, NULL) == 0));
    if (kind == KIND_VIRTUAL_MACHINE) {
        check_vm(document, &notes);
    } else if (kind == KIND_KUBEVIRT) {
        if (cluster_read(&cluster, document, &notes, &error) < 0)
            check_error(&error);
        else
            MUST(cluster.ratio >= 1 && cluster.max_sockets <= VIRTUAL_MACHINE_SOCKETS_MAX);
    } else if (claims_check(document, kind, &notes, &error) < 0) {
        check_error(&error);
    }
    check_notes(&notes);
    notes_free(&notes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct document_list list = {.count = 0};
    size_t i;

    (void)yaml_read(&list, "t", (const char *)data, size, NULL);
    for (i = 0; i < list.count && i < 5; i++)
        check_document(&list.items[i]);
    document_list_free(&list);
    return 0;
}
