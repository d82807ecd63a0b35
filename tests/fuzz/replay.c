/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over its corpus, with any compiler: replay_NAME all of corpus/NAME,
 * or the files that it is given. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1 << 20)
#define PATIENCE_S 120 /* a hang is a failure, too */

static int replay(const char *path)
{
    AUTO_FREE uint8_t *input = malloc(INPUT_MAX);
    AUTO_FREE uint8_t *exact = NULL; /* so that reading beyond the input shows */
    FILE *file = fopen(path, "rb");
    size_t size;

    if (file == NULL || input == NULL) {
        perror(path);
        return -1;
    }
    size = fread(input, 1, INPUT_MAX, file);
    fclose(file);
    exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        return -1;
    memcpy(exact, input, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    return 0;
}

static int replay_all(const char *folder)
{
    char path[4096];
    struct dirent *entry;
    unsigned count = 0;
    int status = 0;
    DIR *dir = opendir(folder);

    if (dir == NULL) {
        perror(folder);
        return -1;
    }
    while (status == 0 && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        status = replay(path);
        count++;
    }
    closedir(dir);
    printf("%s: %u inputs replayed\n", folder, count);
    return count > 0 ? status : -1;
}

int main(int argc, char *argv[])
{
    const char *source = getenv("VMPLUG_SOURCE");
    const char *name = strrchr(program_invocation_short_name, '_');
    char folder[2048];
    int status = 0, i;

    (void)alarm(PATIENCE_S);
    for (i = 1; i < argc; i++)
        status |= replay(argv[i]);
    if (argc > 1)
        return status == 0 ? 0 : 1;
    (void)snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s",
                   source != NULL ? source : ".", name != NULL ? name + 1 : "");
    return replay_all(folder) == 0 ? 0 : 1;
}
