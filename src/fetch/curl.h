/* SPDX-License-Identifier: MIT */
#ifndef MF_CURL_H
#define MF_CURL_H

/* libcurl, which is loaded at its first use (util/library.h). */

#include <curl/curl.h>

#include "util/library.h"

#define MF_CURL_LIST(X)               \
        X(curl_, easy_cleanup)        \
        X(curl_, easy_escape)         \
        X(curl_, easy_getinfo)        \
        X(curl_, easy_header)         \
        X(curl_, easy_init)           \
        X(curl_, easy_nextheader)     \
        X(curl_, easy_reset)          \
        X(curl_, easy_setopt)         \
        X(curl_, easy_strerror)       \
        X(curl_, free)                \
        X(curl_, getdate)             \
        X(curl_, global_init)         \
        X(curl_, multi_add_handle)    \
        X(curl_, multi_cleanup)       \
        X(curl_, multi_info_read)     \
        X(curl_, multi_init)          \
        X(curl_, multi_perform)       \
        X(curl_, multi_poll)          \
        X(curl_, multi_remove_handle) \
        X(curl_, multi_setopt)        \
        X(curl_, multi_socket_action) \
        X(curl_, slist_append)        \
        X(curl_, slist_free_all)      \
        X(curl_, url)                 \
        X(curl_, url_cleanup)         \
        X(curl_, url_get)             \
        X(curl_, url_set)

struct mf_curl {
        MF_CURL_LIST(MF_LIBRARY_POINTER)
};

/* Its calls, which are there after mf_curl_load(). */
extern struct mf_curl mf_curl;

/* Loads and starts libcurl. Returns 0 or negative errno with an error of that stage. */
int mf_curl_load(enum mayfly_stage stage, struct mayfly_error *err);

#endif
