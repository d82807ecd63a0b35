/* SPDX-License-Identifier: MIT */
#include "manifest/claims.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define IMAGE "disk.img"
/* What each of them has there, and has to have: of that nothing is said. */
#define OF_A_CLUSTER "accessModes", "storageClassName", "volumeMode"
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- an object by itself ---- */

static void check_path(struct node source)
{
    struct node path = document_get(source, "path");
    const char *text;

    if (document_is_there(source) && document_require(path) && document_string(path, &text) &&
        text[0] != '/')
        document_refuse(path, "write the whole path, from / on", "it must be an absolute path");
}

int claims_check(const struct document *document, enum kind kind, struct notes *notes,
                 struct error *error)
{
    struct error problem = ERROR_INIT;
    struct node root = document_root(document, &problem), spec = document_get(root, "spec");
    const char *unused;

    notes_expect(notes, root, WORDS("apiVersion", "kind", "metadata", "spec", "status"));
    if (kind == KIND_CLAIM) {
        document_string(document_get(spec, "volumeName"), &unused);
        notes_expect(notes, spec, WORDS("volumeName", OF_A_CLUSTER, "resources"));
    } else if (kind == KIND_VOLUME) {
        document_string(document_get(document_get(spec, "claimRef"), "name"), &unused);
        check_path(document_get(spec, "hostPath"));
        check_path(document_get(spec, "local"));
        notes_expect(notes, spec, WORDS("claimRef", "hostPath", "local", OF_A_CLUSTER, "capacity",
                                        "nodeAffinity", "persistentVolumeReclaimPolicy"));
    } else {
        (void)document_is_object(spec);
        notes_expect(notes, spec, WORDS("pvc", "source", "sourceRef", "storage"));
    }
    if (problem.code == ERROR_NONE)
        return 0;
    if (error != NULL)
        *error = problem;
    return -1;
}

/* ---- from one to the other ---- */

static const json_t *spec_of(const json_t *object)
{
    return json_object_get(object, "spec");
}

/* The volume says whose it is. */
static const json_t *find_by_reference(const json_t *volumes, const char *claim)
{
    const char *name;
    json_t *volume;

    json_object_foreach((json_t *)volumes, name, volume) {
        if (strcmp(field_string(json_object_get(spec_of(volume), "claimRef"), "name", ""),
                   claim) == 0)
            return volume;
    }
    return NULL;
}

static int cut(int length, size_t size, const char *path, struct error *error)
{
    if (length >= 0 && (size_t)length < size)
        return 0;
    return error_set(error, ERROR_BLOCKED, "", "the path %.80s… is too long", path);
}

static int take_path(const json_t *volume, const char *claim, char *path, size_t size,
                     struct error *error)
{
    const json_t *spec = spec_of(volume);
    const char *from = field_string(json_object_get(spec, "hostPath"), "path", "");
    struct stat status;
    bool directory;

    if (*from == '\0')
        from = field_string(json_object_get(spec, "local"), "path", "");
    if (*from != '/')
        return error_set(error, ERROR_BLOCKED, "give it spec.hostPath.path or spec.local.path",
                         "the PersistentVolume of the claim '%.63s' has no path on this host",
                         claim);
    directory = stat(from, &status) == 0 && S_ISDIR(status.st_mode);
    return cut(snprintf(path, size, "%s%s", from, directory ? "/" IMAGE : ""), size, from, error);
}

static int follow_claim(struct claims *claims, const char *name, char *path, size_t size,
                        struct error *error)
{
    const json_t *claim = NULL, *volume = NULL, *volumes = NULL;
    const char *bound;

    if (objects_find(claims->objects, KIND_CLAIM, name, &claim, error) < 0)
        return -1;
    bound = field_string(spec_of(claim), "volumeName", "");
    if ((*bound != '\0' ? objects_find(claims->objects, KIND_VOLUME, bound, &volume, error)
                        : objects_list(claims->objects, KIND_VOLUME, &volumes, error)) < 0)
        return -1;
    if (*bound == '\0')
        volume = find_by_reference(volumes, name);
    if (volume != NULL)
        return take_path(volume, name, path, size, error);
    if (claim == NULL)
        (void)error_set(error, ERROR_BLOCKED, "", "there is no PersistentVolumeClaim '%.63s'",
                        name);
    else if (*bound != '\0')
        (void)error_set(error, ERROR_BLOCKED, "",
                        "the claim '%.63s' is bound to '%.63s', and there is no such "
                        "PersistentVolume", name, bound);
    else
        (void)error_set(error, ERROR_BLOCKED, "", "the claim '%.63s' is bound to no volume", name);
    error_advise(error, "apply a PersistentVolume with spec.hostPath.path, and a "
                        "PersistentVolumeClaim '%.63s' that names it in spec.volumeName", name);
    return -1;
}

int claims_find_file(struct claims *claims, const struct volume *volume, char *path, size_t size,
                     struct error *error)
{
    switch (volume->source) {
    case VOLUME_CLAIM:
    case VOLUME_DATA_VOLUME:
        return follow_claim(claims, volume->source_name, path, size, error);
    case VOLUME_HOST_DISK:
        return cut(snprintf(path, size, "%s", volume->source_name), size, volume->source_name,
                   error);
    case VOLUME_EMPTY_DISK:
        if (claims->empty_directory == NULL)
            return error_set(error, ERROR_BLOCKED, "use a hostDisk or a claim",
                             "an emptyDisk lives as long as a VM that vmplug launched");
        return cut(snprintf(path, size, "%s/%s.img", claims->empty_directory, volume->name), size,
                   volume->name, error);
    default:
        return error_set(error, ERROR_BLOCKED,
                         "use a hostDisk, a persistentVolumeClaim, a dataVolume or an emptyDisk",
                         "a volume of kind %.40s needs a cluster to provide it",
                         volume->refusal != NULL ? volume->refusal : "?");
    }
}
