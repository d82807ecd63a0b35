/* SPDX-License-Identifier: MIT */
#include "tests/matrix/matrix.h"

#include <dirent.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/report.h"
#include "vmm/status_json.h"
#include "qmp/blocking.h"
#include "tests/matrix/oracle.h"
#include "vmm/audit.h"
#include "vmm/doctor.h"

#define STEPS_MAX 400
#define FAILURES_SHOWN 40

/* As in struct fault. */
static const char *const targets[] = {
    [STEP_COMMAND] = NULL, [STEP_GREETING] = "greeting", [STEP_EVENT] = "event *"};

struct cell {
    const struct matrix_case *of;
    const struct step *step;     /* NULL: nothing goes wrong */
    const struct mishap *mishap;
    bool harmless;
    char name[256];
    bool met;        /* the step did */
    struct oracle_end end;
    unsigned seen[2];
};

static struct cell *running; /* for those who end the program from inside */
static const char *wanted;
static unsigned cells, failures;

/* ---- the steps of a dialogue in which nothing goes wrong ---- */

static struct step steps[STEPS_MAX];
static size_t step_count;

static void add_step(enum sim_side side, enum step_kind kind, unsigned number, const char *name)
{
    struct step *step = &steps[step_count];

    if (step_count == STEPS_MAX)
        fake_fail("too many steps");
    step_count++;
    *step = (struct step){.side = side, .kind = kind, .number = number};
    (void)snprintf(step->command, sizeof(step->command), "%s", name);
}

static void list_steps(const struct sim *sim)
{
    const json_t *command;
    unsigned side, i;
    size_t at;

    step_count = 0;
    add_step(SIM_QMP, STEP_GREETING, 0, "greeting");
    for (side = 0; side < COUNT_OF(sim->record); side++) {
        json_array_foreach(sim->record[side], at, command)
            add_step((enum sim_side)side, STEP_COMMAND, (unsigned)at,
                     json_string_value(json_object_get(command, "execute")));
    }
    for (i = 0; i < sim->faults.hits[0]; i++)
        add_step(SIM_QMP, STEP_EVENT, i, "event");
}

/* ---- one cell ---- */

static void panic(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    struct cell *cell = user;

    (void)command;
    if (side == cell->step->side && cell->seen[side]++ == cell->step->number) {
        cell->met = true;
        sim_panic(sim);
    }
}

static void arrange(struct cell *cell, struct sim *sim)
{
    const struct step *step = cell->step;
    const struct mishap *mishap = cell->mishap;

    /* It befalls none, and counts them all. */
    fault_add(&sim->faults, (struct fault){
                                .side = SIM_QMP, .command = targets[STEP_EVENT], .skip = UINT_MAX});
    if (step == NULL)
        return;
    sim->guest.forgives = !cell->harmless;
    sim->user = cell;
    if (mishap->action == FAULT_ACTIONS)
        sim->on_command = panic;
    else
        fault_add(&sim->faults, (struct fault){.side = step->side,
                                               .command = targets[step->kind],
                                               .skip = step->number,
                                               .times = mishap->onwards ? 0 : 1,
                                               .action = mishap->action,
                                               .number = mishap->number,
                                               .text = mishap->text});
}

static bool never(void *user)
{
    (void)user;
    return false;
}

/* What vmplug has sent before it left is still carried out. */
static void let_finish(struct sim *sim)
{
    struct pump *pumps[] = {&sim->qmp.pump, &sim->agent.pump};

    (void)blocking_run(pumps, COUNT_OF(pumps), never, NULL, clock_now_ms() + 1);
}

static void show_dialogue(const struct cell *cell, const struct sim *sim)
{
    const struct operation_result *result = &cell->end.result;
    char *text;
    unsigned side, i;

    for (side = 0; side < COUNT_OF(sim->record); side++) {
        text = json_dumps(sim->record[side], JSON_INDENT(1) | JSON_COMPACT);
        printf("%s %s\n", side == SIM_QMP ? "qmp" : "agent", text);
        free(text);
    }
    text = json_dumps(cell->end.after, JSON_COMPACT);
    printf("%s\n%s: %s id=%s awaiting=%s missing=%s %.1f ms; %s; left:", text, cell->name,
           verdict_name(result->verdict), result->id, result->awaiting, result->missing,
           result->elapsed_ms, result->error.why);
    for (i = 0; i < result->left_count; i++)
        printf(" %s", result->left[i]);
    printf("\n");
    free(text);
}

/* Fetches an inventory and draws the conclusions that the commands draw from it. */
static void look(struct rig *rig, unsigned parts, struct operation_result *result)
{
    double started_ms = clock_now_ms();
    struct inventory *inventory =
        rig_inventory(rig, parts, INVENTORY_AGENT_SILENCE_MS, &result->error);
    struct doctor doctor;

    result->elapsed_ms = clock_now_ms() - started_ms;
    if (inventory == NULL) {
        result->verdict =
            report_verdict(&result->error, qmp_client_greeting(vm_qmp(rig->vm)) != NULL);
        return;
    }
    doctor_examine(&doctor, rig->vm, inventory);
    audit_free(audit_new(rig->vm, inventory));
    if ((parts & STATUS_PARTS) == STATUS_PARTS)
        json_decref(status_json(inventory));
    result->verdict = inventory->guest.connected ? VERDICT_DONE : VERDICT_UNCONFIRMED;
    result->missing = inventory->guest.connected ? NULL : "agent";
    inventory_free(inventory);
}

static void run(struct cell *cell)
{
    struct operation_request request = cell->of->request;
    struct sim *sim = sim_new();
    json_t *entry;
    struct rig rig;

    running = cell;
    request.timeout_ms = RIG_TIMEOUT_MS;
    if (cell->of->prepare != NULL)
        cell->of->prepare(sim, &request);
    cell->end = (struct oracle_end){.timeout_ms = request.timeout_ms, .before = oracle_look(sim)};
    arrange(cell, sim);
    rig_open_recorded(&rig, sim, !cell->of->no_agent);
    if (cell->of->parts != 0)
        look(&rig, cell->of->parts, &cell->end.result);
    else
        cell->end.result = *rig_operate(&rig, &request);
    cell->end.result.details = NULL;
    cell->end.connection_ended = qmp_client_failure(vm_qmp(rig.vm)) != NULL;
    entry = rig_recorded(&rig, cell->end.result.id);
    cell->end.recorded = entry != NULL;
    json_decref(entry);
    rig_leave(&rig);
    let_finish(sim);
    if (cell->step == NULL)
        list_steps(sim);
    else if (cell->mishap->action != FAULT_ACTIONS)
        cell->met = sim->faults.hits[1] > cell->step->number;
    cell->end.file_open = sim_has_file_open(sim);
    cell->end.after = oracle_look(sim);
    if (wanted != NULL && cell->step != NULL)
        show_dialogue(cell, sim);
    rig_close(&rig);
    running = NULL;
}

static void forget(struct cell *cell)
{
    json_decref(cell->end.before);
    json_decref(cell->end.after);
}

/* ---- leaks ---- */

static unsigned count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    while (directory != NULL && readdir(directory) != NULL)
        count++;
    if (directory != NULL)
        closedir(directory);
    return count;
}

struct held {
    size_t bytes; /* of memory; always 0 under a sanitizer, which has its own eye on it */
    unsigned descriptors;
};

static struct held held; /* before a cell */

static struct held hold(void)
{
    return (struct held){.bytes = mallinfo2().uordblks, .descriptors = count_descriptors()};
}

/* ---- all cells ---- */

static void complain(const struct cell *cell, const char *fault)
{
    if (failures++ < FAILURES_SHOWN || wanted != NULL)
        printf("FAIL %s: %s: %s: %s\n", cell->name,
               verdict_name(cell->end.result.verdict), fault, cell->end.result.error.why);
}

static void check(struct cell *cell, const struct cell *usual)
{
    const struct oracle_mishap mishap = {
        .side = mishap_side(cell->mishap, cell->step),
        .harmless = cell->harmless,
        .lie = mishap_is_lie(cell->mishap, cell->step),
        .usual = usual->of->usual,
        .usual_after = usual->end.after};
    struct held after;
    const char *fault;

    run(cell);
    cells++;
    fault = cell->met ? oracle_judge(&mishap, &cell->end) : "it did not come so far";
    if (fault != NULL)
        complain(cell, fault);
    forget(cell);
    after = hold();
    if (after.descriptors != held.descriptors)
        complain(cell, "descriptors leak");
    if (after.bytes != held.bytes)
        complain(cell, "memory leaks");
    held = after;
}

static void name_cell(struct cell *cell)
{
    char number[32] = "";

    if (cell->mishap->number > 0)
        (void)snprintf(number, sizeof(number), " %g", cell->mishap->number);
    (void)snprintf(cell->name, sizeof(cell->name), "%s: %s %u %s: %s%s%s%s%s", cell->of->name,
                   cell->step->side == SIM_QMP ? "qmp" : "agent", cell->step->number,
                   cell->step->command,
                   cell->mishap->action == FAULT_ACTIONS ? "panic"
                                                         : fault_name(cell->mishap->action),
                   number, cell->mishap->text != NULL ? " " : "",
                   cell->mishap->text != NULL ? cell->mishap->text : "",
                   cell->mishap->onwards ? " onwards" : "");
}

static void check_step(const struct step *step, const struct cell *usual)
{
    size_t i;

    for (i = 0; i < mishap_count(); i++) {
        const struct mishap *mishap = mishap_at(i);
        struct cell cell = {.of = usual->of, .step = step, .mishap = mishap};

        if (mishap->action == FAULT_ACTIONS && step->kind != STEP_COMMAND)
            continue; /* between two commands is where it can be told from another */
        cell.harmless = mishap_is_harmless(mishap, step);
        name_cell(&cell);
        if (wanted == NULL || strstr(cell.name, wanted) != NULL)
            check(&cell, usual);
    }
}

static void run_case(const struct matrix_case *of)
{
    struct cell usual = {.of = of};
    unsigned before = cells;
    size_t i;

    (void)snprintf(usual.name, sizeof(usual.name), "%s: as usual", of->name);
    run(&usual);
    if (usual.end.result.verdict != of->usual)
        complain(&usual, "it is not as it usually is");
    held = hold();
    for (i = 0; i < step_count; i++)
        check_step(&steps[i], &usual);
    printf("matrix: %5u cells of %s\n", cells - before, of->name);
    forget(&usual);
}

static void name_running(void)
{
    if (running != NULL)
        printf("FAIL %s: it ended the program\n", running->name);
}

/* Memory that was given back counts as such only without a cache for each thread. */
static void do_without_cache(char **argv)
{
    static const char tunables[] = "GLIBC_TUNABLES", cache[] = "glibc.malloc.tcache_count=0";
    const char *now = getenv(tunables);

    if (now != NULL && strstr(now, cache) != NULL)
        return;
    (void)setenv(tunables, cache, 1);
    (void)execv("/proc/self/exe", argv);
}

#define SKIPPED 77 /* says automake */

int matrix_run(char **argv, const struct matrix_case *cases, size_t count)
{
    struct cell warm = {.of = &cases[0]};
    size_t i;

    do_without_cache(argv);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)atexit(name_running);
    wanted = getenv("MATRIX");
    printf("matrix: %s x %zu faults x every step\n", argv[0], mishap_count());
    run(&warm); /* what is made once, and kept, as is the buffer of what was just printed */
    forget(&warm);
    for (i = 0; i < count; i++)
        run_case(&cases[i]);
    printf("matrix: %5u cells, %u failures\n", cells, failures);
    if (cells == 0)
        printf("matrix: no cell has '%s' in its name\n", wanted);
    return failures > 0 ? 1 : cells == 0 ? SKIPPED : 0;
}
