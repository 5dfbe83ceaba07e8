/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "aci/manifest-notes.h"
#include "aci/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_image_config *config = NULL;
        struct mf_notes notes;

        int r = mf_manifest_parse(&config, (const char *) data, size, &err);
        if (r < 0) {
                must_have_failed(r, err);
                must(!config);
                return 0;
        }
        must(config->name && config->labels && config->env &&
             (!mf_image_config_has_app(config) || (config->user && config->group)));
        must(mf_manifest_notes(&notes, (const char *) data, size, &err) == 0);
        for (char **w = notes.warnings.list; w && *w; w++)
                must(!strpbrk(*w, "\n\r\t\x1b"));
        mf_image_config_free(config);

        /* What is printed indented is the same manifest. */
        must(mf_manifest_parse(&config, notes.pretty, strlen(notes.pretty), NULL) == 0);
        mf_image_config_free(config);
        mf_notes_clear(&notes);
        return 0;
}
