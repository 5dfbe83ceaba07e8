/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "model/show.h"

#include <string.h>

#include "model/image-id.h"
#include "util/escape.h"

/* Returns the beginning of the user and password in `text`, after "://", and sets *ret_end to the "@" after them; NULL when
 * there are none. */
static const char *find_user(const char *text, const char **ret_end)
{
        const char *user = strstr(text, "://");

        if (!user)
                return NULL;
        user += 3;
        size_t length = strcspn(user, "/?#");
        const char *end = memrchr(user, '@', length);
        /* The "@" of "https://host@sha512-..." begins the pin. */
        if (end && !user[length] && mf_image_id_has_prefix(end + 1))
                end = memrchr(user, '@', (size_t) (end - user));
        *ret_end = end;
        return end ? user : NULL;
}

void mf_show_url(char shown[MF_SHOWN_MAX], const char *text, int hide_query)
{
        const char *end = NULL, *user = find_user(text, &end), *query = hide_query ? strchr(text, '?') : NULL;
        const char *colon = user ? memchr(user, ':', (size_t) (end - user)) : NULL;
        char raw[MF_SHOWN_MAX];
        size_t n = 0;

        for (const char *p = text; *p && n + 5 < MF_SHOWN_MAX; p++) {
                if (p == colon) {
                        memcpy(raw + n, ":***", 4);
                        n += 4;
                        p = end - 1;
                } else if (p == query) {
                        memcpy(raw + n, "?...", 4);
                        n += 4;
                        break;
                } else {
                        raw[n++] = *p;
                }
        }
        raw[n] = '\0';
        mf_escape(shown, MF_SHOWN_MAX, raw);
}
