/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "oci/config.h"

/* Configurations of OCI images. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_oci_config config;

        int r = mf_oci_config_parse(&config, (const char *) data, size, "an image", &err);
        if (r < 0) {
                must_have_failed(r, err);
                return 0;
        }
        must(config.image->labels && config.image->env && strcmp(config.os, "linux") == 0);
        must(!mf_image_config_has_app(config.image) || (config.image->user && config.image->cwd[0] == '/'));
        for (size_t i = 0; i < config.image->n_ports; i++)
                must(config.image->ports[i].port + config.image->ports[i].count <= 65536);
        for (size_t i = 0; i < config.image->n_mount_points; i++)
                must(config.image->mount_points[i].path[0] == '/');
        mf_oci_config_clear(&config);
        return 0;
}
