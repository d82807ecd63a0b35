/* SPDX-License-Identifier: MIT */
/* The options of vmplug-fake-qemu, and the traits of its guest. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "tests/fake/fake_qemu.h"

#define BASE_MAX (3 * SIM_GIB)

/* ---- values ---- */

static const char *take_count(const char *value, unsigned max, unsigned *ret_count)
{
    char *end;
    unsigned long count;

    errno = 0;
    count = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0' || errno != 0 || count > max)
        return "no number, or too large";
    *ret_count = (unsigned)count;
    return NULL;
}

static const char *take_ms(const char *value, double *ret_ms)
{
    char *end;

    *ret_ms = strtod(value, &end);
    return *value != '\0' && *end == '\0' && *ret_ms >= 0 ? NULL : "no number of milliseconds";
}

static const char *take_size(const char *value, uint64_t *ret_bytes)
{
    if (size_parse(value, ret_bytes, NULL) < 0 || *ret_bytes % (128 * SIM_MIB) != 0)
        return "no multiple of 128M";
    return *ret_bytes <= SIM_BLOCKS_MAX * 128 * SIM_MIB ? NULL : "more than 64G";
}

/* Cuts ID=VALUE at the =, into a copy. Returns the value, or NULL when there is none. */
static const char *cut(const char *text, char id[64])
{
    const char *value = strchr(text, '=');

    (void)snprintf(id, 64, "%.*s", value != NULL ? (int)(value - text) : 63, text);
    return value != NULL ? value + 1 : NULL;
}

/* ---- the machine ---- */

static const char *take_qmp(struct fake_qemu *self, const char *value)
{
    self->qmp = value;
    return NULL;
}

static const char *take_agent(struct fake_qemu *self, const char *value)
{
    self->agent = value;
    return NULL;
}

static const char *take_qemu(struct fake_qemu *self, const char *value)
{
    if (strcmp(value, "7.2") != 0 && strcmp(value, "10.0") != 0)
        return "neither 7.2 nor 10.0";
    self->major = value[0] == '7' ? 7 : 10;
    return NULL;
}

static const char *take_accel(struct fake_qemu *self, const char *value)
{
    self->kvm = strcmp(value, "kvm") == 0;
    return self->kvm || strcmp(value, "tcg") == 0 ? NULL : "neither tcg nor kvm";
}

static const char *take_cpus(struct fake_qemu *self, const char *value)
{
    return take_count(value, SIM_CPUS_MAX, &self->cpus);
}

static const char *take_max_cpus(struct fake_qemu *self, const char *value)
{
    return take_count(value, SIM_CPUS_MAX, &self->max_cpus);
}

static const char *take_memory(struct fake_qemu *self, const char *value)
{
    const char *wrong = take_size(value, &self->base_bytes);

    return wrong == NULL && self->base_bytes > BASE_MAX ? "more than 3G" : wrong;
}

static const char *take_max_memory(struct fake_qemu *self, const char *value)
{
    return take_size(value, &self->max_bytes);
}

static const char *take_slots(struct fake_qemu *self, const char *value)
{
    return take_count(value, SIM_DIMMS_MAX, &self->slots);
}

/* ---- what is in it ---- */

static const char *take_cpu(struct fake_qemu *self, const char *value)
{
    unsigned i;

    for (i = 0; i < self->sim->cpu_count && self->sim->cpus[i].present; i++)
        ;
    if (i == self->sim->cpu_count)
        return "one vCPU too many";
    sim_put_cpu(self->sim, value);
    return NULL;
}

static const char *take_dimm(struct fake_qemu *self, const char *value)
{
    uint64_t bytes, addr = SIM_DIMM_BASE;
    const char *size, *wrong;
    char id[64];
    unsigned i;

    size = cut(value, id);
    if (size == NULL)
        return "not ID=SIZE";
    wrong = take_size(size, &bytes);
    for (i = 0; i < self->sim->dimm_count; i++)
        addr += self->sim->dimms[i].bytes;
    if (wrong != NULL)
        return wrong;
    if (i == self->sim->slots ||
        self->sim->base_bytes + addr - SIM_DIMM_BASE + bytes > self->sim->max_bytes)
        return "more than --slots or --max-memory";
    sim_put_dimm(self->sim, id, addr, bytes);
    return NULL;
}

static const char *take_disk(struct fake_qemu *self, const char *value)
{
    const char *serial;
    char id[64];

    serial = cut(value, id);
    if (self->sim->disk_count == SIM_NODES_MAX)
        return "one disk too many";
    sim_put_disk(self->sim, id, serial != NULL ? serial : "", self->sim->disk_count);
    return NULL;
}

static const char *take_cdrom(struct fake_qemu *self, const char *value)
{
    struct sim_cdrom *drive = &self->sim->cdroms[self->sim->cdrom_count];
    bool locked = drive->locked;
    const char *file;
    char id[64];

    file = cut(value, id);
    if (self->sim->cdrom_count == SIM_CDROMS_MAX || self->sim->disk_count == SIM_NODES_MAX)
        return "one drive too many";
    sim_put_cdrom(self->sim, id, file);
    drive->locked = locked;
    return NULL;
}

static const char *take_port(struct fake_qemu *self, const char *value)
{
    char path[128];

    if (self->sim->port_count == SIM_PORTS_MAX)
        return "one port too many";
    (void)snprintf(path, sizeof(path), "/machine/peripheral/%.60s", value);
    (void)sim_put_port(self->sim, "pcie-root-port", path, value);
    return NULL;
}

/* ---- the guest ---- */

/* SOURCE/STATUS,… in C's bases. */
static const char *take_osts(const char *value, struct sim_ost osts[SIM_OST_MAX],
                             unsigned *ret_count)
{
    unsigned source, status;
    int used;

    for (*ret_count = 0; *ret_count < SIM_OST_MAX; value += used + 1) {
        used = 0;
        if (sscanf(value, "%i/%i%n", (int *)&source, (int *)&status, &used) != 2 || used == 0)
            return "not SOURCE/STATUS";
        osts[(*ret_count)++] = (struct sim_ost){source, status};
        if (value[used] != ',')
            return value[used] == '\0' ? NULL : "not SOURCE/STATUS,SOURCE/STATUS";
    }
    return "more answers than four";
}

static const char *take_adds(struct fake_qemu *self, const char *value)
{
    return take_osts(value, self->sim->guest.ost, &self->sim->guest.ost_count);
}

static const char *take_removes(struct fake_qemu *self, const char *value)
{
    return take_osts(value, self->sim->guest.eject, &self->sim->guest.eject_count);
}

static const char *take_ost_ms(struct fake_qemu *self, const char *value)
{
    return take_ms(value, &self->ost_ms);
}

static const char *take_online_ms(struct fake_qemu *self, const char *value)
{
    return take_ms(value, &self->online_ms);
}

static const char *take_response(struct fake_qemu *self, const char *value)
{
    self->sim->guest.block_response = value;
    return NULL;
}

static const char *take_disabled(struct fake_qemu *self, const char *value)
{
    sim_disable(self->sim, value);
    return NULL;
}

static const char *take_hang(struct fake_qemu *self, const char *value)
{
    (void)value;
    self->sim->agent_hangs = true;
    return NULL;
}

static const char *take_no_ost(struct fake_qemu *self, const char *value)
{
    (void)value;
    self->sim->has_ost = false;
    return NULL;
}

static const char *take_locks(struct fake_qemu *self, const char *value)
{
    unsigned i;

    (void)value;
    for (i = 0; i < SIM_CDROMS_MAX; i++)
        self->sim->cdroms[i].locked = true;
    return NULL;
}

/* A word that only sets a flag of the guest. */
#define TRAIT(function, member, flag)                                             \
    static const char *function(struct fake_qemu *self, const char *value)        \
    {                                                                             \
        (void)value;                                                              \
        self->sim->guest.member = flag;                                           \
        return NULL;                                                              \
    }

TRAIT(take_ignores_adds, ignores, true)
TRAIT(take_ignores_removes, ignores_eject, true)
TRAIT(take_onlines, onlines, true)
TRAIT(take_pretends, set_does_nothing, true)
TRAIT(take_keeps_showing, keeps_showing, true)
TRAIT(take_no_serials, tells_serials, false)
TRAIT(take_no_vpd, has_vpd, false)
TRAIT(take_no_drives, has_no_drives, true)
TRAIT(take_opens_trays, opens_trays, true)

const struct fake_qemu_word fake_qemu_traits[] = {
    {"adds", "OST", "answers so to an addition: SOURCE/STATUS[,SOURCE/STATUS...]; by default 1/0",
     true, take_adds},
    {"removes", "OST", "answers so to a removal; the last decides; by default 3/0x84,3/0", true,
     take_removes},
    {"ost-delay", "MS", "takes so long for each of these answers; by default 50", true,
     take_ost_ms},
    {"online-delay", "MS", "takes so long to put vCPUs online; by default 150", true,
     take_online_ms},
    {"ignores-adds", "", "never shows what was plugged in", true, take_ignores_adds},
    {"ignores-removes", "", "never answers to a removal", true, take_ignores_removes},
    {"onlines", "", "puts all online by itself", true, take_onlines},
    {"pretends", "", "says that it put things online, and does not", true, take_pretends},
    {"keeps-showing", "", "still shows what QEMU has taken away", true, take_keeps_showing},
    {"block-response", "WORD", "answers so for each memory block: not-found, operation-failed, ...",
     true, take_response},
    {"no-ost", "", "is on a board that relays no _OST", true, take_no_ost},
    {"no-serials", "", "has an agent that does not tell disks' serial numbers", true,
     take_no_serials},
    {"no-vpd", "", "has no vpd_pg80 of disks in its sysfs", true, take_no_vpd},
    {"no-drives", "", "has no driver for CD-ROM drives", true, take_no_drives},
    {"locks-trays", "", "has locked the trays of all CD-ROM drives", true, take_locks},
    {"opens-trays", "", "opens a locked tray when it is asked to", true, take_opens_trays},
    {"agent-hangs", "", "has an agent that never answers", true, take_hang},
    {"disabled", "COMMAND", "has an agent that may not do this", true, take_disabled},
};
const size_t fake_qemu_trait_count = COUNT_OF(fake_qemu_traits);

static const char *take_trait(struct fake_qemu *self, const char *value)
{
    const struct fake_qemu_word *trait;
    const char *argument;
    char name[64];

    argument = cut(value, name);
    for (trait = fake_qemu_traits; trait < fake_qemu_traits + fake_qemu_trait_count; trait++) {
        if (strcmp(trait->name, name) != 0)
            continue;
        if ((argument != NULL) != (trait->argument[0] != '\0'))
            return argument != NULL ? "takes no value" : "wants a value: NAME=VALUE";
        return trait->take(self, argument);
    }
    return "no guest is like that";
}

/* ---- faults, and the process ---- */

static const char *take_fault(struct fake_qemu *self, const char *value)
{
    static struct error error;

    return fault_add_line(&self->sim->faults, value, &error) < 0 ? error.why : NULL;
}

static const char *take_script(struct fake_qemu *self, const char *value)
{
    const char *wrong = NULL;
    size_t room = 0;
    char *line = NULL;
    FILE *script = fopen(value, "re");

    if (script == NULL)
        return strerror(errno);
    while (wrong == NULL && getline(&line, &room, script) > 0)
        wrong = take_fault(self, line);
    free(line);
    fclose(script);
    return wrong;
}

static const char *take_state(struct fake_qemu *self, const char *value)
{
    self->state = value;
    return NULL;
}

static const char *take_replay(struct fake_qemu *self, const char *value)
{
    self->replay = value;
    return NULL;
}

static const char *take_daemonize(struct fake_qemu *self, const char *value)
{
    (void)value;
    self->daemonize = true;
    return NULL;
}

static const char *take_pidfile(struct fake_qemu *self, const char *value)
{
    self->pidfile = value;
    return NULL;
}

const struct fake_qemu_word fake_qemu_options[] = {
    {"qmp", "PATH", "listen here as QEMU's monitor", false, take_qmp},
    {"agent", "PATH", "listen here as the guest's agent; without it there is none", false,
     take_agent},
    {"qemu", "VERSION", "be QEMU 7.2 or 10.0; by default 7.2", false, take_qemu},
    {"accel", "NAME", "be under tcg or kvm; by default tcg", false, take_accel},
    {"cpus", "N", "vCPUs at the beginning; by default 2", false, take_cpus},
    {"max-cpus", "N", "vCPUs at most; by default 4", false, take_max_cpus},
    {"memory", "SIZE", "memory at the beginning; by default 256M", false, take_memory},
    {"max-memory", "SIZE", "memory at most; by default 4G", false, take_max_memory},
    {"slots", "N", "slots for DIMMs; by default 4", false, take_slots},
    {"cpu", "ID", "have this vCPU plugged in; may be repeated, like all up to --fault-script", true,
     take_cpu},
    {"dimm", "ID=SIZE", "have this DIMM plugged in", true, take_dimm},
    {"disk", "ID[=SERIAL]", "have this disk on the virtio-scsi bus, scsi0.0", true, take_disk},
    {"cdrom", "ID[=FILE]", "have this CD-ROM drive, with this medium", true, take_cdrom},
    {"port", "ID", "have this pcie-root-port, for a virtio-mem or virtio-blk", true, take_port},
    {"guest", "TRAIT", "have a guest that is like this; see GUEST", true, take_trait},
    {"fault", "FAULT", "let this go wrong; see FAULTS", true, take_fault},
    {"fault-script", "FILE", "let all this go wrong, a fault a line", true, take_script},
    {"state", "FILE", "keep this file saying what QEMU holds and the guest has, as JSON", false,
     take_state},
    {"replay", "FILE", "say what QEMU and the agent say in this trace; see REPLAY", false,
     take_replay},
    {"daemonize", "", "go into the background, and return when the sockets listen", false,
     take_daemonize},
    {"pidfile", "FILE", "write the process id here", false, take_pidfile},
};
const size_t fake_qemu_option_count = COUNT_OF(fake_qemu_options);
