/* SPDX-License-Identifier: MIT */
/*
 * Between the engine (operation.c) and the kinds of operation, one a file: a device is added,
 * removed or changed (cpu_add.c, dimm_remove.c, disk_resize.c, cdrom_insert.c, …). A kind is one
 * table entry: what it must know beforehand, which commands it sends and how each is undone, and by
 * what it is recognised on each rung. The engine owns order, time and undoing.
 */
#ifndef VMM_OPERATION_KIND_H
#define VMM_OPERATION_KIND_H

#include "vmm/operation.h"

#define OPERATION_STEPS_MAX 6
#define OPERATION_ASK_AGAIN_MS 2000 /* between two requests of a guest that may have forgotten */
#define OPERATION_GRACE_MS 80 /* beyond the deadline, all in all: for a last look, or to undo */
#define OPERATION_FILE_GRACE_MS 30 /* of that, for closing the guest's file that is open */

struct operation;

/* One QMP command, and the one that takes it back (NULL: nothing to take back). */
struct operation_step {
    const char *command;
    json_t *arguments;
    const char *undo_command;
    json_t *undo_arguments;
    char makes[OPERATION_ID_MAX]; /* what stands when undoing fails */

    /* The guest has a say in when it can be taken: whether an answer to the kind's realized_query
     * shows that it can. NULL: at once. */
    bool (*is_due)(const struct operation *operation, const json_t *answer);
};

/* What must go after the device has gone: a memory backend or a block node. `list` is the question
 * whose answer names it in member `key` as long as it is there. */
struct operation_cleanup {
    const char *command;
    const char *argument; /* the command's only one: "id", "node-name" */
    const char *list;
    const char *list_path; /* of qom-list, else NULL */
    const char *key;
    char name[OPERATION_ID_MAX];
};

#define OPERATION_CLEANUPS_MAX 2

struct operation_kind {
    const char *name;
    enum verdict top; /* the word for the highest rung: VERDICT_ONLINE, _REMOVED or _DONE */
    bool removes;
    bool guest_decides; /* the highest rung needs the guest's own word; else QEMU's inventory is
                           enough, and the guest is only looked into where there is an agent */
    bool (*needs_guest)(const struct operation *operation); /* narrows guest_decides; may be NULL */
    unsigned parts;  /* enum inventory_part: what plan() reads */
    unsigned (*parts_of)(const struct operation_request *request); /* and besides; may be NULL */
    bool has_ost;    /* the guest answers by _OST where the machine relays it */
    enum ledger_slot_type ost_type;
    enum ost_kind ost_answer; /* what such an answer is of: OST_INSERTION or OST_EJECTION */
    const char *const *agent_commands; /* without these the guest can't be asked; NULL-ended */
    bool has_undo_type;
    enum operation_type undo_type; /* what takes it back when the guest has refused it */

    /* Did the guest say what it had before? Without that, nothing new can be told from the old, and
     * the agent counts as missing. NULL: not needed. */
    bool (*has_baseline)(const struct inventory *before);

    /* Chooses id, place and commands from operation->before, sending nothing. Without a step it is
     * a success already. Returns 0, or -1 with ERROR_BLOCKED or ERROR_INVALID. */
    int (*plan)(struct operation *operation, struct error *error);

    /* The same for request.resume: finds what was asked for before, and plans no step. NULL: plan()
     * does both. */
    int (*take_up)(struct operation *operation, struct error *error);

    /* Adds to the record's entry, by field_set(), what take_up() wants to know. NULL: nothing. */
    void (*remember)(const struct operation *operation, json_t **entry);

    /* The question that shows in QEMU's inventory that it was done, and whether an answer does: the
     * device is there, or for a removal no more. A kind with has_ost sets operation->slot here at
     * the latest; one that removes, in plan(). */
    const char *realized_query;
    bool (*is_realized)(struct operation *operation, const json_t *answer);

    /* The answer tells no more than that. Then, in a series, QEMU is asked for the one device's
     * property `realized`: query-block looks at every disk's image, query-hotpluggable-cpus tells
     * of every slot, and each that comes would take as long again. */
    bool tells_no_more;

    void (*on_realized)(struct operation *operation); /* the first time; may be NULL */

    /* Looks inside the guest by operation_ask_agent(), puts online what is not, and ends with one
     * of the operation_…() below. NULL: the guest has nothing to say. */
    void (*look_inside)(struct operation *operation);

    const char *refusal_fix; /* what to do when the guest refuses, or lets no step be taken */
    const char *hesitation;  /* what the guest did when a step never became due */

    /* Enters into operation->before, beside its names, what was added. False without memory. NULL:
     * the next operation looks for itself. */
    bool (*enter)(struct operation *operation);

    /* Adds advice to QEMU's refusal, where there is any. */
    void (*advise)(struct error *error);
};

enum operation_state {
    OPERATION_NEW,
    OPERATION_SENT, /* prepared, and a step is on its way */
    OPERATION_AWAITING_STEP, /* the next one is not due yet */
    OPERATION_AWAITING_GUEST,
    OPERATION_ROLLING_BACK,
    OPERATION_ENDED
};

#define OPERATION_FILE_MAX 2048

/* error is NULL, or why it could not be read or written; what was read is in operation->file. */
typedef void operation_file_fn(struct operation *operation, const struct error *error);

/* The guest's file that is open. */
struct operation_file {
    bool under_way; /* being opened, open, or being closed */
    int64_t handle; /* 0: not open, or told to be closed */
    const char *text_base64; /* to be written; NULL: to be read */
    uint64_t offset;
    unsigned char bytes[OPERATION_FILE_MAX];
    size_t size;
    struct error failure;
    operation_file_fn *done;
};

/* What to do when QEMU's refusal has these words. */
struct operation_advice {
    const char *words;
    const char *fix;
};

typedef void operation_answer_fn(struct operation *operation, const json_t *value,
                                 const struct error *error);

struct operation {
    struct vm *vm;
    const struct operation_kind *kind;
    struct operation_request request;
    struct operation_observer observer;
    struct operation_result result;
    enum operation_state state;
    double started_ms;
    double deadline_ms;
    struct inventory_fetch *fetch;
    struct inventory *before; /* the VM as it was found */
    bool follows; /* in a series: what another operation has left was taken for that */
    struct operation_step steps[OPERATION_STEPS_MAX];
    size_t step_count;
    size_t steps_done;
    unsigned choices; /* plans that QEMU has refused */
    bool out_of_memory; /* something of the plan or of the details is lost */
    struct operation_cleanup cleanups[OPERATION_CLEANUPS_MAX];
    size_t cleanup_count;
    size_t cleanups_done;
    struct operation *taking_back; /* the removal of what the guest refused */
    enum rung goal;
    bool reached[RUNGS_];
    unsigned subscription;
    struct vm_timer timer;
    double pause_ms; /* until the next look */
    struct error blind; /* why the guest can't be looked into (any more); ERROR_NONE: it can */

    /* What brings it to its end, and how. */
    bool interrupted;
    bool last_look; /* the deadline has come */
    bool late;      /* undoing a step that QEMU had not answered in time */
    bool hesitated; /* undoing because the guest let the next step not be taken in time */

    /* The vm's record of requests. */
    bool was_recorded; /* an earlier removal of the same device stands */
    bool unrecorded;   /* the record does not have this request */

    /* What the guest says by _OST, in the vm's ledger. */
    unsigned slot;
    uint64_t mark;       /* what came before it is no answer; 0: all of it may be */
    bool busy_before;    /* with an earlier request to eject it, whose answer comes first */
    bool heard;          /* it has answered, be it that it is at work */
    double ask_again_ms; /* when a removal that the guest may not know of any more is asked again */

    /* The one question that is open. */
    int64_t asked; /* 0: none */
    enum peer asked_peer;
    operation_answer_fn *answer;

    /* The kind's own. */
    unsigned vcpus_count;
    uint64_t addr, bytes; /* the range of a memory device; the bytes also of a disk */
    bool size_reached;    /* of a virtio-mem: as large as it shall be */
    bool on_virtio; /* a disk that is a virtio-blk, and no scsi-hd */
    unsigned lun;
    char serial[INVENTORY_SERIAL_MAX];
    char path[INVENTORY_PATH_MAX];       /* QOM, of a vCPU or of what is to go or to change */
    char guest_name[64];                 /* of a disk that is to, "" when unknown */
    unsigned failures;                   /* of putting it online, in a row */
    double first_failure_ms;
    bool looked_again;
    bool tree_was_asked; /* the guest's own device tree; see guest_tree.h */
    struct qga_disk *candidates;
    size_t candidate_count;
    size_t candidate;
    struct operation_file file;
    uint64_t block; /* that is put online as movable memory; then, whose zone is looked at */
    char node[32];            /* of the medium */
    unsigned matches, match;  /* guest drives that have its contents, and the last of them */
    struct qapi_limits limits;
};

/* Asks; the answer comes to `answer` with ERROR_REJECTED at the worst, or from in here with
 * ERROR_SYSTEM when memory was lacking for the question. Other failures are the engine's business.
 * arguments are taken over; NULL: they could not be made for lack of memory. */
void operation_ask_qmp(struct operation *operation, const char *command,
                       operation_answer_fn *answer);
void operation_ask_agent(struct operation *operation, const char *command,
                         operation_answer_fn *answer);
void operation_ask_agent_with(struct operation *operation, const char *command,
                              json_t *arguments, operation_answer_fn *answer);

/* A small file of the guest, read or written through its agent (operation_file.c). At most
 * OPERATION_FILE_MAX bytes are read, from the offset on (which takes guest-file-seek) or the
 * beginning; text is given as base64, and borrowed until done. */
void operation_read_file(struct operation *operation, const char *path, operation_file_fn *done);
void operation_read_file_at(struct operation *operation, const char *path, uint64_t offset,
                            operation_file_fn *done);
void operation_write_file(struct operation *operation, const char *path, const char *text_base64,
                          operation_file_fn *done);
bool operation_can_write_files(const struct operation *operation);

/* Nobody waits for it any more: if it is open, it is closed as soon as the agent gets to it. */
void operation_give_up_file(struct operation *operation);

/* The ends of a look inside: the guest confirms it; not yet; something was changed, so look at once
 * (an agent that claims success and changes nothing is looked at ever more rarely); the guest will
 * not; there is no way to see (`missing` as in the result). */
void operation_confirmed(struct operation *operation);
void operation_look_later(struct operation *operation);
void operation_look_again(struct operation *operation);
void operation_refused(struct operation *operation, const struct error *error);
void operation_cannot_look(struct operation *operation, const char *missing, const char *why);

/* The agent refused to put it online, which may pass: looks later, or after the third time in a
 * row reports a refusal. */
void operation_online_failed(struct operation *operation, const struct error *error);

/* The guest will answer by _OST: the kind has one, and this machine relays it. */
bool operation_expects_ost(const struct operation *operation);

/* The highest rung needs the guest's own word. */
bool operation_guest_decides(const struct operation *operation);

/* How high this VM can prove, why no higher (result.missing), and so the goal. Returns 0, or -1
 * with ERROR_BLOCKED saying what is lacking when more was asked for. */
int operation_set_goal(struct operation *operation, struct error *error);

/* Sets a member of the result's details; value is taken over. Without memory it is left out. */
void operation_detail(struct operation *operation, const char *name, json_t *value);

/* Adds to what the result's details have to say of it ("note"), unless that says it already. */
void operation_note(struct operation *operation, const char *text);

/* Settles the id: the caller's, if it is well-formed and free, else the first free one of
 * PREFIX<first>, PREFIX<first + 1>, … Returns 0, or -1 with ERROR_INVALID or ERROR_BLOCKED. */
int operation_choose_id(struct operation *operation, const char *prefix, unsigned first,
                        size_t length_max, struct error *error);

/* Appends a step; both argument objects are taken over. One that could not be made for lack of
 * memory (NULL) ends the operation before anything is sent. */
void operation_add_step(struct operation *operation, const char *command, json_t *arguments,
                        const char *undo_command, json_t *undo_arguments, const char *makes);

/* The take_up() of all kinds that remove: from the vm's record, since the device may be gone. */
int operation_take_up_removal(struct operation *operation, struct error *error);

/* For advise(): gives the error the fix of the first whose words are in it, if any are. The array
 * ends with one that has none. */
void operation_advise(struct error *error, const struct operation_advice *advice);

/* What must go too, once the device has: the memory backend or the block node of this name. */
void operation_clean_object(struct operation *operation, const char *id);
void operation_clean_node(struct operation *operation, const char *node_name);

/* ---- between operation.c (ends, steps, undoing) and operation_climb.c (the way up) ---- */

/* Awaits nothing any more: no inventory, answer, event or timer. */
void operation_stop_waiting(struct operation *operation);

/* Ends it: tells the observer, who may free it. Nothing may touch the operation afterwards. */
void operation_finish(struct operation *operation, enum verdict verdict,
                      const struct error *error);

/* The same when the device stands, when QEMU could not be asked, and when the time is over. */
void operation_finish_standing(struct operation *operation, enum verdict verdict,
                               const struct error *error);
void operation_finish_failed(struct operation *operation, const struct error *error);
void operation_finish_pending(struct operation *operation, const struct error *error);

/* Whether the VM runs, which the last of these tells, is known from the inventory, and by events
 * from then on. */
void operation_note_run_state(struct operation *operation, const char *event);

/* For an addition that QEMU has refused and that is undone: plans it anew from what there is now,
 * and sends that if it is another plan; ends it as rejected if it is not. False when it has no more
 * tries, or no time for one: nothing has been done then. */
bool operation_choose_again(struct operation *operation);

/* Sends the next step. */
void operation_send_step(struct operation *operation);

/* Waits until the next step is due (operation_await.c), and sends it; or undoes what was done when
 * that is not before the deadline. The timer leads back to it. */
void operation_await_step(struct operation *operation);

/* Undoes the steps that were taken (operation_undo.c): after QEMU's refusal or an interruption, and
 * when QEMU had not answered the last of them in time. */
void operation_roll_back(struct operation *operation, const struct error *error);
void operation_roll_back_late(struct operation *operation, const struct error *error);

/* Enters the request into the vm's record of requests that stand. */
void operation_record(struct operation *operation);

/* For request.resume of an addition, once its slot is known: what the guest has answered. Returns
 * 0, or -1 with ERROR_BLOCKED when it is another device of the same id that is on record. */
int operation_recall_addition(struct operation *operation, struct error *error);

/* Tells in the result's details what an addition may bring about besides; what would be sent. */
void operation_note_pending_removal(struct operation *operation);
void operation_describe_plan(struct operation *operation);

/* Names in result.left what stands; under_way: also what the step on its way may have made. */
void operation_add_left(struct operation *operation, const char *id);
void operation_leave_all(struct operation *operation, bool under_way);

/* A rung was reached. ost is what proved it, or NULL. */
void operation_reach(struct operation *operation, enum rung rung, const struct ledger_entry *ost);

/* True when the goal has been reached, and the operation with it. */
bool operation_finish_at_goal(struct operation *operation);

/* Takes the next step up the ladder that can be taken now. */
void operation_look(struct operation *operation);

void operation_on_timer(void *user);
void operation_on_event(void *user, const struct qmp_event *event);

extern const struct operation_kind cpu_add_kind;
extern const struct operation_kind dimm_add_kind;
extern const struct operation_kind disk_add_kind;
extern const struct operation_kind cpu_remove_kind;
extern const struct operation_kind dimm_remove_kind;
extern const struct operation_kind disk_remove_kind;
extern const struct operation_kind virtio_mem_add_kind;
extern const struct operation_kind virtio_mem_resize_kind;
extern const struct operation_kind backend_remove_kind;
extern const struct operation_kind node_remove_kind;
extern const struct operation_kind disk_resize_kind;
extern const struct operation_kind disk_throttle_kind;
extern const struct operation_kind cdrom_insert_kind;
extern const struct operation_kind cdrom_eject_kind;

#endif
