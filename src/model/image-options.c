/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "model/image-options.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/options.h"

/* Sets the option signatures from the environment where the caller did not set it. Returns 0 or -EINVAL. */
static int take_signatures(struct mayfly_image_options *options, struct mayfly_error *err)
{
        const char *env = secure_getenv("MAYFLY_SIGNATURES");

        if ((unsigned) options->signatures > MAYFLY_SIGNATURES_OFF)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the option signatures is %d; use a value of enum mayfly_signatures",
                                (int) options->signatures);
        if (options->signatures != MAYFLY_SIGNATURES_DEFAULT || !env || !*env)
                return 0;
        if (strcmp(env, "required") == 0)
                options->signatures = MAYFLY_SIGNATURES_REQUIRED;
        else if (strcmp(env, "if-present") == 0)
                options->signatures = MAYFLY_SIGNATURES_IF_PRESENT;
        else if (strcmp(env, "off") == 0)
                options->signatures = MAYFLY_SIGNATURES_OFF;
        else
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "MAYFLY_SIGNATURES is \"%.60s\"; write required, if-present or off", env);
        return 0;
}

static int take_fetch(struct mayfly_image_options *options, struct mayfly_error *err)
{
        const char *env = secure_getenv("MAYFLY_FETCH");

        if ((unsigned) options->fetch > MAYFLY_FETCH_NEVER)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the option fetch is %d; use a value of enum mayfly_fetch", (int) options->fetch);
        if (options->fetch != MAYFLY_FETCH_DEFAULT)
                return 0;
        options->fetch = MAYFLY_FETCH_MISSING;
        if (!env || !*env || strcmp(env, "missing") == 0)
                return 0;
        if (strcmp(env, "never") != 0)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "MAYFLY_FETCH is \"%.60s\"; write missing or never",
                                env);
        options->fetch = MAYFLY_FETCH_NEVER;
        return 0;
}

/* Sets *limit from the variable `name` where the caller did not set it. The variable is a number and one of the units in
 * `letters`, or, with `alone`, a number without a unit; "never" and 0 mean no limit. Returns 0 or -EINVAL. */
static int take_limit(const char *name, const char *letters, const uint64_t *factors, int alone, uint64_t preset,
                      uint64_t *limit, struct mayfly_error *err)
{
        const char *env = secure_getenv(name);
        char *end = NULL;

        if (*limit)
                return 0;
        *limit = preset;
        if (!env || !*env)
                return 0;
        *limit = UINT64_MAX;
        if (strcmp(env, "never") == 0 || strcmp(env, "0") == 0)
                return 0;
        errno = 0;
        uint64_t n = strtoull(env, &end, 10);
        const char *letter = *end ? strchr(letters, *end) : NULL;
        if (*env < '0' || *env > '9' || errno || (*end ? !letter || end[1] : !alone) ||
            __builtin_mul_overflow(n, letter ? factors[letter - letters] : 1, limit) || *limit == 0)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "%s is \"%.60s\"; write \"never\", or a number from 1 with one of the units %s%s", name,
                                env, letters, alone ? " or alone" : "");
        return 0;
}

static int take_limits(struct mayfly_image_options *options, struct mayfly_error *err)
{
        static const uint64_t seconds[] = { 1, 60, 3600, 86400, UINT64_C(7) * 86400 };
        static const uint64_t bytes[] = { UINT64_C(1) << 10, UINT64_C(1) << 20, UINT64_C(1) << 30, UINT64_C(1) << 40 };

        int r = take_limit("MAYFLY_STORE_MAX_BYTES", "KMGT", bytes, 1, UINT64_C(20) << 30, &options->store_max_bytes,
                           err);
        if (r == 0)
                r = take_limit("MAYFLY_STORE_MAX_AGE", "smhdw", seconds, 0, UINT64_C(30) * 86400,
                               &options->store_max_age_s, err);
        return r;
}

int mf_image_options_copy(const struct mayfly_image_options *given, struct mayfly_image_options *ret,
                          struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the image options", "MAYFLY_IMAGE_OPTIONS_INIT", struct mayfly_image_options, fetch);

        *ret = (struct mayfly_image_options) MAYFLY_IMAGE_OPTIONS_INIT;
        return mf_options_take(ret, given, &kind, err);
}

int mf_image_options_take(const struct mayfly_image_options *given, struct mayfly_image_options *ret,
                          struct mayfly_error *err)
{
        struct mayfly_image_options options;

        int r = mf_image_options_copy(given, &options, err);
        if (r < 0)
                return r;
        if (options.retries == 0)
                options.retries = 4;
        else if (options.retries == UINT32_MAX)
                options.retries = 0;
        if (!options.stall_timeout_ms)
                options.stall_timeout_ms = 30000;
        if (!options.connect_timeout_ms)
                options.connect_timeout_ms = 10000;
        if (!options.ca_file)
                options.ca_file = secure_getenv("MAYFLY_CA_FILE");
        if (options.ca_file && !*options.ca_file)
                options.ca_file = NULL;
        r = take_signatures(&options, err);
        if (r == 0)
                r = take_fetch(&options, err);
        if (r == 0)
                r = take_limits(&options, err);
        if (r < 0)
                return r;
        if (!options.max_unpacked)
                options.max_unpacked = UINT64_C(64) << 30;
        if (!options.max_entries)
                options.max_entries = 4000000;
        *ret = options;
        return 0;
}
