/* SPDX-License-Identifier: MIT */
#ifndef MF_READY_START_H
#define MF_READY_START_H

#include <mayfly/container.h>

#include "ready/condition.h"

/* A start in two steps: what can be checked without anything being fetched or started, and the rest. All zero: nothing. */
struct mf_start {
        struct mayfly_container *container;
        struct mf_condition wait;
        struct mayfly_wait *published; /* the wait of a spec that has none, */
        char (*ports)[32];             /* and its ports */
};

/* Takes the spec, and checks it and its wait. Returns 0 or negative errno. */
int mf_start_prepare(struct mf_start *start, const struct mayfly_spec *spec, struct mayfly_error *err);

/* Does the same for a container that is not one of several. */
int mf_start_prepare_alone(struct mf_start *start, const struct mayfly_spec *spec, struct mayfly_error *err);

/* Returns -EINVAL with an error when the spec is to have spares. */
int mf_start_refuse_spares(const struct mf_start *start, struct mayfly_error *err);

/* Starts the container and waits until it is ready. When the descriptor `cancel` (-1 for none) becomes readable, the start ends
 * with -ECANCELED. Returns 0 and the container, or negative errno. */
int mf_start_run(struct mf_start *start, int cancel, struct mayfly_container **ret, struct mayfly_error *err);

/* The part of it that each life of a container has: with its image open and its ports bound, it starts and becomes ready. Returns 0 or
 * negative errno. */
int mf_start_boot(struct mf_start *start, struct mayfly_error *err);

/* Frees all but the container. */
void mf_start_release(struct mf_start *start);
/* Frees what is left; a container that was not handed out ends. */
void mf_start_clear(struct mf_start *start);

#endif
