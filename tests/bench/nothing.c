/* SPDX-License-Identifier: MIT */
/* What a process costs that does nothing; with -DLOADED, what the libraries cost to load. */
#ifdef LOADED
#include <jansson.h>
#include <libfdt.h>

int main(int argc, char **argv)
{
    if (argc > 1) /* never: they are wanted for being there */
        return json_loads(argv[1], 0, NULL) != NULL && fdt_check_header(argv[1]) == 0;
    return 0;
}
#else
int main(void)
{
    return 0;
}
#endif
