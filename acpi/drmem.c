/* SPDX-License-Identifier: MIT */
#include "acpi/drmem.h"

#include <endian.h>
#include <string.h>

#define ASSIGNED 0x8u

/* LMBs in a row that have the same flags; as the property has it, in big-endian cells. */
struct lmb_set {
    uint32_t count;
    uint32_t addr_high, addr_low;
    uint32_t drc_index;
    uint32_t associativity_index;
    uint32_t flags;
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

enum drmem_answer drmem_is_assigned(const void *list, size_t size_bytes, uint64_t lmb_bytes,
                                    uint64_t addr, uint64_t bytes)
{
    uint64_t first, end, covered = 0;
    struct lmb_set set;
    uint32_t count, i;

    if (size_bytes < sizeof(count) || lmb_bytes == 0 || bytes > UINT64_MAX - addr)
        return DRMEM_UNKNOWN;
    memcpy(&count, list, sizeof(count));
    count = be32toh(count);
    if (count > (size_bytes - sizeof(count)) / sizeof(set))
        return DRMEM_UNKNOWN;
    for (i = 0; i < count; i++) {
        memcpy(&set, (const char *)list + sizeof(count) + i * sizeof(set), sizeof(set));
        first = (uint64_t)be32toh(set.addr_high) << 32 | be32toh(set.addr_low);
        if (be32toh(set.count) > (UINT64_MAX - first) / lmb_bytes)
            return DRMEM_UNKNOWN;
        end = smaller(first + be32toh(set.count) * lmb_bytes, addr + bytes);
        first = larger(first, addr);
        if ((be32toh(set.flags) & ASSIGNED) != 0 && end > first)
            covered += end - first;
    }
    return covered >= bytes ? DRMEM_ASSIGNED : DRMEM_NOT_ASSIGNED;
}
