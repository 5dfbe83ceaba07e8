/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "container/container.h"
#include "container/look.h"
#include "ready/condition.h"
#include "util/error.h"

/* A file of the container. */

static int check(struct mf_condition *condition, char *what, size_t size, struct mayfly_error *err)
{
        const char *path = condition->options.file;

        snprintf(what, size, "file %.300s", path);
        return mf_look_check(path, err);
}

static int look(struct mf_condition *condition, struct mayfly_container *container, struct mayfly_error *err)
{
        mode_t mode = 0;
        int r = mf_container_look(container, condition->options.file, &mode, err);

        return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static void describe(struct mf_condition *condition, struct mayfly_container *container, char *seen, size_t size)
{
        char directory[300];
        mode_t mode = 0;

        snprintf(directory, sizeof(directory), "%s", condition->options.file);
        char *slash = strrchr(directory, '/');
        slash[slash == directory] = '\0';
        if (mf_container_look(container, directory, &mode, NULL) < 0)
                snprintf(seen, size, "its directory %.200s does not exist", directory);
        else if (S_ISDIR(mode))
                snprintf(seen, size, "it does not exist");
        else
                snprintf(seen, size, "%.200s is not a directory", directory);
}

const struct mf_condition_type mf_condition_file = { .check = check, .look = look, .describe = describe };
