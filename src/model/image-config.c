/* SPDX-License-Identifier: MIT */
#include "model/image-config.h"

#include <errno.h>
#include <stdlib.h>

#include "container/seccomp.h"

void mf_strings_free(char **strings)
{
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
}

int mf_strings_add(char ***list, char *string)
{
        size_t n = 0;

        while (*list && (*list)[n])
                n++;
        char **grown = string ? realloc(*list, (n + 2) * sizeof(char *)) : NULL;
        if (!grown) {
                free(string);
                return -ENOMEM;
        }
        *list = grown;
        grown[n] = string;
        grown[n + 1] = NULL;
        return 0;
}

static void free_lists(struct mf_run_config *config)
{
        for (size_t i = 0; i < config->n_mount_points; i++) {
                free(config->mount_points[i].name);
                free(config->mount_points[i].path);
        }
        free(config->mount_points);
        for (size_t i = 0; i < config->n_ports; i++) {
                free(config->ports[i].name);
                free(config->ports[i].protocol);
        }
        free(config->ports);
        for (size_t i = 0; i < config->n_dependencies; i++) {
                free(config->dependencies[i].name);
                free(config->dependencies[i].id);
                mf_strings_free(config->dependencies[i].labels);
        }
        free(config->dependencies);
}

struct mf_run_config *mf_run_config_free(struct mf_run_config *config)
{
        if (config) {
                free_lists(config);
                mf_isolators_free(config->isolation.list);
                mf_strings_free(config->isolation.syscalls);
                mf_strings_free(config->labels);
                mf_strings_free(config->exec);
                mf_strings_free(config->env);
                mf_strings_free(config->pre_start);
                mf_strings_free(config->post_stop);
                mf_strings_free(config->whitelist);
                free(config->name);
                free(config->user);
                free(config->group);
                free(config->cwd);
                free(config->extra_groups);
                free(config);
        }
        return NULL;
}
