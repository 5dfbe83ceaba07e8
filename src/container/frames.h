/* SPDX-License-Identifier: MIT */
#ifndef MF_FRAMES_H
#define MF_FRAMES_H

/* The frames of a backtrace that gdb has no function for, because the program has no symbols: they get the place in the program's file. */

#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

/* Ends a line of gdb's, without the blank that gdb 16 puts after the last column of a table, and moves *rest to the next one. Returns the
 * line, or NULL when there is none. */
char *mf_frames_line(char **rest);

/* A file, or a part of it, in the memory of the app. */
struct mf_mapping {
        uint64_t begin, end;
        const char *path;
};

struct mf_mappings {
        char *text; /* what the paths are in */
        struct mf_mapping *list;
        size_t n, allocated;
};

/* Takes what gdb's "info proc mappings" says, an allocated text. Lines that are none of files are left out. Returns 0 or -ENOMEM. */
int mf_mappings_take(struct mf_mappings *ret, char *text);
void mf_mappings_clear(struct mf_mappings *mappings);
/* Returns the one that has the address, or NULL. */
const struct mf_mapping *mf_mappings_find(const struct mf_mappings *mappings, uint64_t address);

/* The program of the app. */
struct mf_frames_program {
        const struct mf_mapping *mapping; /* one of them, or NULL: nobody knows */
        const char *path;                 /* in the container */
        uint64_t shift;                   /* how much higher an address in memory is than in the file */
};

/* Adds the backtrace to `ret`, and to each frame " in ?? ()" from which file it is, and the address in it: " from PATH+0xADDRESS".
 * Returns 0 or -ENOMEM. */
int mf_frames_name(const char *backtrace, const struct mf_mappings *mappings, const struct mf_frames_program *program,
                   struct mf_buffer *ret);

#endif
