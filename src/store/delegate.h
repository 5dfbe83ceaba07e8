/* SPDX-License-Identifier: MIT */
#ifndef MF_STORE_DELEGATE_H
#define MF_STORE_DELEGATE_H

/* The verification that an ordinary user's program leaves to mayfly-helper, and the form in which reports about the store come back. */

#include <mayfly/store.h>

#include "protocol/pack.h"

/* Does what mayfly_store_verify() does, with the store's path in the options. *ret is filled also on failure. */
int mf_delegate_verify(const struct mayfly_verify_options *options, struct mayfly_verify_result *ret,
                       struct mayfly_error *err);

/* The operation VERIFY has as arguments the options, and whether there is a callback. */
extern const struct mf_fields mf_verify_options_fields;
extern const struct mf_fields mf_verify_result_fields;

/* Reports of VERIFY and GC. */
void mf_pack_store_report(struct mf_pack *pack, const struct mayfly_store_report *report);

/* A caller's callback. mf_store_relay() is a callback of mf_call() that passes reports on to it. */
struct mf_store_reporter {
        mayfly_store_fn report;
        void *userdata;
};

int mf_store_relay(void *reporter, struct mf_unpack *report);

#endif
