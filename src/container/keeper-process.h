/* SPDX-License-Identifier: MIT */
#ifndef MF_KEEPER_PROCESS_H
#define MF_KEEPER_PROCESS_H

/* A process of the program mayfly-keep: see src/keep/. */

#include <stddef.h>

#include <mayfly/error.h>

/* It ends when `control` is closed before mf_keeper_hand_over(). */
struct mf_keeper {
        int control, process, reaper; /* the last two are pidfds, the last may be -1 */
};

#define MF_KEEPER_NONE ((struct mf_keeper){ -1, -1, -1 })

/* Starts it with these words, NULL-terminated, as arguments. Returns 0 or negative errno with an error. */
int mf_keeper_start(struct mf_keeper *ret, const char *const *words, struct mayfly_error *err);

/* Gives it what it keeps, and waits until it has that. Returns 0 or negative errno. */
int mf_keeper_hand_over(const struct mf_keeper *keeper, const int *fds, size_t n_fds);

/* Says why mf_keeper_hand_over() has failed while `doing` something to `what`. Returns negative errno: -ESRCH when mayfly-keep has ended. */
int mf_keeper_explain(const struct mf_keeper *keeper, int error, enum mayfly_stage stage, const char *doing,
                      const char *what, struct mayfly_error *err);

/* Closes the descriptors. A process that has got something goes on. */
void mf_keeper_clear(struct mf_keeper *keeper);

#endif
