/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "registry/challenge.h"

/* The header WWW-Authenticate, each line of the input being one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = fuzz_string(data, size), *rest = text, *line;
        struct mf_challenge challenge = { 0 };
        enum mf_challenge_scheme best = MF_CHALLENGE_NONE;

        while (rest && (line = strsep(&rest, "\n"))) {
                must(mf_challenge_add(&challenge, line) == 0);
                must(challenge.scheme >= best);
                best = challenge.scheme;
                must((challenge.scheme != MF_CHALLENGE_NONE) == (challenge.name != NULL));
                must(challenge.scheme != MF_CHALLENGE_BEARER || challenge.realm);
        }
        mf_challenge_clear(&challenge);
        free(text);
        return 0;
}
