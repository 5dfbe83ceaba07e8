/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "reference.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "error.h"
#include "util.h"

#define HOW_TO_PIN \
        "append @sha512-<128 hex digits>, the SHA-512 of the uncompressed archive (gzip -dc image.aci | sha512sum)"

int mf_host_is_loopback(const char *host)
{
        char bare[64];
        struct in_addr v4;
        struct in6_addr v6;
        size_t length = strlen(host);

        if (strcasecmp(host, "localhost") == 0)
                return 1;
        if (length >= 2 && host[0] == '[' && host[length - 1] == ']' && length < sizeof(bare)) {
                memcpy(bare, host + 1, length - 2);
                bare[length - 2] = '\0';
                return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
        }
        if (inet_pton(AF_INET, host, &v4) == 1)
                return (ntohl(v4.s_addr) >> 24) == 127;
        return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int parse_pin(const char *pin, char id[MF_ID_LENGTH + 1], const char *text, struct mayfly_error *err)
{
        if (strncmp(pin, "sha512-", 7) != 0)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                                "image reference \"%.300s\" has the pin \"%.60s\", which does not start with "
                                "sha512-; " HOW_TO_PIN,
                                text, pin);
        size_t n = strspn(pin + 7, "0123456789abcdefABCDEF");
        if (pin[7 + n])
                return mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                                "image reference \"%.300s\" has '%c' in its pin, which is no hex digit; " HOW_TO_PIN,
                                text, isprint((unsigned char) pin[7 + n]) ? pin[7 + n] : '?');
        if (n != 128)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                                "image reference \"%.300s\" has a pin of %zu hex digits, not 128; " HOW_TO_PIN, text,
                                n);
        for (size_t i = 0; i <= MF_ID_LENGTH; i++)
                id[i] = (char) tolower((unsigned char) pin[i]);
        return 0;
}

/* The host of "//[user[:password]@]host[:port][/...]", into `host`. */
static int parse_host(const char *rest, char *host, size_t size)
{
        size_t length = strcspn(rest, "/?#");
        const char *at = memrchr(rest, '@', length);

        if (at) {
                length -= (size_t) (at + 1 - rest);
                rest = at + 1;
        }
        size_t n = rest[0] == '[' ? strcspn(rest, "]") + 1 : strcspn(rest, ":");
        if (n > length)
                n = length;
        if (n == 0 || n >= size)
                return -EINVAL;
        memcpy(host, rest, n);
        host[n] = '\0';
        return 0;
}

static int parse_url(const char *url, int allow_http, enum mf_scheme *ret, struct mayfly_error *err)
{
        static const struct {
                const char *prefix;
                enum mf_scheme scheme;
        } schemes[] = { { "https://", MF_SCHEME_HTTPS }, { "http://", MF_SCHEME_HTTP }, { "file://", MF_SCHEME_FILE } };
        char host[256];

        for (const char *p = url; *p; p++)
                if ((unsigned char) *p <= ' ' || *p == 0x7f)
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                                        "URL \"%.300s\" has a blank or control character; write it as %%%02X", url,
                                        (unsigned char) *p);
        for (size_t i = 0; i < MF_ELEMENTSOF(schemes); i++) {
                size_t length = strlen(schemes[i].prefix);
                if (strncasecmp(url, schemes[i].prefix, length) != 0)
                        continue;
                *ret = schemes[i].scheme;
                if (*ret == MF_SCHEME_FILE) {
                        const char *path = url + length;
                        if (strncmp(path, "localhost/", 10) == 0)
                                path += 9;
                        if (path[0] != '/')
                                return mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                                                "URL \"%.300s\" is not absolute; write file:///path/to/image.aci", url);
                        return 0;
                }
                if (parse_host(url + length, host, sizeof(host)) < 0)
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE, "URL \"%.300s\" has no host", url);
                if (*ret == MF_SCHEME_HTTP && !allow_http && !mf_host_is_loopback(host))
                        return mf_error(
                                err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                                "URL \"%.300s\" is plain http to %s; use https, or allow it with allow_http = 1", url,
                                host);
                return 0;
        }
        return mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                        "URL \"%.300s\" is none of https://, http:// (to this host) and file://", url);
}

int mf_reference_parse(struct mf_reference *ret, const char *text, int allow_http, struct mayfly_error *err)
{
        struct mf_reference reference = { 0 };

        if (!text || !*text)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                                "the image reference is empty; write aci:URL@sha512-<128 hex digits>");
        if (strncmp(text, "aci:", 4) != 0)
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                        "image reference \"%.300s\" does not start with aci:; write aci:URL@sha512-<128 hex digits>",
                        text);
        const char *url = text + 4, *at = strrchr(url, '@');
        /* An "@" in the authority (user@host) is not a pin's. */
        if (!at || strncmp(at + 1, "sha", 3) != 0)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                                "image reference \"%.300s\" is not pinned; " HOW_TO_PIN, text);
        int r = parse_pin(at + 1, reference.id, text, err);
        if (r < 0)
                return r;
        mf_cleanup(mf_freep) char *copy = strndup(url, (size_t) (at - url));
        if (!copy)
                return mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        r = parse_url(copy, allow_http, &reference.scheme, err);
        if (r < 0)
                return r;
        *ret = reference;
        ret->url = mf_take(copy);
        return 0;
}

void mf_reference_clear(struct mf_reference *reference)
{
        free(reference->url);
        reference->url = NULL;
}
