/* SPDX-License-Identifier: MIT */
/* vmplug: vCPUs, memory and disks for a running QEMU, and the proof that the guest has them. */
#include "cli/invocation.h"

int main(int argc, char **argv)
{
    return invocation_main(command_groups, argc, argv);
}
