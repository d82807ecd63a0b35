/* SPDX-License-Identifier: MIT */
/* UEFI as distributions install it, and a copy of its variables for each VM. */
#ifndef MANIFEST_FIRMWARE_H
#define MANIFEST_FIRMWARE_H

#include <limits.h>
#include <stdbool.h>

#include "manifest/store.h"

struct firmware {
    const char *code;          /* a literal: the file with the program */
    const char *template;      /* … and with variables as they are at first */
    char variables[PATH_MAX];  /* the VM's own: firmware/NAME.fd in the store */
};

/* Finds UEFI for the architecture ("amd64", "arm64"). Nothing is made. Returns 0, or -1 with
 * ERROR_BLOCKED: it is not installed. */
int firmware_find(struct firmware *firmware, const char *architecture, bool secure_boot,
                  const struct store *store, const char *name, struct error *error);

/* Makes the VM's variables, unless it has some. Returns 0, or -1 with ERROR_SYSTEM. */
int firmware_make_variables(const struct firmware *firmware, struct store *store,
                            const char *name, struct error *error);

/* Takes the VM's variables away. Returns 0, also when there are none, or -1 with ERROR_SYSTEM. */
int firmware_remove_variables(struct store *store, const char *name, struct error *error);

#endif
