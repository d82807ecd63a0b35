/* SPDX-License-Identifier: MIT */
#include "daemon/fleet.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/log.h"
#include "daemon/manifests.h"
#include "daemon/watch.h"
#include "manifest/store.h"
#include "qmp/codec.h"

#define REST_SECONDS 1.
#define TURNS_A_TURN 16 /* of the loop, which serves others in between */

TAILQ_HEAD(turn_list, fleet_turn);

/* A kind's directory in the store. */
struct folder {
    struct fleet *fleet;
    enum kind kind;
};

struct fleet {
    struct daemon *daemon;
    struct store store;
    struct watch *watch;
    struct manifests *manifests; /* NULL: no directory is followed */
    struct folder folders[KINDS_];
    void *tree; /* of struct held_vm, by name (tsearch(3)) */
    size_t count;
    struct turn_list waiting;
    size_t turns;
    ev_timer begin; /* turns begin from the loop */
    ev_timer rest;  /* … and after the last of them memory is given back */
    bool is_stopping;
};

/* ---- VMs by name ---- */

/* A held_vm that is searched for is its name alone. */
struct key {
    const char *name;
    struct held_vm *held; /* NULL: of a search */
};

static int compare(const void *one, const void *other)
{
    return strcmp(((const struct key *)one)->name, ((const struct key *)other)->name);
}

static struct key *find(const struct fleet *fleet, const char *name)
{
    const struct key wanted = {.name = name};
    struct key *const *found = tfind(&wanted, &fleet->tree, compare);

    return found != NULL ? *found : NULL;
}

struct held_vm *fleet_find(const struct fleet *fleet, const char *name)
{
    const struct key *key = find(fleet, name);

    return key != NULL ? key->held : NULL;
}

size_t fleet_count(const struct fleet *fleet)
{
    return fleet->count;
}

struct visit {
    void (*visit)(void *user, struct held_vm *held);
    void *user;
};

static void visit_node(const void *node, VISIT order, void *closure)
{
    const struct key *key = *(struct key *const *)node;
    const struct visit *visit = closure;

    if (order == preorder || order == leaf)
        visit->visit(visit->user, key->held);
}

void fleet_foreach(const struct fleet *fleet, void (*visit)(void *user, struct held_vm *held),
                   void *user)
{
    struct visit closure = {.visit = visit, .user = user};

    twalk_r(fleet->tree, visit_node, &closure);
}

static struct held_vm *hold(struct fleet *fleet, const char *name, struct error *error)
{
    struct held_vm *held = held_vm_new(fleet->daemon, name, error);
    struct key *key = held != NULL ? malloc(sizeof(*key)) : NULL;

    if (key != NULL)
        *key = (struct key){.name = held_vm_name(held), .held = held};
    if (key != NULL && tsearch(key, &fleet->tree, compare) != NULL) {
        fleet->count++;
        return held;
    }
    free(key);
    if (held != NULL)
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
    held_vm_free(held);
    return NULL;
}

static void let_go(struct fleet *fleet, struct key *key)
{
    log_line(LOG_LEVEL_INFO, key->name, "forgotten: nothing of it is stored any more", NULL);
    (void)tdelete(key, &fleet->tree, compare);
    fleet->count--;
    held_vm_free(key->held);
    free(key);
}

/* ---- turns ---- */

static void begin_turns(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct fleet *fleet = timer->data;
    struct fleet_turn *turn;
    unsigned begun;

    (void)events;
    for (begun = 0; begun < TURNS_A_TURN && fleet->turns < FLEET_AT_ONCE &&
                    (turn = TAILQ_FIRST(&fleet->waiting)) != NULL;
         begun++) {
        TAILQ_REMOVE(&fleet->waiting, turn, link);
        turn->state = FLEET_HAS_TURN;
        fleet->turns++;
        turn->begin(turn->user);
    }
    if (begun == TURNS_A_TURN)
        ev_timer_start(loop, timer);
}

/* What plans were made of lies between what is kept of VMs. */
static void give_back(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    ev_timer_stop(loop, timer);
    (void)malloc_trim(0);
}

void fleet_enter(struct fleet *fleet, struct fleet_turn *turn)
{
    TAILQ_INSERT_TAIL(&fleet->waiting, turn, link);
    turn->state = FLEET_WAITS;
    ev_timer_start(fleet->daemon->loop, &fleet->begin);
}

void fleet_leave(struct fleet *fleet, struct fleet_turn *turn)
{
    if (turn->state == FLEET_WAITS)
        TAILQ_REMOVE(&fleet->waiting, turn, link);
    else if (turn->state == FLEET_HAS_TURN)
        fleet->turns--;
    turn->state = FLEET_NO_TURN;
    if (!TAILQ_EMPTY(&fleet->waiting))
        ev_timer_start(fleet->daemon->loop, &fleet->begin);
    else if (fleet->turns == 0)
        ev_timer_again(fleet->daemon->loop, &fleet->rest);
}

/* ---- the store ---- */

static bool is_stored(const struct fleet *fleet, const char *name)
{
    char folder[sizeof(fleet->store.path) + 32], path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s.yaml",
                   store_folder(&fleet->store, KIND_VIRTUAL_MACHINE, folder, sizeof(folder)),
                   name);
    return access(path, F_OK) == 0;
}

struct held_vm *fleet_look(struct fleet *fleet, const char *name, struct error *error)
{
    struct key *key = find(fleet, name);

    if (!is_stored(fleet, name)) {
        if (key != NULL)
            let_go(fleet, key);
        return NULL;
    }
    if (fleet->is_stopping)
        return NULL;
    return key != NULL ? key->held : hold(fleet, name, error);
}

static void look(struct fleet *fleet, const char *name)
{
    struct held_vm *known = fleet_find(fleet, name);
    struct error error = ERROR_INIT;

    if (fleet_look(fleet, name, &error) != NULL && known != NULL)
        held_vm_changed(known);
    if (error.code != ERROR_NONE)
        log_error(LOG_LEVEL_ERROR, name, "cannot be held", &error);
}

static void change(void *user, struct held_vm *held)
{
    (void)user;
    held_vm_changed(held);
}

static void collect_missing(void *user, struct held_vm *held)
{
    json_t *names = user;

    (void)json_array_append_new(names, json_string(held_vm_name(held)));
}

/* Those that are stored, and those that were held. */
static void look_at_all(struct fleet *fleet)
{
    struct error error = ERROR_INIT;
    AUTO_JSON json_t *names = store_names(&fleet->store, KIND_VIRTUAL_MACHINE, &error);
    AUTO_JSON json_t *held = json_array();
    json_t *name;
    size_t i;

    if (names == NULL || held == NULL) {
        log_error(LOG_LEVEL_ERROR, NULL, "the store can't be looked at", &error);
        return;
    }
    fleet_foreach(fleet, collect_missing, held);
    json_array_foreach(held, i, name)
        (void)fleet_look(fleet, json_string_value(name), NULL);
    json_array_foreach(names, i, name)
        look(fleet, json_string_value(name));
}

/* What VMs may rest on. */
struct source {
    enum kind kind;
    const char *name; /* NULL: any of the kind */
};

static void change_source(void *user, struct held_vm *held)
{
    const struct source *source = user;

    held_vm_source_changed(held, source->kind, source->name);
}

static void on_folder_changed(void *user, const char *file)
{
    const struct folder *folder = user;
    struct fleet *fleet = folder->fleet;
    char name[KIND_NAME_MAX + 1];
    struct source source = {.kind = folder->kind, .name = file != NULL ? name : NULL};

    if (file != NULL && !store_read_name(file, name, sizeof(name)))
        return;
    if (folder->kind == KIND_KUBEVIRT)
        fleet_foreach(fleet, change, NULL);
    else if (folder->kind != KIND_VIRTUAL_MACHINE)
        fleet_foreach(fleet, change_source, &source);
    else if (file != NULL)
        look(fleet, name);
    else
        look_at_all(fleet);
}

static void follow_folder(struct fleet *fleet, enum kind kind)
{
    char path[sizeof(fleet->store.path) + 32];
    struct error error = ERROR_INIT;

    fleet->folders[kind] = (struct folder){.fleet = fleet, .kind = kind};
    (void)store_folder(&fleet->store, kind, path, sizeof(path));
    if (watch_add(fleet->watch, path, on_folder_changed, &fleet->folders[kind], &error) < 0 &&
        errno != ENOENT)
        log_error(LOG_LEVEL_ERROR, NULL, "changes of what is stored go unnoticed", &error);
}

/* A kind's directory is made when the first of it is stored. */
static void on_store_changed(void *user, const char *name)
{
    struct fleet *fleet = user;
    char folder[sizeof(fleet->store.path) + 32];
    enum kind kind;

    for (kind = 0; kind < KINDS_; kind++) {
        (void)store_folder(&fleet->store, kind, folder, sizeof(folder));
        if (name != NULL && strcmp(strrchr(folder, '/') + 1, name) != 0)
            continue;
        follow_folder(fleet, kind);
        on_folder_changed(&fleet->folders[kind], NULL);
    }
}

/* ---- all ---- */

static int follow(struct fleet *fleet, const char *manifests_dir, struct error *error)
{
    enum kind kind;

    if (store_open(&fleet->store, NULL, true, error) < 0)
        return -1;
    fleet->watch = watch_new(fleet->daemon->loop, error);
    if (fleet->watch == NULL ||
        watch_add(fleet->watch, fleet->store.path, on_store_changed, fleet, error) < 0)
        return -1;
    for (kind = 0; kind < KINDS_; kind++)
        follow_folder(fleet, kind);
    look_at_all(fleet);
    if (manifests_dir == NULL)
        return 0;
    fleet->manifests = manifests_new(fleet->daemon->loop, fleet->watch, manifests_dir, error);
    return fleet->manifests != NULL ? 0 : -1;
}

struct fleet *fleet_new(const struct fleet_options *options, struct error *error)
{
    struct fleet *fleet = calloc(1, sizeof(*fleet));

    if (fleet == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    fleet->daemon = options->daemon;
    fleet->daemon->fleet = fleet;
    fleet->store = (struct store){.directory = -1, .lock = -1};
    TAILQ_INIT(&fleet->waiting);
    ev_timer_init(&fleet->begin, begin_turns, 0, 0);
    fleet->begin.data = fleet;
    ev_timer_init(&fleet->rest, give_back, 0, REST_SECONDS);
    if (follow(fleet, options->manifests_dir, error) == 0)
        return fleet;
    fleet_free(fleet);
    return NULL;
}

void fleet_rescan(struct fleet *fleet)
{
    look_at_all(fleet);
    if (fleet->manifests != NULL)
        manifests_rescan(fleet->manifests);
}

static void stop_one(void *user, struct held_vm *held)
{
    (void)user;
    held_vm_stop(held);
}

void fleet_stop(struct fleet *fleet)
{
    fleet->is_stopping = true;
    watch_free(STEAL(fleet->watch)); /* which knows the manifests */
    manifests_free(STEAL(fleet->manifests));
    fleet_foreach(fleet, stop_one, NULL);
}

static void count_busy(void *user, struct held_vm *held)
{
    *(size_t *)user += held_vm_is_idle(held) ? 0 : 1;
}

bool fleet_is_idle(const struct fleet *fleet)
{
    size_t busy = 0;

    fleet_foreach(fleet, count_busy, &busy);
    return busy == 0;
}

static void free_key(void *user)
{
    struct key *key = user;

    held_vm_free(key->held);
    free(key);
}

void fleet_free(struct fleet *fleet)
{
    if (fleet == NULL)
        return;
    fleet->is_stopping = true;
    manifests_free(fleet->manifests);
    tdestroy(fleet->tree, free_key);
    ev_timer_stop(fleet->daemon->loop, &fleet->begin);
    ev_timer_stop(fleet->daemon->loop, &fleet->rest);
    watch_free(fleet->watch);
    store_close(&fleet->store);
    fleet->daemon->fleet = NULL;
    free(fleet);
}
