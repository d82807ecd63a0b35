/* SPDX-License-Identifier: MIT */
#include "cli/elsewhere.h"
#include "cli/manifest_run.h"

int manifest_run(struct invocation *invocation)
{
    return elsewhere_run(invocation,
                         invocation->options.api_socket != NULL ? REMOTE_PROGRAM
                                                                : MANIFEST_PROGRAM,
                         invocation->arguments);
}
