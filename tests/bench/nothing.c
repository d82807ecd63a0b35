/* SPDX-License-Identifier: MIT */
/* What a process costs that does nothing; with -DLOADED, what jansson costs to load. */
#ifdef LOADED
#include <jansson.h>

int main(int argc, char **argv)
{
    return argc > 1 && json_loads(argv[1], 0, NULL) != NULL; /* never: it is to be there */
}
#else
int main(void)
{
    return 0;
}
#endif
