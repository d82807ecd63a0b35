/* SPDX-License-Identifier: MIT */
/*
 * Cloud Hypervisor's API (vmm/src/api/openapi/cloud-hypervisor.yaml of that project) for one VM:
 * what is asked for, whether it is well-formed, and who does it. Its rules: exact paths; GET for
 * vmm.ping, vm.info and vm.counters, PUT for all else; a body where one is needed and nowhere else;
 * unknown members are ignored. An error's body is an array of strings, outermost first.
 *
 * To look takes a viewer of the VM, and to change it an operator; who may not, or asks for what a
 * feature gate switches off (daemon/gate.h), is answered 403.
 */
#ifndef DAEMON_CH_API_H
#define DAEMON_CH_API_H

#include "daemon/ch_job.h"

#define CH_API_SERVER "Cloud Hypervisor API" /* header Server */

/* Takes a request: user is the struct ch_api (struct http_server_options.handle). */
void ch_api_handle(void *user, struct http_request *request);

#endif
