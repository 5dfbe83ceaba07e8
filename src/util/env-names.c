/* SPDX-License-Identifier: MIT */
#include "util/env-names.h"

#include <stdlib.h>
#include <string.h>

#include "util/escape.h"
#include "util/nearest.h"

#define PREFIX "MAYFLY_"

const char *const mf_env_names[] = {
        "MAYFLY_CA_FILE",
        "MAYFLY_DEBUG",
        "MAYFLY_ENGINE",
        "MAYFLY_FETCH",
        "MAYFLY_KEEP",
        "MAYFLY_LIBEXEC",
        "MAYFLY_LOG_DIR",
        "MAYFLY_LOG_LINES",
        "MAYFLY_MIRRORS",
        "MAYFLY_REQUIRE",
        "MAYFLY_SIGNATURES",
        "MAYFLY_STORE",
        "MAYFLY_STORE_MAX_AGE",
        "MAYFLY_STORE_MAX_BYTES",
        "MAYFLY_TIMEOUT_FACTOR",
        "MAYFLY_TRUSTED_KEYS",
        NULL,
};

unsigned mf_env_warn(char *const *environment, FILE *out)
{
        unsigned n = 0;

        for (; environment && *environment; environment++) {
                size_t length = strcspn(*environment, "=");
                char name[MF_NEAREST_MAX + 1];
                if (strncmp(*environment, PREFIX, strlen(PREFIX)) != 0 || length >= sizeof(name))
                        continue;
                memcpy(name, *environment, length);
                name[length] = '\0';
                const char *meant = mf_nearest(name, mf_env_names, MF_MOST_EDITS);
                if (!meant || strcmp(meant, name) == 0)
                        continue;
                char shown[4 * sizeof(name)];
                mf_escape(shown, sizeof(shown), name);
                fprintf(out, "mayfly: warning: the environment variable %s has no effect; did you mean %s?\n", shown,
                        meant);
                n++;
        }
        return n;
}

int mf_env_requires(void)
{
        const char *value = getenv("MAYFLY_REQUIRE");

        return value && *value && strcmp(value, "0") != 0;
}
