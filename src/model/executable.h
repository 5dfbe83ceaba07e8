/* SPDX-License-Identifier: MIT */
#ifndef MF_EXECUTABLE_H
#define MF_EXECUTABLE_H

/* What Linux reads of a file to execute it: an ELF header, or a first line that begins with "#!". */

#include <stddef.h>
#include <stdint.h>

enum mf_executable_kind { MF_EXECUTABLE_UNKNOWN = 0, MF_EXECUTABLE_SCRIPT, MF_EXECUTABLE_ELF };

struct mf_executable {
        enum mf_executable_kind kind;
        const char *problem; /* why Linux cannot execute it, such as "it is empty"; NULL: it looks sound */
        char *interpreter;   /* the program that a script names, or the dynamic loader of an ELF file; or NULL */
        unsigned machine;    /* an ELF file's e_machine, */
        int is_64_bit, is_big_endian;
};

/* Enough bytes of a file for mf_executable_parse(). The tables of few programs lie behind them. */
#define MF_EXECUTABLE_HEAD ((size_t) 64 * 1024)

/* Parses the beginning of a file of `size` bytes, of which `head` has at least as many as MF_EXECUTABLE_HEAD, or all. What lies
 * behind `head` is taken for sound. Returns 0 or -ENOMEM. The caller clears *ret in any case. */
int mf_executable_parse(struct mf_executable *ret, const void *head, size_t head_size, uint64_t size);
void mf_executable_clear(struct mf_executable *executable);

/* Appc's name of the architecture that an ELF file is for, or NULL when appc has none. */
const char *mf_executable_arch(const struct mf_executable *executable);
/* Returns 1 when a file is for the architecture that appc calls `arch`, or nothing says that it is not, else 0. */
int mf_executable_is_for(const struct mf_executable *executable, const char *arch);

#endif
