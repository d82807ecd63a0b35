/* SPDX-License-Identifier: MIT */
#include "vmm/doctor_json.h"

#include "qmp/codec.h"

static json_t *check_json(const struct doctor_check *check)
{
    return json_pack("{s:o, s:s, s:o, s:o}", "name", codec_string(check->name), "result",
                     doctor_result_name(check->result), "reason", codec_string(check->reason),
                     "fix", check->fix[0] != '\0' ? codec_string(check->fix) : json_null());
}

json_t *doctor_json(const struct doctor *doctor, unsigned cans)
{
    json_t *can = json_object(), *checks = json_array();
    unsigned i;

    for (i = 0; i < DOCTOR_CANS_; i++) {
        if ((cans & DOCTOR_BIT(i)) != 0)
            (void)json_object_set_new(can, doctor_can_name((enum doctor_can)i),
                                      doctor->can[i] == DOCTOR_UNKNOWN
                                          ? json_null()
                                          : json_boolean(doctor->can[i] == DOCTOR_YES));
    }
    for (i = 0; i < doctor->count; i++) {
        if (doctor_concerns(&doctor->checks[i], cans))
            (void)json_array_append_new(checks, check_json(&doctor->checks[i]));
    }
    return json_pack("{s:o, s:o}", "can", can, "checks", checks);
}
