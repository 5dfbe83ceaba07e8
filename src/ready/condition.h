/* SPDX-License-Identifier: MIT */
#ifndef MF_CONDITION_H
#define MF_CONDITION_H

/* Conditions, in a tree: groups of all or any, and leaves that look at the container. */

#include <mayfly/wait.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#define MF_SEEN_MAX 512U /* room for what a condition says of itself */
#define MF_CONDITION_FDS_MAX 3U

struct mf_condition;

/* A kind of condition. Functions that are NULL do nothing. */
struct mf_condition_type {
        /* Checks what can be known before anything is started, and writes what is awaited to `what`: "port 6379/tcp". */
        int (*check)(struct mf_condition *condition, char *what, size_t size, struct mayfly_error *err);
        /* Checks what needs the container's image and spec, still before it is started. */
        int (*resolve)(struct mf_condition *condition, const struct mayfly_container *container,
                       struct mayfly_error *err);
        /* Returns 1 when the condition holds, 0 when it does not yet, and negative errno when it never will. */
        int (*look)(struct mf_condition *condition, struct mayfly_container *container, struct mayfly_error *err);
        /* Adds descriptors whose events are a reason to look at once. Returns how many, up to MF_CONDITION_FDS_MAX. */
        size_t (*poll_fds)(const struct mf_condition *condition, struct pollfd *ret);
        /* Writes what was seen of it so far: "nothing listens". */
        void (*describe)(struct mf_condition *condition, struct mayfly_container *container, char *seen, size_t size);
        /* Gives up what it has under way, and frees it. */
        void (*clear)(struct mf_condition *condition);
        int looks_at_the_dead; /* it can be looked at when the container has died, because it looks at what is left */
        int is_event; /* what it looks at is told to the library, so that it is looked at whenever something was */
        int is_slow;  /* a look is a program's or a server's work, so that the time between looks is as long as it */
};

struct mf_condition {
        const struct mf_condition_type *type;
        struct mayfly_wait options;    /* its strings are the caller's */
        char *what;                    /* in words */
        int state;                     /* as look() returns it */
        struct mayfly_error *error;    /* why it never will hold; NULL before */
        uint64_t deadline_us;          /* UINT64_MAX: it has none of its own */
        uint64_t next_look_us;         /* set by the loop, unless look() has set it to a later time itself */
        struct mf_condition *children; /* of a group */
        size_t n_children;
        void *data; /* the type's */
};

extern const struct mf_condition_type mf_condition_all, mf_condition_any, mf_condition_log, mf_condition_port,
        mf_condition_unix, mf_condition_http, mf_condition_command, mf_condition_file, mf_condition_notify,
        mf_condition_exit, mf_condition_callback, mf_condition_healthy;

/* tree.c: makes a group of all conditions of a caller's list, which may be NULL, and checks them. Returns 0, or negative
 * errno and then nothing is to be cleared. */
int mf_conditions_make(struct mf_condition *ret, const struct mayfly_wait *list, struct mayfly_error *err);
/* Checks the tree against the image and the spec of the container. */
int mf_conditions_resolve(struct mf_condition *condition, const struct mayfly_container *container,
                          struct mayfly_error *err);
/* Whether a condition of this type is in the tree. */
int mf_conditions_have(const struct mf_condition *condition, const struct mf_condition_type *type);
void mf_conditions_clear(struct mf_condition *condition);

/* events.c: returns -EINVAL when the container runs no app that `what` could come of. */
int mf_condition_need_app(const struct mayfly_container *container, const char *what, struct mayfly_error *err);

/* loop.c: waits until the tree holds. Returns 0 or negative errno. */
int mf_conditions_await(struct mf_condition *root, struct mayfly_container *container, struct mayfly_error *err);

#endif
