/* SPDX-License-Identifier: MIT */
/* mayfly-network: makes networks that containers share, and puts containers on them. It has the right to because the library's
 * process is root's, or as root of an ordinary user's own namespace. */
#define _GNU_SOURCE
#include "network/network.h"

#include <errno.h>
#include <unistd.h>

#include "util/error.h"
#include "util/macro.h"

#define PROGRAM "mayfly-network"
#define COMMON_FDS 2U /* pidfd of the owner and the working directory, which come with each request */

static const struct {
        enum mf_operation operation;
        int (*run)(struct mf_network_call *call, struct mayfly_error *err);
        size_t n_fds;
} operations[] = {
        { MF_OPERATION_NETWORK_CREATE, mf_network_create, 0 },
        { MF_OPERATION_NETWORK_ATTACH, mf_network_attach, 2 },
        { MF_OPERATION_NETWORK_CUT, mf_network_cut, 1 },
};

/* Does what the request says. */
static int run(const struct mf_frame *request, struct mf_network_call *call, struct mayfly_error *err)
{
        const size_t joins = geteuid() != 0; /* as mf_privilege_is_delegated() */

        for (size_t i = 0; i < MF_ELEMENTSOF(operations); i++) {
                if ((int32_t) operations[i].operation != request->value)
                        continue;
                if (request->n_fds < COMMON_FDS + joins + operations[i].n_fds)
                        return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST, "mayfly-network lacks descriptors");
                call->fds = request->fds + COMMON_FDS + joins;
                call->arguments = mf_frame_payload(request);
                int r = joins ? mf_serve_join(request->fds[COMMON_FDS], err) : 0;
                return r < 0 ? r : operations[i].run(call, err);
        }
        return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST,
                        "mayfly-network knows no operation %d; install the library and its helper programs together",
                        (int) request->value);
}

int main(void)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_network_call call = { 0 };
        struct mf_frame request;
        int socket = mf_serve_begin(PROGRAM, &request);

        if (socket < 0)
                return 2;
        int r = run(&request, &call, &err);
        return mf_serve_answer(PROGRAM, socket, r, &call.answer, &err) < 0;
}
