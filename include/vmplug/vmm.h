/* SPDX-License-Identifier: MIT */
/*
 * One running VM: look at it, and add, remove or change its vCPUs, memory and disks, until the
 * guest has them. What this says is what the command says, and the JSON is the command's (see
 * vmplug(1)).
 *
 * Each action comes twice: as an operation that a loop drives (vmplug_operation_start()), and as a
 * call that returns when it has ended (vmplug_cpu_add(), …).
 */
#ifndef VMPLUG_VMM_H
#define VMPLUG_VMM_H

#include "vmplug/agent.h"
#include "vmplug/qmp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- one VM ---- */

struct vmplug_vm_options {
    size_t struct_bytes;    /* sizeof(struct vmplug_vm_options) */
    const char *qmp_path;   /* the monitor's socket; NULL: the connected socket qmp_fd */
    const char *agent_path; /* the agent's; NULL: agent_fd, or no agent when that is 0 */
    int qmp_fd;             /* taken over, and closed if opening fails, too; likewise: */
    int agent_fd;
    double greeting_timeout_ms; /* 0: 5000 */
    /* Where requests that stand are recorded, as the one thing that QEMU can't be asked. NULL:
     * where the command keeps them, so that `vmplug wait` finds them; "": nowhere. */
    const char *runtime_dir;
    vmplug_trace_fn *trace;
    void *trace_user;
    /* QEMU's process, which names that record. 0: the one that made the socket (vmplug_qmp_peer());
     * where qmp_fd is a socketpair(2) of this program's own, that is not QEMU, and without the
     * process nothing is recorded. */
    int qemu_pid;
};

struct vmplug_vm;

/* Opens both connections, without waiting. An agent's socket that can't be reached is an absent
 * agent, not a failure. NULL with VMPLUG_ERROR_CONNECT or _SYSTEM. */
VMPLUG_API struct vmplug_vm *vmplug_vm_open(const struct vmplug_vm_options *options,
                                            struct vmplug_error *error);

/* After its operations and looks have ended or been freed; not in a callback. Commands of the
 * program's own that are pending end with VMPLUG_ERROR_CANCELLED, from in here. NULL is allowed. */
VMPLUG_API void vmplug_vm_free(struct vmplug_vm *vm);

/* Writes the pumps to drive, at most VMPLUG_VM_PUMPS_MAX, and returns how many. They stay the same
 * as long as the VM is open. Borrowed. */
enum { VMPLUG_VM_PUMPS_MAX = 3 };
VMPLUG_API size_t vmplug_vm_pumps(struct vmplug_vm *vm,
                                  struct vmplug_pump *pumps[VMPLUG_VM_PUMPS_MAX]);

/* Its QMP session, for commands and events of the program's own. Borrowed: not to be freed or
 * released. */
VMPLUG_API struct vmplug_qmp *vmplug_vm_qmp(struct vmplug_vm *vm);

/* Its session with the agent, likewise; NULL when none is connected. Borrowed. */
VMPLUG_API struct vmplug_agent *vmplug_vm_agent(struct vmplug_vm *vm);

/* ---- to look ---- */

enum vmplug_look_kind {
    VMPLUG_LOOK_STATUS = 0, /* `vmplug status --json` */
    VMPLUG_LOOK_DOCTOR = 1, /* `vmplug doctor --json` */
    VMPLUG_LOOK_AUDIT = 2   /* `vmplug audit --json` */
};

struct vmplug_look;

/* json is borrowed; NULL with *error when QEMU could not be asked. */
typedef void vmplug_look_fn(void *user, const char *json, const struct vmplug_error *error);

/* Asks QEMU and the agent. done fires from the pump, once, within timeout_ms (0: 60000); the look
 * is over and its handle gone when it returns. kind is an enum vmplug_look_kind. NULL with
 * VMPLUG_ERROR_INVALID or _SYSTEM. */
VMPLUG_API struct vmplug_look *vmplug_look_start(struct vmplug_vm *vm, int kind, double timeout_ms,
                                                 vmplug_look_fn *done, void *user,
                                                 struct vmplug_error *error);

/* done will not fire. Only before it did. */
VMPLUG_API void vmplug_look_cancel(struct vmplug_look *look);

/* The same, waited for. Text to be freed with vmplug_text_free(), or NULL with any error. */
VMPLUG_API char *vmplug_status(struct vmplug_vm *vm, double timeout_ms, struct vmplug_error *error);
VMPLUG_API char *vmplug_doctor(struct vmplug_vm *vm, double timeout_ms, struct vmplug_error *error);
VMPLUG_API char *vmplug_audit(struct vmplug_vm *vm, double timeout_ms, struct vmplug_error *error);

/* ---- to act ---- */

enum vmplug_action {
    VMPLUG_CPU_ADD = 0,       /* count vCPUs more */
    VMPLUG_CPU_SET = 1,       /* count vCPUs in all, up or down */
    VMPLUG_CPU_REMOVE = 2,    /* those in names: ids, or slots' numbers */
    VMPLUG_MEMORY_ADD = 3,    /* bytes more, as a DIMM or a virtio-mem */
    VMPLUG_MEMORY_SET = 4,    /* bytes in all, up or down */
    VMPLUG_MEMORY_RESIZE = 5, /* the virtio-mem that names has, to bytes */
    VMPLUG_MEMORY_REMOVE = 6, /* the DIMMs in names */
    VMPLUG_DISK_ADD = 7,      /* the files in names, or NBD URIs */
    VMPLUG_DISK_REMOVE = 8,   /* the disks in names */
    VMPLUG_DISK_RESIZE = 9,   /* the disk that names has, to bytes */
    VMPLUG_DISK_THROTTLE = 10, /* the disk that names has, to iops and bps */
    VMPLUG_CDROM_INSERT = 11, /* file, into the drive that names has */
    VMPLUG_CDROM_EJECT = 12,  /* the medium of the drive that names has */
    VMPLUG_WAIT = 13         /* the request for the device that names has is taken up again */
};

/* How far to go before a success is reported. */
enum vmplug_level {
    VMPLUG_LEVEL_HIGHEST = 0, /* as far as this VM can prove */
    VMPLUG_LEVEL_ACCEPTED = 1,
    VMPLUG_LEVEL_REALIZED = 2,
    VMPLUG_LEVEL_ACKNOWLEDGED = 3,
    VMPLUG_LEVEL_ONLINE = 4
};

/* "accepted", "realized", …; "" for VMPLUG_LEVEL_HIGHEST and for a number that is no level. */
VMPLUG_API const char *vmplug_level_name(int level);

enum vmplug_backend {
    VMPLUG_BACKEND_RAM = 0,
    VMPLUG_BACKEND_MEMFD = 1,
    VMPLUG_BACKEND_FILE = 2 /* file is its absolute path */
};

/* What to do. Set struct_bytes and action and leave 0 what does not matter. All strings are copied
 * when the operation starts. */
struct vmplug_request {
    size_t struct_bytes; /* sizeof(struct vmplug_request) */
    int action;          /* enum vmplug_action */
    int level;           /* enum vmplug_level */
    double timeout_ms;   /* of each device; 0: 60000 */
    uint64_t count;
    uint64_t bytes;
    const char *const *names;
    size_t name_count;
    const char *id; /* of what is added; NULL: the next free vmplug-… id */
    const char *file;
    int force;   /* do what is blocked as dangerous, and only that */
    int atomic;  /* when one of several fails, take back those that were added */
    int dry_run; /* plan only; the result's JSON tells what would be sent */
    /* memory */
    int virtio_mem;
    int backend; /* enum vmplug_backend */
    int hugepages;
    int movable; /* online it so that it can be taken back */
    int node_set;
    unsigned node;
    /* disks and media */
    const char *format; /* NULL: found by the file's name and content */
    const char *serial;
    const char *bus;
    int lun_set;
    unsigned lun;
    int read_only;
    int iops_set, bps_set;
    uint64_t iops, bps; /* 0: no limit */
};

/* The first four are levels, and successes when they were asked for. See vmplug(1). */
enum vmplug_verdict {
    VMPLUG_ACCEPTED = 0,
    VMPLUG_REALIZED = 1,
    VMPLUG_ACKNOWLEDGED = 2,
    VMPLUG_ONLINE = 3,
    VMPLUG_REMOVED = 4,
    VMPLUG_DONE = 5,
    VMPLUG_UNCONFIRMED = 6,
    VMPLUG_REJECTED = 7,
    VMPLUG_REFUSED = 8,
    VMPLUG_PENDING = 9,
    VMPLUG_BLOCKED = 10,
    VMPLUG_UNPROVEN = 11,
    VMPLUG_LOST = 12,
    VMPLUG_PARTIAL = 13,
    VMPLUG_INTERRUPTED = 14,
    VMPLUG_FAILED = 15 /* "error" */
};

/* "online", "refused", …; "error" for a number that is none of the above. */
VMPLUG_API const char *vmplug_verdict_name(int verdict);

/* Not 0 for VMPLUG_ACCEPTED to VMPLUG_UNCONFIRMED. */
VMPLUG_API int vmplug_verdict_is_success(int verdict);

/* How one device, or the whole, stands. It lives as long as the callback that is given it. */
struct vmplug_result;

VMPLUG_API int vmplug_result_verdict(const struct vmplug_result *result);

/* The device's; "" when none was chosen yet, and of the whole. Borrowed. */
VMPLUG_API const char *vmplug_result_id(const struct vmplug_result *result);

/* The highest level that was reached so far, an enum vmplug_level; 0: none. */
VMPLUG_API int vmplug_result_level(const struct vmplug_result *result);

/* Devices that were asked for, and those that succeeded; of one device 1, and 0 or 1. */
VMPLUG_API uint64_t vmplug_result_asked(const struct vmplug_result *result);
VMPLUG_API uint64_t vmplug_result_done(const struct vmplug_result *result);

/* What failed; its code is VMPLUG_ERROR_NONE when nothing did. Borrowed. */
VMPLUG_API const struct vmplug_error *vmplug_result_error(const struct vmplug_result *result);

/* As the command prints it with --json, made when asked for; NULL without memory. Borrowed. */
VMPLUG_API const char *vmplug_result_json(struct vmplug_result *result);

/* Set struct_bytes; each of the others may be NULL. */
struct vmplug_observer {
    size_t struct_bytes; /* sizeof(struct vmplug_observer) */
    void (*stage)(void *user, struct vmplug_result *so_far);  /* a device has reached a level */
    void (*device)(void *user, struct vmplug_result *result); /* a device's end */
    void (*done)(void *user, struct vmplug_result *result);   /* the end of the whole, once */
    void *user;
};

struct vmplug_operation;

/* Begins. The observer (copied) is called from the pumps, never from in here. What ends badly is
 * undone first, or the result's JSON names what is left. NULL with VMPLUG_ERROR_INVALID, _SYSTEM,
 * or, of VMPLUG_WAIT, _BLOCKED: no request is on record. */
VMPLUG_API struct vmplug_operation *
vmplug_operation_start(struct vmplug_vm *vm, const struct vmplug_request *request,
                       const struct vmplug_observer *observer, struct vmplug_error *error);

/* Wants out: what is half-made is taken back, no other device is begun, and done comes with
 * VMPLUG_INTERRUPTED. */
VMPLUG_API void vmplug_operation_interrupt(struct vmplug_operation *operation);

/* The observer hears no more. What was under way is neither finished nor taken back: interrupt it
 * first and await its end, unless the program ends anyway. Allowed in done, and outside of
 * callbacks. NULL is allowed. */
VMPLUG_API void vmplug_operation_free(struct vmplug_operation *operation);

/* ---- to act, in one call ---- */

/* Runs a request to its end, pumping meanwhile. Returns an enum vmplug_verdict; *error is filled
 * when that is no success. *ret_json (ret_json may be NULL) becomes a JSON array of what the
 * command would print with --json, one object a device, and a summary where there were several: to
 * be freed with vmplug_text_free(); NULL without memory. */
VMPLUG_API int vmplug_run(struct vmplug_vm *vm, const struct vmplug_request *request,
                          char **ret_json, struct vmplug_error *error);

/* The usual ones, with nothing but defaults; timeout_ms 0: 60000 for each device. */
VMPLUG_API int vmplug_cpu_add(struct vmplug_vm *vm, unsigned count, double timeout_ms,
                              char **ret_json, struct vmplug_error *error);
VMPLUG_API int vmplug_cpu_set(struct vmplug_vm *vm, unsigned count, double timeout_ms,
                              char **ret_json, struct vmplug_error *error);
VMPLUG_API int vmplug_cpu_remove(struct vmplug_vm *vm, const char *id, double timeout_ms,
                                 char **ret_json, struct vmplug_error *error);
VMPLUG_API int vmplug_memory_add(struct vmplug_vm *vm, uint64_t bytes, double timeout_ms,
                                 char **ret_json, struct vmplug_error *error);
VMPLUG_API int vmplug_memory_set(struct vmplug_vm *vm, uint64_t bytes, double timeout_ms,
                                 char **ret_json, struct vmplug_error *error);
VMPLUG_API int vmplug_memory_resize(struct vmplug_vm *vm, const char *id, uint64_t bytes,
                                    double timeout_ms, char **ret_json,
                                    struct vmplug_error *error);
VMPLUG_API int vmplug_memory_remove(struct vmplug_vm *vm, const char *id, double timeout_ms,
                                    char **ret_json, struct vmplug_error *error);
VMPLUG_API int vmplug_disk_add(struct vmplug_vm *vm, const char *file, double timeout_ms,
                               char **ret_json, struct vmplug_error *error);
VMPLUG_API int vmplug_disk_remove(struct vmplug_vm *vm, const char *id, double timeout_ms,
                                  char **ret_json, struct vmplug_error *error);
VMPLUG_API int vmplug_disk_resize(struct vmplug_vm *vm, const char *id, uint64_t bytes,
                                  double timeout_ms, char **ret_json, struct vmplug_error *error);
VMPLUG_API int vmplug_cdrom_insert(struct vmplug_vm *vm, const char *id, const char *file,
                                   double timeout_ms, char **ret_json, struct vmplug_error *error);
VMPLUG_API int vmplug_cdrom_eject(struct vmplug_vm *vm, const char *id, double timeout_ms,
                                  char **ret_json, struct vmplug_error *error);

/* Takes up again what ended as VMPLUG_PENDING. */
VMPLUG_API int vmplug_wait(struct vmplug_vm *vm, const char *id, double timeout_ms,
                           char **ret_json, struct vmplug_error *error);

#ifdef __cplusplus
}
#endif

#endif
