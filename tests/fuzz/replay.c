/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over its corpus, with any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1 << 20)

static int replay(const char *folder, const char *name)
{
    static uint8_t input[INPUT_MAX];
    char path[4096];
    size_t size;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "rb");
    if (file == NULL)
        return -1;
    size = fread(input, 1, sizeof(input), file);
    fclose(file);
    (void)LLVMFuzzerTestOneInput(input, size);
    return 0;
}

int main(void)
{
    const char *source = getenv("VMPLUG_SOURCE");
    struct dirent *entry;
    char folder[2048];
    unsigned count = 0;
    DIR *dir;

    (void)snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s",
                   source != NULL ? source : ".", CORPUS);
    dir = opendir(folder);
    if (dir == NULL) {
        perror(folder);
        return 1;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && replay(folder, entry->d_name) == 0)
            count++;
    }
    closedir(dir);
    printf("%s: %u inputs replayed\n", CORPUS, count);
    return count > 0 ? 0 : 1;
}
