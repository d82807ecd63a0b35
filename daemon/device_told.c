/* SPDX-License-Identifier: MIT */
#include "daemon/device_told.h"

#include "daemon/event_log.h"
#include "daemon/metrics.h"
#include "qmp/codec.h"
#include "vmm/result_json.h"

void device_told_stage(const struct daemon *daemon, const char *vm,
                       const struct operation_result *so_far, const struct operation_stage *stage)
{
    event_log_add(daemon->events, EVENT_STAGE, vm,
                  json_pack("{s:s, s:o, s:s, s:o}", "operation", so_far->operation, "id",
                            codec_string(so_far->id), "stage",
                            operation_rung_name(so_far, stage->rung), "ms",
                            result_json_ms(stage->ms)));
}

void device_told_result(const struct daemon *daemon, const char *vm,
                        const struct operation_result *result)
{
    event_log_add(daemon->events, EVENT_RESULT, vm, result_json_operation(result));
    metrics_operation(daemon->metrics, result);
}
