/* SPDX-License-Identifier: MIT */
#include "fetch/curl.h"

#include <errno.h>
#include <pthread.h>

#include "util/error.h"

struct mf_curl mf_curl;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode started;

static void start(void)
{
        started = mf_curl.global_init(CURL_GLOBAL_DEFAULT);
}

int mf_curl_load(enum mayfly_stage stage, struct mayfly_error *err)
{
        static struct mf_library_calls calls = MF_LIBRARY_CALLS(MF_LIBRARY_CURL, MF_CURL_LIST, mf_curl);

        int r = mf_library_load(&calls, stage, err);
        if (r < 0)
                return r;
        pthread_once(&once, start);
        return started == CURLE_OK
                       ? 0
                       : mf_error(err, -ENOMEM, stage, "libcurl does not start: %s", mf_curl.easy_strerror(started));
}
