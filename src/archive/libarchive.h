/* SPDX-License-Identifier: MIT */
#ifndef MF_LIBARCHIVE_H
#define MF_LIBARCHIVE_H

/* libarchive, which is loaded at its first use (util/library.h). */

#include <archive.h>
#include <archive_entry.h>

#include "util/library.h"

#define MF_LIBARCHIVE_LIST(X)                      \
        X(archive_, entry_free)                    \
        X(archive_, entry_new)                     \
        X(archive_, entry_set_filetype)            \
        X(archive_, entry_set_pathname)            \
        X(archive_, error_string)                  \
        X(archive_, filter_bytes)                  \
        X(archive_, filter_count)                  \
        X(archive_, read_data_block)               \
        X(archive_, read_free)                     \
        X(archive_, read_new)                      \
        X(archive_, read_next_header)              \
        X(archive_, read_open)                     \
        X(archive_, read_open_fd)                  \
        X(archive_, read_support_filter_bzip2)     \
        X(archive_, read_support_filter_gzip)      \
        X(archive_, read_support_filter_xz)        \
        X(archive_, read_support_filter_zstd)      \
        X(archive_, read_support_format_empty)     \
        X(archive_, read_support_format_raw)       \
        X(archive_, set_error)                     \
        X(archive_, write_add_filter_gzip)         \
        X(archive_, write_add_filter_xz)           \
        X(archive_, write_close)                   \
        X(archive_, write_data)                    \
        X(archive_, write_free)                    \
        X(archive_, write_header)                  \
        X(archive_, write_new)                     \
        X(archive_, write_open2)                   \
        X(archive_, write_set_bytes_in_last_block) \
        X(archive_, write_set_filter_option)       \
        X(archive_, write_set_format_raw)

struct mf_libarchive {
        MF_LIBARCHIVE_LIST(MF_LIBRARY_POINTER)
};

/* Its calls, which are there after mf_libarchive_load(). */
extern struct mf_libarchive mf_libarchive;

/* Loads libarchive. Returns 0 or negative errno with an error. */
int mf_libarchive_load(struct mayfly_error *err);

#endif
