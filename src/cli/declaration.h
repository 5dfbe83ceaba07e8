/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_DECLARATION_H
#define MF_CLI_DECLARATION_H

/* The document that says which containers `mayfly up` starts: see mayfly-declaration(5). */

#include <stddef.h>

#include <mayfly/container.h>
#include <mayfly/wait.h>

#include "util/arena.h"

/* A container of a declaration. */
struct declared {
        const char *name;
        struct mayfly_spec spec;           /* all but networks, whose handles are not there yet */
        const char *const *networks;       /* their names, NULL-terminated; NULL for none */
        const char *const *snapshot_after; /* a command; NULL for none */
};

struct declaration {
        struct mf_arena memory;      /* has all of it */
        const char *const *networks; /* names, NULL-terminated; NULL for none */
        struct declared *containers;
        size_t n;
};

/* Reads a file, or standard input for "-". Paths in it are relative to the file's directory. Start from zeros. Returns 0 or negative errno
 * with an error; declaration_clear() is to be called in either case. */
int declaration_read(const char *file, struct declaration *ret, struct mayfly_error *err);
void declaration_clear(struct declaration *declaration);

/* Leaves the containers of these names, and those that they come after. No name leaves all. Returns 0 or -ENOENT with an error. */
int declaration_choose(struct declaration *declaration, const char *const *names, struct mayfly_error *err);

#endif
