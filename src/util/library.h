/* SPDX-License-Identifier: MIT */
#ifndef MF_LIBRARY_H
#define MF_LIBRARY_H

/* Shared libraries that are opened at their first use. To load libcurl takes longer than all that most programs of mayfly's do,
 * because it brings thirty others. A test program in which an image is already in the store needs none of these.
 *
 * GPGME is linked: it takes 0.3 ms, and its thread-local data, where dlopen() brings it, crashes LeakSanitizer of gcc 12 and clang 14.
 *
 * What is used of a library is one list, LIST(X) of X(PREFIX, NAME), from which the compiler makes the pointers, with the types of the
 * library's own headers:
 *
 *     #define MF_CURL_LIST(X) X(curl_, easy_init) X(curl_, easy_cleanup)
 *     struct mf_curl { MF_CURL_LIST(MF_LIBRARY_POINTER) };
 *     ... = MF_LIBRARY_CALLS(MF_LIBRARY_CURL, MF_CURL_LIST, mf_curl);
 *     mf_curl.easy_init()
 */

#include <mayfly/error.h>
#include <stdatomic.h>
#include <stddef.h>

enum mf_library { MF_LIBRARY_CURL, MF_LIBRARY_ARCHIVE, MF_LIBRARY_GUMBO, MF_N_LIBRARIES };

struct mf_library_calls {
        enum mf_library library;
        const char *symbols; /* each ends with "\0"; an empty one is the last */
        void *pointers;      /* a struct that has a pointer for each symbol, and nothing else */
        atomic_int is_loaded;
};

#define MF_LIBRARY_POINTER(prefix, name) __typeof__(prefix##name) *name;
#define MF_LIBRARY_SYMBOL(prefix, name) #prefix #name "\0"
#define MF_LIBRARY_CALLS(id, list, table)                                                 \
        {                                                                                 \
                .library = (id), .symbols = list(MF_LIBRARY_SYMBOL), .pointers = &(table) \
        }

/* Opens the library, and sets the pointers, unless that is done. It may be called in any thread, and again after a failure.
 * Returns 0, or -ENOPKG with an error that names the library and the package to install.
 *
 * A file of an image must never become code of this process. So no process calls this when its root directory, or its mount
 * namespace, is a container's; the programs that enter those do not have this file. selftest/unit/util/test-linkage looks. */
int mf_library_load(struct mf_library_calls *calls, enum mayfly_stage stage, struct mayfly_error *err);

/* Whether the library can be loaded, for a check of the host. Returns as mf_library_load(). */
int mf_library_check(enum mf_library library, struct mayfly_error *err);

#endif
