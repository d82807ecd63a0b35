/* SPDX-License-Identifier: MIT */
/* What each endpoint does, once its request has been read as JSON. */
#ifndef DAEMON_CH_ENDPOINTS_H
#define DAEMON_CH_ENDPOINTS_H

#include "daemon/ch_job.h"

void ch_resize_run(struct ch_job *job);
void ch_disk_add(struct ch_job *job);
void ch_disk_resize(struct ch_job *job);
void ch_disk_remove(struct ch_job *job);
void ch_vm_pause(struct ch_job *job);
void ch_vm_resume(struct ch_job *job);
void ch_vm_info(struct ch_job *job);
void ch_vm_counters(struct ch_job *job);

#endif
