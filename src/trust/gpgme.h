/* SPDX-License-Identifier: MIT */
#ifndef MF_GPGME_H
#define MF_GPGME_H

/* What gpg.c uses of GPGME, which it loads at its first use (util/library.h). */

#include <gpgme.h>

#include "util/library.h"

#define MF_GPGME_LIST(X)                    \
        X(gpgme_, cancel)                   \
        X(gpgme_, check_version)            \
        X(gpgme_, ctx_get_engine_info)      \
        X(gpgme_, ctx_set_engine_info)      \
        X(gpgme_, data_new)                 \
        X(gpgme_, data_new_from_cbs)        \
        X(gpgme_, data_new_from_mem)        \
        X(gpgme_, data_release)             \
        X(gpgme_, data_release_and_get_mem) \
        X(gpgme_, data_set_flag)            \
        X(gpgme_, engine_check_version)     \
        X(gpgme_, free)                     \
        X(gpgme_, key_unref)                \
        X(gpgme_, new)                      \
        X(gpgme_, op_export)                \
        X(gpgme_, op_keylist_end)           \
        X(gpgme_, op_keylist_next)          \
        X(gpgme_, op_keylist_start)         \
        X(gpgme_, op_verify_result)         \
        X(gpgme_, op_verify_start)          \
        X(gpgme_, release)                  \
        X(gpgme_, set_armor)                \
        X(gpgme_, set_global_flag)          \
        X(gpgme_, set_io_cbs)               \
        X(gpgme_, set_offline)              \
        X(gpgme_, strerror)                 \
        X(gpgme_, strerror_r)

struct mf_gpgme {
        MF_GPGME_LIST(MF_LIBRARY_POINTER)
};

#endif
