/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "oci/document.h"
#include "oci/platform.h"

/* Indexes and manifests of OCI images. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_oci_document document;

        int r = mf_oci_document_parse(&document, (const char *) data, size, &err);
        if (r < 0) {
                must_have_failed(r, err);
                return 0;
        }
        for (size_t i = 0; i < document.n; i++)
                must(strlen(document.list[i].digest) == 71 || strlen(document.list[i].digest) == MF_ID_LENGTH);
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        if (document.kind == MF_OCI_INDEX) {
                r = mf_oci_platform_choose(&document, &err);
                must(r < (int) document.n);
                if (r < 0)
                        must_have_failed(r, err);
        } else if (document.kind == MF_OCI_MANIFEST) {
                r = mf_oci_manifest_check(&document, &err);
                if (r < 0)
                        must_have_failed(r, err);
        }
        mf_oci_document_clear(&document);
        return 0;
}
