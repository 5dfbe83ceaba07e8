/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <stdlib.h>

#include "aci/manifest.h"
#include "model/image-name.h"

static char *no_labels[] = { NULL };

/* An image's name, and on the next line a template for its URL. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = fuzz_string(data, size), *template = text ? strchr(text, '\n') : NULL, *url = NULL;
        struct mf_image_config config = { .name = text, .labels = no_labels };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_image_name *name = NULL;

        if (!text)
                return 0;
        if (template)
                *template ++ = '\0';
        int r = mf_image_name_parse(&name, text, &err);
        if (r < 0) {
                must_have_failed(r, err);
        } else {
                must(mf_image_name_label(name, "os") && mf_image_name_label(name, "version"));
                (void) mf_image_name_render(name, template ? template : "{name}-{os}.{ext}", "aci", &url);
                free(url);
                r = mf_image_name_match(name, &config, &err);
                if (r < 0)
                        must_have_failed(r, err);
                mf_image_name_free(name);
        }
        free(text);
        return 0;
}
