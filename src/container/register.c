/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container/container.h"
#include "container/logs.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"

/* systemd-nspawn keeps a connection to the system bus for each registered container, and dbus-daemon allows root 256
 * connections. */

#define TRY_AGAIN_US UINT64_C(1000000) /* how long to wait for room, */
#define FIRST_PAUSE_US 200000          /* with pauses that double */
#define PAUSE_MAX_US 400000
#define BOOT_LOG_MAX 4096U

MF_EXPORT int mayfly_container_is_registered(const struct mayfly_container *container)
{
        return container && container->engine_type->id == MAYFLY_ENGINE_SYSTEMD && !container->is_unregistered;
}

/* Whether a start failed with `r` because the system bus had no room for the container. Then nothing in it ran. */
static int found_no_room(const struct mayfly_container *container, int r)
{
        mf_cleanup(mf_freep) char *said = NULL;

        if (container->engine_type->id != MAYFLY_ENGINE_SYSTEMD || container->reports.ready)
                return 0;
        if (r == -ENOBUFS)
                return 1;
        if (container->is_unregistered || container->boot_log < 0 ||
            mf_boot_log_read(container->boot_log, BOOT_LOG_MAX, &said) < 0 || !said)
                return 0;
        const char *failure = strstr(said, "Failed to register machine");
        return failure && strstr(failure, "No buffer space available");
}

int mf_container_start_registered(struct mayfly_container *container,
                                  int (*start)(struct mayfly_container *container, struct mayfly_error *err),
                                  struct mayfly_error *err)
{
        uint64_t begin = mf_now_us(), until = begin + (container->start_deadline_us - begin) / 4;
        useconds_t pause = FIRST_PAUSE_US;

        if (until > begin + TRY_AGAIN_US)
                until = begin + TRY_AGAIN_US;
        for (;;) {
                struct mayfly_error why = MAYFLY_ERROR_INIT;
                int r = start(container, &why);
                if (r == 0)
                        return 0;
                if (!found_no_room(container, r) || mf_now_us() + pause > container->start_deadline_us) {
                        mf_error_copy(err, r, why.stage, why.message);
                        return r;
                }
                r = mf_container_start_over(container, err);
                if (r < 0)
                        return r;
                if (mf_now_us() + pause > until)
                        container->is_unregistered = 1;
                usleep(pause);
                pause = pause < PAUSE_MAX_US ? 2 * pause : pause;
        }
}
