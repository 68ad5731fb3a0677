/* A system clock that is set: once the folder CLOCK_STEP_IN holds a part of a file, the time of day jumps by CLOCK_STEP seconds.
 * Preloaded by tests; the monotonic clock stays as it is. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int holds_a_part(const char *folder)
{
    DIR *listing = folder ? opendir(folder) : NULL;
    struct dirent *entry;
    int found = 0;

    while (listing && !found && (entry = readdir(listing)))
        found = strstr(entry->d_name, "ascp-part") != NULL;
    if (listing)
        closedir(listing);
    return found;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    static int stepped;
    const char *step = getenv("CLOCK_STEP");
    int result;

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    result = real(clock, now);
    if (result != 0 || clock != CLOCK_REALTIME || !step)
        return result;
    if (!stepped)
        stepped = holds_a_part(getenv("CLOCK_STEP_IN"));
    if (stepped)
        now->tv_sec += atol(step);
    return result;
}
