/* SPDX-License-Identifier: MIT */
/* Operations as clients of /v1 ask for them, in JSON: refused with the place, or within all bounds,
 * with all that they name; and one more member, which no operation has, is always refused. */
#include "base/cleanup.h"
#include "daemon/v1_change.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "tests/fuzz/fuzz.h"

static void check_texts(const char *const *texts, uint64_t count)
{
    uint64_t i;

    for (i = 0; texts != NULL && i < count; i++)
        MUST(texts[i] != NULL && texts[i][0] != '\0');
}

static void check(const struct v1_change *change)
{
    const struct batch_request *request = &change->request;
    const struct operation_request *each = &request->each;

    MUST(each->type < OPERATION_TYPES_ && request->goal != BATCH_LIST);
    MUST(each->timeout_ms >= 1 && each->timeout_ms <= V1_CHANGE_MS);
    MUST(request->goal != BATCH_COUNT ||
         (request->count >= 1 && request->count <= V1_CHANGE_COUNT));
    MUST(request->goal != BATCH_CPUS ||
         (request->target >= 1 && request->target <= V1_CHANGE_COUNT));
    MUST(request->ids == NULL || request->files == NULL);
    MUST(each->type != OPERATION_DISK_ADD || request->files != NULL);
    MUST(each->type != OPERATION_CDROM_INSERT || each->disk.file != NULL);
    MUST(each->dimm.backend != BACKEND_FILE || each->dimm.backend_path != NULL);
    MUST(change->resume == NULL || each->resume);
    check_texts(request->ids, request->count);
    check_texts(request->files, request->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct script script = {.at = data, .size = size};
    AUTO_FREE char *text = script_text(&script);
    AUTO_JSON json_t *object = text != NULL ? codec_parse(text, NULL) : NULL;
    struct error error = ERROR_INIT;
    struct v1_change *change;

    if (object == NULL)
        return 0;
    change = v1_change_read(object, 1000, &error);
    MUST((change == NULL) == (error.code == ERROR_INVALID));
    if (change == NULL) {
        MUST(strncmp(error.why, "the body: ", strlen("the body: ")) == 0);
        return 0;
    }
    check(change);
    v1_change_free(change);
    MUST(json_object_set_new(object, "strange", json_null()) == 0);
    MUST(v1_change_read(object, 1000, NULL) == NULL);
    return 0;
}
