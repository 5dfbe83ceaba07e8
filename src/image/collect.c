/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/collect.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "store/gc.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

/* The file whose modification time is the time of the last collection. */
#define STAMP "collected"
#define INTERVAL_S 60

/* Whether a collection is due. If it is, sets the time of the last one to now, so that only one of many simultaneous
 * fetches collects. A time in the future comes from before the clock was set back. */
static int is_due(int store)
{
        mf_cleanup(mf_closep) int fd = openat(store, STAMP, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        const time_t now = time(NULL);
        struct stat st;

        if (fd < 0 || mf_ensure_mode(fd, 0600) < 0 || fstat(fd, &st) < 0)
                return 0;
        /* An empty file is new: nothing was collected yet. The first collection writes to it. */
        if (st.st_size > 0 && st.st_mtim.tv_sec <= now && now - st.st_mtim.tv_sec < INTERVAL_S)
                return 0;
        return st.st_size > 0 ? futimens(fd, NULL) == 0 : mf_write_full(fd, "\n", 1) == 0;
}

void mf_collect(const struct mf_image_request *request)
{
        const struct mayfly_image_options *options = request->options;
        struct mayfly_gc_options limits = MAYFLY_GC_OPTIONS_INIT;
        struct mayfly_gc_result result = MAYFLY_GC_RESULT_INIT;

        limits.max_bytes = options->store_max_bytes == UINT64_MAX ? 0 : options->store_max_bytes;
        limits.max_age_s = options->store_max_age_s == UINT64_MAX ? 0 : options->store_max_age_s;
        if ((!limits.max_bytes && !limits.max_age_s) || !is_due(request->store))
                return;
        (void) mf_store_gc(request->store, request->path, &limits, NULL, &result, NULL);
        if (result.removed == 0 || !options->progress)
                return;
        const struct mayfly_progress progress = { .size = sizeof(progress),
                                                  .phase = MAYFLY_PROGRESS_COLLECTED,
                                                  .reference = request->text,
                                                  .images_removed = result.removed,
                                                  .bytes_freed = result.bytes_freed };
        (void) options->progress(&progress, options->progress_userdata);
}
