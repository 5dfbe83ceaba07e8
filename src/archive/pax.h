/* SPDX-License-Identifier: MIT */
#ifndef MF_PAX_H
#define MF_PAX_H

/* The records of a pax header, "LENGTH KEY=VALUE\n" each, which override and complete the header of an entry. */

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "archive/entry.h"
#include "archive/sparse.h"

#define MF_PAX_WHY_MAX 300

struct mf_pax {
        const char *path, *linkpath;          /* NULL: the header's */
        int64_t size, uid, gid, major, minor; /* -1: the header's */
        int has_mtime, has_acl;
        struct timespec mtime;
        struct mf_xattr *xattrs;
        size_t n_xattrs, allocated;

        /* GNU's sparse files */
        const char *sparse_name;
        int64_t sparse_major, sparse_minor, real_size; /* -1: not said */
        int has_map;                                   /* `map` is the archive's, be it empty */
        struct mf_sparse map;
};

void mf_pax_init(struct mf_pax *pax);
void mf_pax_clear(struct mf_pax *pax);

/* Reads the records of `data`, which is changed, and which `ret` points into afterwards. The last of two records of one
 * key counts. 0, or negative errno: -EBADMSG for what is malformed, and `why` says how, for mf_entry_bad(). */
int mf_pax_parse(struct mf_pax *ret, char *data, size_t size, char why[MF_PAX_WHY_MAX]);

/* A pax header for all entries: only what says nothing of files is taken. 0 or -EBADMSG, as above. */
int mf_pax_check_global(char *data, size_t size, char why[MF_PAX_WHY_MAX]);

/* Copies a text for a message, cut to fit: what is not printable ASCII becomes "?". */
void mf_pax_show(char *ret, size_t ret_size, const char *text, size_t size);

/* "123", no sign and nothing behind, up to `max`. */
int mf_pax_number(const char *text, int64_t max, int64_t *ret);

#endif
