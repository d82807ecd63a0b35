/* SPDX-License-Identifier: MIT */
#include "daemon/reboot_told.h"

#include "daemon/audit_log.h"
#include "daemon/device_told.h"
#include "daemon/log.h"

#define ACTION "reboot"

static int on_begin(void *user, size_t count, struct error *error)
{
    struct reboot_told *told = user;

    if (audit_log_add(told->daemon->audit_log, NULL, told->name, ACTION, AUDIT_LOG_BEGUN,
                      json_pack("{s:I}", "devices", (json_int_t)count), error) < 0)
        return -1;
    told->begun = true;
    return 0;
}

static void on_stage(void *user, const struct operation_result *so_far,
                     const struct operation_stage *stage)
{
    const struct reboot_told *told = user;

    device_told_stage(told->daemon, told->name, so_far, stage);
}

static void on_result(void *user, const struct operation_result *result)
{
    const struct reboot_told *told = user;

    device_told_result(told->daemon, told->name, result);
}

static void on_end(void *user, uint64_t count, const struct error *failure)
{
    struct reboot_told *told = user;

    if (told->begun)
        (void)audit_log_add(told->daemon->audit_log, NULL, told->name, ACTION,
                            failure == NULL ? "done" : "error", NULL, NULL);
    told->begun = false;
    if (failure != NULL) {
        log_error(LOG_LEVEL_WARNING, told->name, "what the guest's reboot left offline", failure);
        return;
    }
    log_line(LOG_LEVEL_INFO, told->name, "the guest has rebooted, and has online what it had",
             "changed", count > 0 ? "true" : "false", NULL);
    reconcile_request(told->reconcile, NULL);
}

struct reboot_observer reboot_told_observe(struct reboot_told *told)
{
    return (struct reboot_observer){.begin = on_begin,
                                    .stage = on_stage,
                                    .result = on_result,
                                    .end = on_end,
                                    .user = told};
}
