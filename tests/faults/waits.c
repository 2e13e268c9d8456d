/* Two functions of the system that libfaketime does not show another clock as a host would. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static const long long SECOND = 1000000000, LOOK_EVERY = 50000000;

/* A wait that counts by the wall clock lasts until that clock, as it is set meanwhile, shows its end. libfaketime leaves
 * this one out, and Kafka's client waits by it. */
int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *end) {
    for (;;) {
        struct timespec shown, next;
        clock_gettime(CLOCK_REALTIME, &shown);
        long long left = (end->tv_sec - shown.tv_sec) * SECOND + end->tv_nsec - shown.tv_nsec;
        if (left <= 0)
            return thrd_timedout;
        clock_gettime(CLOCK_MONOTONIC, &next);
        next.tv_nsec += left < LOOK_EVERY ? left : LOOK_EVERY;
        if (next.tv_nsec >= SECOND) {
            next.tv_nsec -= SECOND;
            next.tv_sec++;
        }
        int woken = pthread_cond_clockwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, CLOCK_MONOTONIC, &next);
        if (woken != ETIMEDOUT)
            return woken == 0 ? thrd_success : thrd_error;
    }
}

/* A sleep that counts by the clock that only counts, which is right: libfaketime takes its end for one of the wall clock. */
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *end, struct timespec *left) {
    return syscall(SYS_clock_nanosleep, clock, flags, end, left) == 0 ? 0 : errno;
}
