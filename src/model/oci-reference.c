/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "model/oci-reference.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/oci-name.h"
#include "model/show.h"
#include "util/error.h"
#include "util/macro.h"

#define PREFIX "oci:"
#define HOW_TO_PIN "append @sha256:<64 hex digits>, the digest of the image, as `mayfly pin` prints it"

#define refuse(err, text, format, ...)                                                         \
        ({                                                                                     \
                char shown_[MF_SHOWN_MAX];                                                     \
                mf_show_url(shown_, text, 0);                                                  \
                mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE, format, shown_, ##__VA_ARGS__); \
        })

int mf_oci_reference_is(const char *text)
{
        return strncmp(text, PREFIX, strlen(PREFIX)) == 0;
}

/* Returns the "@" of the pin, or NULL when there is no pin. */
static const char *find_pin(const char *what)
{
        const char *at = strrchr(what, '@');

        return at && !strchr(at, '/') ? at : NULL;
}

/* Reads the pin, "sha256:..." or "sha512:..."; "-" in place of ":", as the store writes it, is as good. Returns 0 or -EINVAL. */
static int parse_pin(const char *pin, char id[MF_ID_LENGTH + 1], const char *text, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *lower = strdup(pin);

        if (!lower)
                return mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        for (char *p = lower; *p; p++)
                *p = (char) tolower((unsigned char) *p);
        if (strncmp(lower, "sha256-", 7) == 0 || strncmp(lower, "sha512-", 7) == 0)
                lower[6] = ':';
        if (mf_image_id_of_digest(lower, id) == 0)
                return 0;
        if (strncmp(lower, "sha256:", 7) != 0 && strncmp(lower, "sha512:", 7) != 0)
                return refuse(err, text,
                              "image reference \"%s\" ends in \"@%.40s\", which is not a pin: it starts neither with "
                              "sha256: nor with sha512:; " HOW_TO_PIN,
                              pin);
        size_t wanted = lower[3] == '2' ? 64 : 128, digits = strspn(lower + 7, "0123456789abcdef");
        if (lower[7 + digits])
                return refuse(err, text,
                              "image reference \"%s\" has '%c' in its pin, which is not a hex digit; " HOW_TO_PIN,
                              isprint((unsigned char) lower[7 + digits]) ? lower[7 + digits] : '?');
        return refuse(err, text, "image reference \"%s\" has a pin of %zu hex digits, not %zu; " HOW_TO_PIN, digits,
                      wanted);
}

/* Parses the text between "oci:" and the pin. Returns 0 or negative errno. */
static int parse_what(struct mf_reference *ret, const char *what, const char *text, struct mayfly_error *err)
{
        if (!*what)
                return refuse(err, text,
                              "image reference \"%s\" names no image; write oci:NAME, or oci:file:///PATH for a "
                              "layout or an archive");
        if (strncasecmp(what, "http://", 7) == 0 || strncasecmp(what, "https://", 8) == 0)
                return refuse(err, text,
                              "image reference \"%s\" has a URL, but an image of a registry has none; write "
                              "oci:HOST/NAME, without the scheme");
        if (what[0] == '/' || what[0] == '.')
                return refuse(err, text,
                              "image reference \"%s\" has a path in place of a name; write oci:file:///PATH, with an "
                              "absolute path, for a layout or an archive");
        if (strncasecmp(what, "file:", 5) != 0) {
                struct mf_oci_name name = { 0 };
                int bad = mf_oci_name_parse(&name, what, err);
                mf_oci_name_clear(&name);
                if (bad < 0)
                        return bad;
                ret->repository = strdup(what);
                return ret->repository ? 0 : mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        }
        if (strncmp(what + 5, "///", 3) != 0 && strncasecmp(what + 5, "//localhost/", 12) != 0)
                return refuse(err, text,
                              "image reference \"%s\" has a path that is not absolute; write oci:file:///PATH for a "
                              "layout or an archive");
        int r = mf_url_check(what, 0, &ret->scheme, err);
        if (r == 0 && !(ret->url = strdup(what)))
                r = mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        return r;
}

/* Parses the text. *ret_bare is the text without the pin. Returns 0 or negative errno. */
static int parse(struct mf_reference *ret, char **ret_bare, const char *text, int pin_required,
                 struct mayfly_error *err)
{
        struct mf_reference reference = { .format = MF_FORMAT_OCI };
        const char *what = text + strlen(PREFIX), *at = find_pin(what);

        mf_cleanup(mf_freep) char *bare = at ? strndup(text, (size_t) (at - text)) : strdup(text);
        if (!bare)
                return mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        /* The name comes first: messages about the pin show the text, and a name may have a password by mistake. */
        int r = parse_what(&reference, bare + strlen(PREFIX), text, err);
        if (r == 0 && !at && pin_required) {
                char shown[MF_SHOWN_MAX];
                mf_show_url(shown, text, 0);
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                             "image reference \"%s\" is not pinned; run `mayfly pin %s` and use the reference that "
                             "it prints",
                             shown, shown);
        }
        if (r == 0 && at)
                r = parse_pin(at + 1, reference.id, text, err);
        if (r < 0) {
                mf_reference_clear(&reference);
                return r;
        }
        *ret = reference;
        *ret_bare = mf_take(bare);
        return 0;
}

int mf_oci_reference_parse(struct mf_reference *ret, const char *text, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *bare = NULL;

        return parse(ret, &bare, text, 1, err);
}

int mf_oci_reference_parse_unpinned(struct mf_reference *ret, char **ret_bare, const char *text,
                                    struct mayfly_error *err)
{
        return parse(ret, ret_bare, text, 0, err);
}
