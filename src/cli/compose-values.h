/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_COMPOSE_VALUES_H
#define MF_CLI_COMPOSE_VALUES_H

/* The keys of a service of compose that a container of a declaration can have. */

#include "cli/reader.h"

struct compose {
        const struct reader *reader;
        json_t *containers; /* of the declaration that is made */
        json_t *volumes;    /* names of volumes, and the service that has each */
};

struct compose_service {
        const struct compose *compose;
        const struct place *place;
        json_t *to; /* the container */
        int is_read_only;
};

struct compose_key {
        const char *name;
        const char *to; /* the container's key of the same value; NULL with `take` */
        int (*take)(struct compose_service *service, const struct place *place, json_t *value);
};

extern const struct compose_key compose_keys[]; /* ends with an element without a name */

#endif
