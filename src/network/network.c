/* SPDX-License-Identifier: MIT */
/* mayfly-network: makes networks that containers share, and puts containers on them. It has the right to because the library's
 * process is root's, or as root of an ordinary user's own namespace. */
#include "network/network.h"

#include "util/macro.h"

int main(void)
{
        static const struct mf_serve_operation operations[] = {
                { MF_OPERATION_NETWORK_CREATE, mf_network_create, 0 },
                { MF_OPERATION_NETWORK_ATTACH, mf_network_attach, 2 },
                { MF_OPERATION_NETWORK_CUT, mf_network_cut, 1 },
        };

        return mf_serve_one("mayfly-network", operations, MF_ELEMENTSOF(operations));
}
