/* SPDX-License-Identifier: MIT */
#include "model/image-config.h"

#include <stdlib.h>

#include "util/strv.h"

static void free_lists(struct mf_image_config *config)
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
                mf_strv_free(config->dependencies[i].labels);
        }
        free(config->dependencies);
}

struct mf_app_words mf_app_words(const struct mf_image_config *config, const char *const *entrypoint,
                                 const char *const *arguments)
{
        if (entrypoint)
                return (struct mf_app_words){ entrypoint, arguments };
        return (struct mf_app_words){ (const char *const *) config->entrypoint,
                                      arguments ? arguments : (const char *const *) config->argv };
}

const char *mf_app_program(const struct mf_app_words *words)
{
        if (words->entrypoint && words->entrypoint[0])
                return words->entrypoint[0];
        return words->arguments ? words->arguments[0] : NULL;
}

int mf_image_config_has_app(const struct mf_image_config *config)
{
        const struct mf_app_words words = mf_app_words(config, NULL, NULL);

        return mf_app_program(&words) != NULL;
}

struct mf_image_config *mf_image_config_free(struct mf_image_config *config)
{
        if (config) {
                free_lists(config);
                mf_isolators_clear(&config->isolation.isolators);
                mf_strv_free(config->isolation.syscalls);
                mf_strv_free(config->labels);
                mf_strv_free(config->entrypoint);
                mf_strv_free(config->argv);
                mf_strv_free(config->env);
                mf_strv_free(config->format_env);
                free(config->metadata_env);
                mf_strv_free(config->directories);
                mf_strv_free(config->pre_start);
                mf_strv_free(config->post_stop);
                mf_strv_free(config->health.command);
                free(config->health.fault);
                mf_strv_free(config->whitelist);
                free(config->name);
                free(config->user);
                free(config->group);
                free(config->cwd);
                free(config->extra_groups);
                free(config);
        }
        return NULL;
}
