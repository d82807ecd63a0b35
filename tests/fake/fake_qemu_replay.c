/* SPDX-License-Identifier: MIT */
/* vmplug-fake-qemu --replay: a trace in place of a machine. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"
#include "tests/fake/fake.h"
#include "tests/fake/fake_qemu.h"
#include "tests/fake/replay.h"

struct playing {
    struct replay *replay;
    const unsigned *stopped;
};

static bool is_over(void *user)
{
    const struct playing *playing = user;

    return *playing->stopped > 0 || replay_is_over(playing->replay);
}

/* Returns whether it went as recorded. */
static bool play(struct fake_qemu *self, json_t *run, struct pump *stop,
                 const unsigned *stopped)
{
    struct playing playing = {replay_new(run, self->qmp, self->agent), stopped};
    struct pump *const pumps[] = {stop, replay_qmp_pump(playing.replay),
                                  replay_agent_pump(playing.replay)};
    const char *failure;

    fake_qemu_say_ready(self);
    (void)blocking_run(pumps, COUNT_OF(pumps), is_over, &playing, CLOCK_NEVER_MS);
    failure = *stopped > 0 ? replay_failure(playing.replay) : replay_verdict(playing.replay);
    if (replay_note(playing.replay)[0] != '\0')
        (void)fprintf(stderr, FAKE_QEMU ": not in the trace:\n%s\n", replay_note(playing.replay));
    if (failure != NULL)
        (void)fprintf(stderr, FAKE_QEMU ": %s: %s\n", self->replay, failure);
    replay_free(playing.replay);
    return failure == NULL;
}

int fake_qemu_replay(struct fake_qemu *self, struct pump *stop, const unsigned *stopped)
{
    struct error error = ERROR_INIT;
    AUTO_JSON json_t *runs = replay_read(self->replay, fake_dir(), &error);
    bool good = runs != NULL;
    json_t *run;
    size_t i;

    if (!good)
        (void)fprintf(stderr, FAKE_QEMU ": %s\n", error.why);
    json_array_foreach(runs, i, run) {
        if (good && *stopped == 0)
            good = play(self, run, stop, stopped);
    }
    return good ? 0 : 1;
}
