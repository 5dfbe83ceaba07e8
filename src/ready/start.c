/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "container/container.h"
#include "util/error.h"
#include "util/macro.h"

MF_EXPORT int mayfly_container_start(struct mayfly_container **ret, const struct mayfly_spec *spec,
                                     struct mayfly_error *err)
{
        struct mayfly_container *container = NULL;

        int r = mf_container_new(&container, spec, err);
        if (r < 0)
                return r;
        if (!ret)
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_start() needs a place for its result");
        if (r == 0)
                r = mf_container_open_image(container, err);
        if (r == 0)
                r = mf_container_boot(container, err);
        if (r < 0) {
                mayfly_container_free(container);
                return r;
        }
        *ret = container;
        return 0;
}
