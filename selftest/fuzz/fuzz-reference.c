/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "model/reference.h"
#include "model/show.h"

/* An image is in one place: at a URL, or where its name leads, or in a registry. */
static void must_be_one(const struct mf_reference *reference)
{
        must((reference->url != NULL) + (reference->name != NULL) + (reference->repository != NULL) == 1);
        must(!reference->name || reference->format == MF_FORMAT_ACI);
        must(!reference->repository || reference->format == MF_FORMAT_OCI);
}

/* References, as they are in tests and as they are to be pinned. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = fuzz_string(data, size), *bare = NULL, shown[MF_SHOWN_MAX];

        for (int allow_http = 0; text && allow_http < 2; allow_http++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mf_reference reference = { 0 };
                int r = mf_reference_parse(&reference, text, allow_http, &err);
                if (r == 0) {
                        must_be_one(&reference);
                        must(strlen(reference.id) == (reference.id[3] == '2' ? 71 : MF_ID_LENGTH));
                        mf_reference_clear(&reference);
                } else {
                        must_have_failed(r, err);
                }
                err = (struct mayfly_error) MAYFLY_ERROR_INIT;
                r = mf_reference_parse_unpinned(&reference, &bare, text, allow_http, &err);
                if (r == 0) {
                        must_be_one(&reference);
                        must(strncmp(bare, reference.format == MF_FORMAT_OCI ? "oci:" : "aci:", 4) == 0);
                        mf_reference_clear(&reference);
                        free(bare);
                } else {
                        must_have_failed(r, err);
                }
                mf_show_url(shown, text, allow_http);
                must(!strpbrk(shown, "\n\r\t\x1b"));
        }
        free(text);
        return 0;
}
