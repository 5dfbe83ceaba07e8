/* SPDX-License-Identifier: MIT */
#ifndef GUARD_H
#define GUARD_H

/* For program.c alone: structs that the caller or the library may know in another size, and what they must look like. */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mayfly/mayfly.h>

/* What a caller's struct has behind it, which is not the library's. */
#define GUARDED(type)             \
        struct {                  \
                struct type it;   \
                char behind[128]; \
        }
#define GUARD(object) memset((object).behind, 'g', sizeof((object).behind))
#define CHECK_GUARD(object)                                                 \
        for (size_t guard_ = 0; guard_ < sizeof((object).behind); guard_++) \
        check((object).behind[guard_] == 'g')

/* A field that this program's headers and the library may know or not. */
#ifdef MAYFLY_GROWN
#define ADDED sizeof(const char *)
#define SET(object) ((object).added_ = "set")
#define CHECK_ADDED_NULL(object) check((object).added_ == NULL)
#else
#define ADDED 0U
#define SET(object) ((void) 0)
#define CHECK_ADDED_NULL(object) ((void) 0)
#endif

#define check(condition) check_at(!!(condition), #condition, __LINE__)

static int library_is_grown;
static struct mayfly_error err = MAYFLY_ERROR_INIT;

static void check_at(int holds, const char *what, int line)
{
        if (holds)
                return;
        fprintf(stderr, "program.c:%d: not %s; the last error: %s\n", line, what, err.message);
        exit(1);
}

static void clear_error(void)
{
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
}

/* Checks the size of a struct that the library made: it is the library's. */
#define CHECK_MADE(pointer, type)                                                                    \
        do {                                                                                         \
                check((pointer)->size ==                                                             \
                      sizeof(struct type) - ADDED + (library_is_grown ? sizeof(const char *) : 0U)); \
                CHECK_MADE_ADDED(pointer);                                                           \
        } while (0)
#ifdef MAYFLY_GROWN
#define CHECK_MADE_ADDED(pointer)                                       \
        do {                                                            \
                check(MAYFLY_HAS(pointer, added_) == library_is_grown); \
                if (MAYFLY_HAS(pointer, added_))                        \
                        check((pointer)->added_ == NULL);               \
        } while (0)
#else
#define CHECK_MADE_ADDED(pointer) ((void) 0)
#endif

/* After a call with a field set that an older library does not know. `done` is what a library returns that knows it. */
static void check_set(int r, int done, const char *what, size_t offset)
{
        char where[64];

#ifndef MAYFLY_GROWN
        (void) offset;
        (void) what;
        (void) where;
        check(r == done);
#else
        if (library_is_grown) {
                check(r == done);
        } else {
                check(r == -EINVAL && err.code == -EINVAL && err.stage == MAYFLY_STAGE_SPEC);
                check(strstr(err.message, what) && strstr(err.message, "is too old to know it"));
                snprintf(where, sizeof(where), "the field at byte %zu is set", offset);
                check(strstr(err.message, where));
                check(strstr(err.message, "mayfly 0."));
        }
#endif
        clear_error();
}
#ifdef MAYFLY_GROWN
#define CHECK_SET(r, done, what, type) check_set(r, done, what, offsetof(struct type, added_))
#else
#define CHECK_SET(r, done, what, type) check_set(r, done, what, 0)
#endif

#endif
