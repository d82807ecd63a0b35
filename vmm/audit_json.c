/* SPDX-License-Identifier: MIT */
#include "vmm/audit_json.h"

#include "qmp/codec.h"

static json_t *finding_json(const struct audit_finding *finding)
{
    return json_pack("{s:s, s:o, s:s, s:o, s:o}", "kind", audit_kind_name(finding->kind), "id",
                     codec_string(finding->id), "owner", finding->ours ? "vmplug" : "other",
                     "detail", codec_string(finding->detail), "action",
                     codec_string(finding->action));
}

json_t *audit_json(const struct audit *audit)
{
    json_t *findings = json_array(), *unseen = json_array();
    json_t *clean = json_boolean(audit->count == 0);
    size_t i;

    for (i = 0; i < audit->count; i++)
        (void)json_array_append_new(findings, finding_json(&audit->findings[i]));
    for (i = 0; i < audit->unseen_count; i++)
        (void)json_array_append_new(unseen,
                                    json_pack("{s:s, s:o}", "what", audit->unseen[i].what, "reason",
                                              codec_string(audit->unseen[i].reason)));
    if (audit->count == 0 && audit->unseen_count > 0)
        clean = json_null();
    return json_pack("{s:o, s:o, s:o}", "clean", clean, "findings", findings, "unseen", unseen);
}
