/* SPDX-License-Identifier: MIT */
/* What came of each vmplug on a board, for scripts/boards-table. */
#ifndef TESTS_LIVE_RESULTS_H
#define TESTS_LIVE_RESULTS_H

#include "tests/live/harness.h"

/* Appends a line to the file that VMPLUG_LIVE_RESULTS names, if it does and vm->board is set and
 * the run has a verdict:
 *
 *   BOARD TAB VERSION-OF-QEMU TAB agent|- TAB VERDICT TAB STAGE,STAGE… TAB ARGUMENT ARGUMENT …
 *
 * Call it before the VM's end. */
void results_note(const struct harness_vm *vm, const char *const *arguments,
                  const struct harness_run *run);

#endif
