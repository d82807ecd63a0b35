/* SPDX-License-Identifier: MIT */
/*
 * Cloud Hypervisor's fields. What is read: a member that is missing or null is not set; one of
 * another type, or out of range, is ERROR_INVALID. What is written are new references, and what
 * this QEMU does not tell is null or left out.
 */
#ifndef DAEMON_CH_JSON_H
#define DAEMON_CH_JSON_H

#include "vmm/inventory.h"

/* Return 0, or -1 with ERROR_INVALID. *ret is untouched where nothing is set; a string is borrowed
 * from the body. ret_set may be NULL. */
int ch_json_read_number(const json_t *body, const char *key, uint64_t maximum, bool *ret_set,
                        uint64_t *ret, struct error *error);
int ch_json_read_bool(const json_t *body, const char *key, bool *ret, struct error *error);
int ch_json_read_string(const json_t *body, const char *key, const char **ret,
                        struct error *error);

/* The same, and nothing set is an error, too. */
int ch_json_need_string(const json_t *body, const char *key, const char **ret,
                        struct error *error);

json_t *ch_json_ping(void);

/* Rests on CH_JSON_INFO_PARTS. */
#define CH_JSON_INFO_PARTS                                                              \
    (INVENTORY_TYPE | INVENTORY_SLOTS | INVENTORY_MEMORY | INVENTORY_BALLOON | INVENTORY_DISKS)
json_t *ch_json_info(const struct inventory *inventory);

/* From the answer to query-blockstats. */
json_t *ch_json_counters(const json_t *stats);

/* A disk that was added, by the answer to query-pci, which may be NULL: id and, where it is told,
 * bdf, which is its own or that of the controller on whose bus it is. */
json_t *ch_json_device(const char *id, const char *bus, const json_t *pci);

#endif
