/* SPDX-License-Identifier: MIT */
#include "tests/bench/steps.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYNCHRONISES "\"guest-sync-delimited\""
#define ANSWERED "\"id\": " /* as QEMU writes it; no event that an addition brings has one */
#define ACKNOWLEDGED "\"ACPI_DEVICE_OST\""
/* vmplug's own pauses: 10 ms, and twice that each time. */
#define PAUSE_MS 10
#define PAUSES_MAX 12

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "steps: %s\n", what);
    exit(1);
}

void steps_forget(struct steps *steps)
{
    size_t i;

    for (i = 0; i < steps->count; i++)
        free(steps->pieces[i].answer);
    memset(steps->heard, 0, sizeof(steps->heard));
    steps->used = steps->count = 0;
    steps->asked = NULL;
}

/* ---- recording ---- */

static struct steps_piece *add_piece(struct steps *steps, bool agent)
{
    struct steps_piece *piece = &steps->pieces[steps->count];

    if (steps->count++ == STEPS_MAX)
        die("too many");
    *piece = (struct steps_piece){.agent = agent, .start = steps->used, .end = steps->used};
    memcpy(piece->heard, steps->heard, sizeof(piece->heard));
    if (agent)
        steps->asked = piece;
    return piece;
}

static void note_sent(struct steps *steps, bool agent, const char *json, size_t size)
{
    struct steps_piece *piece = steps->count > 0 ? &steps->pieces[steps->count - 1] : NULL;

    if (agent && memmem(json, size, SYNCHRONISES, strlen(SYNCHRONISES)) != NULL)
        return; /* the floor has, with a number of its own */
    if (agent && piece != NULL && piece->agent && piece->end - piece->start == size &&
        memcmp(steps->text + piece->start, json, size) == 0) {
        steps->heard[STEPS_AGENT_ANSWERS]--;
        return;
    }
    if (agent || piece == NULL || piece->agent ||
        memcmp(piece->heard, steps->heard, sizeof(piece->heard)) != 0)
        piece = add_piece(steps, agent);
    if (size > sizeof(steps->text) - steps->used)
        die("too long");
    memcpy(steps->text + steps->used, json, size);
    steps->used += size;
    piece->end = steps->used;
}

static void note_agent(struct steps *steps, const char *json, size_t size)
{
    if (steps->asked == NULL)
        return; /* it has synchronised */
    steps->heard[STEPS_AGENT_ANSWERS]++;
    free(steps->asked->answer);
    steps->asked->answer = strndup(json, size);
}

void steps_note(void *user, const char *channel, int sent, const char *json, size_t size_bytes)
{
    bool agent = strcmp(channel, "agent") == 0;
    struct steps *steps = user;

    if (json == NULL)
        return;
    if (sent) {
        note_sent(steps, agent, json, size_bytes);
    } else if (agent) {
        note_agent(steps, json, size_bytes);
    } else if (memmem(json, size_bytes, ANSWERED, strlen(ANSWERED)) != NULL) {
        steps->heard[STEPS_QMP_ANSWERS]++;
        (void)snprintf(steps->last, sizeof(steps->last), "%.*s", (int)size_bytes, json);
    } else if (memmem(json, size_bytes, ACKNOWLEDGED, strlen(ACKNOWLEDGED)) != NULL) {
        steps->heard[STEPS_OSTS]++;
    }
}

/* ---- doing the same ---- */

struct talk {
    const struct steps *steps;
    struct floor *qmp, *agent;
    unsigned heard[STEPS_KINDS];
    const struct steps_piece *asked; /* of the agent */
    unsigned again;                  /* how often that was asked before */
    const char *last;                /* that the monitor said */
};

static bool is(const char *line, const char *recorded)
{
    return strncmp(line, recorded, strlen(recorded)) == 0;
}

static void say(struct talk *talk, const struct steps_piece *piece)
{
    if (piece->agent) {
        floor_synchronise(talk->agent);
        talk->again = talk->asked == piece ? talk->again + 1 : 0;
        talk->asked = piece;
    }
    floor_say(piece->agent ? talk->agent : talk->qmp, talk->steps->text + piece->start,
              piece->end - piece->start);
}

static void hear_agent(struct talk *talk)
{
    const char *line = floor_await(talk->agent, "", 1);

    if (is(line, talk->asked->answer)) {
        talk->heard[STEPS_AGENT_ANSWERS]++;
        return;
    }
    if (talk->again == PAUSES_MAX)
        die(line);
    (void)poll(NULL, 0, PAUSE_MS << talk->again);
    say(talk, talk->asked);
}

static void hear_qmp(struct talk *talk)
{
    talk->last = floor_await(talk->qmp, "", 1);
    if (strstr(talk->last, ANSWERED) != NULL)
        talk->heard[STEPS_QMP_ANSWERS]++;
    else if (strstr(talk->last, ACKNOWLEDGED) != NULL)
        talk->heard[STEPS_OSTS]++;
}

static void hear(struct talk *talk, const unsigned *wanted)
{
    size_t kind;

    for (kind = 0; kind < STEPS_KINDS; kind++) {
        while (talk->heard[kind] < wanted[kind]) {
            if (kind == STEPS_AGENT_ANSWERS)
                hear_agent(talk);
            else
                hear_qmp(talk);
        }
    }
}

void steps_repeat(const struct steps *steps, struct floor *qmp, struct floor *agent)
{
    struct talk talk = {.steps = steps, .qmp = qmp, .agent = agent};
    size_t i;

    for (i = 0; i < steps->count; i++) {
        hear(&talk, steps->pieces[i].heard);
        say(&talk, &steps->pieces[i]);
    }
    hear(&talk, steps->heard);
    if (!steps->pieces[steps->count - 1].agent && !is(talk.last, steps->last))
        die(talk.last);
}
