/* SPDX-License-Identifier: MIT */

#include <stdlib.h>

#include "manifest.h"

static void free_strings(char **strings)
{
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
}

struct mf_run_config *mf_run_config_free(struct mf_run_config *config)
{
        if (config) {
                free_strings(config->labels);
                free_strings(config->exec);
                free_strings(config->env);
                free_strings(config->unsupported);
                free(config->name);
                free(config->user);
                free(config->group);
                free(config->cwd);
                free(config->extra_groups);
                free(config);
        }
        return NULL;
}
