/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "oci/platform.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/image-name.h"
#include "util/error.h"
#include "util/macro.h"

/* The names in the label "arch" (appc's, or uname's), and OCI's. The first line that fits counts, in both directions. */
static const struct {
        const char *label, *architecture, *variant;
} names[] = {
        { "aarch64", "arm64", "v8" },   { "aarch64_be", "arm64be", NULL }, { "armv7l", "arm", "v7" },
        { "armv7b", "armbe", "v7" },    { "armv6l", "arm", "v6" },         { "armv5l", "arm", "v5" },
        { "armv5tel", "arm", "v5" },    { "i386", "386", NULL },           { "loongarch64", "loong64", NULL },
        { "mips64", "mips64le", NULL }, { "mips", "mipsle", NULL },
};

const char *mf_oci_arch_label(const char *architecture, const char *variant)
{
        for (size_t i = 0; i < MF_ELEMENTSOF(names); i++)
                if (strcmp(names[i].architecture, architecture) == 0 &&
                    (!variant || !*variant || !names[i].variant || strcmp(names[i].variant, variant) == 0))
                        return names[i].label;
        return architecture;
}

const char *mf_oci_arch_of_label(const char *label, const char **ret_variant)
{
        *ret_variant = NULL;
        for (size_t i = 0; i < MF_ELEMENTSOF(names); i++)
                if (strcmp(names[i].label, label) == 0) {
                        *ret_variant = names[i].variant;
                        return names[i].architecture;
                }
        return label;
}

const char *mf_oci_host_arch(const char **ret_variant)
{
        static __thread char host[65];

        mf_host_arch(host);
        return mf_oci_arch_of_label(host, ret_variant);
}

/* Returns how well a variant fits this host: 0 not at all, and the higher the better. Newer variants of arm run what older ones do. */
static int rate_variant(const char *architecture, const char *host, const char *variant)
{
        if (!variant || !*variant)
                return 2;
        if (strcmp(architecture, "amd64") == 0) /* v1 is every one's; whether the host has the others is not asked */
                return strcmp(variant, "v1") == 0 ? 3 : 0;
        if (!host)
                return 1;
        if (strcmp(variant, host) == 0)
                return 100;
        if (strcmp(architecture, "arm") == 0 && variant[0] == 'v' && variant[1] > '0' && variant[1] < host[1] &&
            !variant[2])
                return 2 + variant[1] - '0';
        return 0;
}

/* Lists the platforms of an index, each once. */
static void show_platforms(const struct mf_oci_document *index, char *ret, size_t size)
{
        size_t used = 0;

        *ret = '\0';
        for (size_t i = 0; i < index->n && used < size; i++) {
                const struct mf_oci_descriptor *one = &index->list[i];
                char text[100];
                if (!one->os || !one->architecture || strcmp(one->os, "unknown") == 0)
                        continue;
                snprintf(text, sizeof(text), "%.20s/%.20s%s%.20s", one->os, one->architecture,
                         one->variant && *one->variant ? "/" : "", one->variant ? one->variant : "");
                if (!strstr(ret, text))
                        used += (size_t) snprintf(ret + used, size - used, "%s%s", used ? ", " : "", text);
        }
}

/* Sets the error of an index that has no image for this host. Returns -ENOENT. */
static int none_fits(const struct mf_oci_document *index, const char *architecture, struct mayfly_error *err)
{
        char shown[600];

        show_platforms(index, shown, sizeof(shown));
        return mf_error(err, -ENOENT, MAYFLY_STAGE_MANIFEST,
                        "the image is not for this host, which is linux/%s: it is for %s; use an image for "
                        "linux/%s, or pin the manifest of another platform",
                        architecture, *shown ? shown : "no platform that it names", architecture);
}

/* Sets the error of an index with several images that their platforms do not tell apart. Returns -EINVAL. */
static int several(const struct mf_oci_document *index, struct mayfly_error *err)
{
        char shown[1500] = "";
        size_t used = 0;

        for (size_t i = 0; i < index->n && used < sizeof(shown); i++)
                used += (size_t) snprintf(shown + used, sizeof(shown) - used, "%s%s%s%.100s%s", used ? ", " : "",
                                          index->list[i].digest, index->list[i].ref_name ? " (" : "",
                                          index->list[i].ref_name ? index->list[i].ref_name : "",
                                          index->list[i].ref_name ? ")" : "");
        return mf_error(err, -EINVAL, MAYFLY_STAGE_MANIFEST, "there are %zu images: %s; pin one of them", index->n,
                        shown);
}

int mf_oci_platform_choose(const struct mf_oci_document *index, struct mayfly_error *err)
{
        const char *variant, *architecture = mf_oci_host_arch(&variant);
        int best = -1, rating = 0, unsaid = 0, equal = 0;

        for (size_t i = 0; i < index->n; i++) {
                const struct mf_oci_descriptor *one = &index->list[i];
                if (!one->os && !one->architecture)
                        unsaid++;
                if (!one->os || strcmp(one->os, "linux") != 0 || !one->architecture ||
                    strcmp(one->architecture, architecture) != 0)
                        continue;
                int r = rate_variant(architecture, variant, one->variant);
                equal = r > rating ? 0 : equal + (r == rating && one->ref_name);
                if (r > rating) {
                        rating = r;
                        best = (int) i;
                }
        }
        if (index->n == 1 && unsaid == 1)
                return 0;
        if (best < 0)
                return unsaid > 1 ? several(index, err) : none_fits(index, architecture, err);
        return equal && index->list[best].ref_name ? several(index, err) : best;
}
