/* SPDX-License-Identifier: MIT */
#ifndef MF_CONTAINER_LIFE_H
#define MF_CONTAINER_LIFE_H

/* What may be done with a container at which time of its life. Each function returns 0 or negative errno. */

#include <mayfly/life.h>

/* signal.c: -EINVAL when the container runs no app, -ESRCH when the app, or the container, has ended. */
int mf_container_check_app_runs(struct mayfly_container *container, const char *what, struct mayfly_error *err);

/* pause.c: -ESRCH when the container has ended. */
int mf_container_check_runs(struct mayfly_container *container, const char *what, struct mayfly_error *err);
/* Whether it is, as far as is known. */
int mf_container_is_paused(const struct mayfly_container *container);
/* -EBUSY when it is paused, and has not died meanwhile. */
int mf_container_check_unpaused(const struct mayfly_container *container, const char *what, struct mayfly_error *err);
/* Sets the error of one that is paused. Returns -EBUSY. */
int mf_container_explain_pause(const struct mayfly_container *container, const char *what, struct mayfly_error *err);

#endif
