/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "util/error.h"
#include "util/macro.h"

/* X(LIBRARY, feature, use). Sonames and Debian's packages are those that the build found beside the headers (src/CMakeLists.txt). */
#define LIBRARIES(X)                                              \
        X(CURL, "fetch", "fetching images, and waiting for HTTP") \
        X(ARCHIVE, "compression", "reading and writing archives") \
        X(GUMBO, "discovery", "finding images by their names")

#define ENTRY(id, feature, use) [MF_LIBRARY_##id] = { MF_##id##_SONAME, MF_##id##_PACKAGE, use },

static const struct {
        const char *soname, *package, *use;
} libraries[] = { LIBRARIES(ENTRY) };

/* The same in ELF notes, for packaging tools, which cannot see these libraries among those that the linker notes: "Package Metadata
 * for dlopen()" of the UAPI group. */
#define JSON(id, feature, use)                                 \
        "[{\"feature\":\"" feature "\",\"description\":\"" use \
        "\",\"priority\":\"recommended\",\"soname\":[\"" MF_##id##_SONAME "\"]}]"
/* The notes follow each other without what AddressSanitizer puts between variables. */
#ifdef __clang__
#define EXACT __attribute__((no_sanitize("address")))
#else
#define EXACT
#endif
#define NOTE(id, feature, use)                                                               \
        static const struct {                                                                \
                uint32_t owner_size, text_size, type;                                        \
                char owner[4], text[sizeof(JSON(id, feature, use))];                         \
        } note_of_##id EXACT __attribute__((section(".note.dlopen"), used, aligned(4))) = {  \
                4, sizeof(JSON(id, feature, use)), 0x407c0c0a, "FDO", JSON(id, feature, use) \
        };

LIBRARIES(NOTE)

/* --- loading ----------------------------------------------------------------------------------------------------- */

/* A library is never closed, even where it lacks a function: many have threads, or data of threads. */
#define FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void take_mutex(void)
{
        pthread_mutex_lock(&mutex);
}

static void free_mutex(void)
{
        pthread_mutex_unlock(&mutex);
}

/* Sets the error for a library that is not there, or that lacks a function. Returns -ENOPKG. */
static int fail(enum mf_library library, enum mayfly_stage stage, struct mayfly_error *err)
{
        const char *why = dlerror();

        return mf_error(err, -ENOPKG, stage,
                        "%s, for %s, cannot be loaded: %.400s; install it, on Debian: apt-get install %s",
                        libraries[library].soname, libraries[library].use, why ? why : "no reason is known",
                        libraries[library].package);
}

/* The pointers have types of functions of their own. */
typedef void *__attribute__((may_alias)) any_pointer;

/* Loads it, with the mutex. */
static int load(struct mf_library_calls *calls, enum mayfly_stage stage, struct mayfly_error *err)
{
        void *handle = dlopen(libraries[calls->library].soname, FLAGS);
        any_pointer *pointer = calls->pointers;

        if (!handle)
                return fail(calls->library, stage, err);
        for (const char *symbol = calls->symbols; *symbol; symbol += strlen(symbol) + 1, pointer++) {
                *pointer = dlsym(handle, symbol);
                if (!*pointer)
                        return fail(calls->library, stage, err);
        }
        atomic_store_explicit(&calls->is_loaded, 1, memory_order_release);
        return 0;
}

/* Takes the mutex. A fork() of another thread waits for it: the child of a process that is in the middle of a dlopen() can load nothing
 * any more. */
static void begin(void)
{
        static int survives_fork;

        take_mutex();
        if (!survives_fork)
                survives_fork = pthread_atfork(take_mutex, free_mutex, free_mutex) == 0;
}

int mf_library_load(struct mf_library_calls *calls, enum mayfly_stage stage, struct mayfly_error *err)
{
        if (atomic_load_explicit(&calls->is_loaded, memory_order_acquire))
                return 0;
        begin();
        int r = atomic_load_explicit(&calls->is_loaded, memory_order_relaxed) ? 0 : load(calls, stage, err);
        free_mutex();
        return r;
}

int mf_library_check(enum mf_library library, struct mayfly_error *err)
{
        begin();
        int r = dlopen(libraries[library].soname, FLAGS) ? 0 : fail(library, MAYFLY_STAGE_HOST, err);
        free_mutex();
        return r;
}
