/* A system clock that is set: one second after the first look, the time of day jumps by CLOCK_STEP seconds.
 * Preloaded by tests; the monotonic clock stays as it is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    static long begun;
    struct timespec steady;
    const char *step = getenv("CLOCK_STEP");
    int result;

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    result = real(clock, now);
    if (result != 0 || clock != CLOCK_REALTIME || !step || real(CLOCK_MONOTONIC, &steady) != 0)
        return result;
    if (!begun)
        begun = steady.tv_sec;
    if (steady.tv_sec > begun)
        now->tv_sec += atol(step);
    return result;
}
