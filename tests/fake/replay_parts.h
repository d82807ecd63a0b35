/* SPDX-License-Identifier: MIT */
/* A run of a trace as the replayer sees it: which answer belongs to which command. */
#ifndef TESTS_FAKE_REPLAY_PARTS_H
#define TESTS_FAKE_REPLAY_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_NONE ((size_t)-1)

enum replay_channel { REPLAY_QMP, REPLAY_AGENT, REPLAY_CHANNELS_ };

enum replay_kind {
    REPLAY_SENT,    /* a command of vmplug's */
    REPLAY_ANSWER,  /* to one of those */
    REPLAY_UNASKED, /* greeting, event, late answer, nonsense */
    REPLAY_CLOSED,  /* the peer's end of the connection */
};

struct replay_line {
    enum replay_kind kind;
    enum replay_channel channel;
    uint64_t number;
    json_t *message; /* borrowed; a string for what is no JSON */

    /* Of what was sent. */
    char *key;     /* the command and its arguments; the same for what counts as the same */
    size_t first;  /* the first line with this key */
    size_t answer; /* REPLAY_NONE: it had none */
    bool is_look, is_sync;
    bool is_handle; /* the answer names a file, and differs each time */

    /* How far it is played; of a look this is kept in its first line. */
    bool come;
    size_t last; /* the line that answered it last */
    unsigned epoch;
};

struct replay_script {
    struct replay_line *lines;
    size_t count;
    bool has[REPLAY_CHANNELS_];
    json_t *paths; /* of the guest's files, by handle */
};

/* Returns 0, or -1 when memory runs out. The run is borrowed for as long as the script lives. */
int replay_script_make(struct replay_script *script, json_t *run);
void replay_script_free(struct replay_script *script);

/* Does the command only look? */
bool replay_is_look(const json_t *command);

/* A command's key; to be freed. */
char *replay_key(const struct replay_script *script, const json_t *command);

/* The first line that sent this, or REPLAY_NONE. */
size_t replay_find(const struct replay_script *script, enum replay_channel channel,
                   const char *key);

#endif
