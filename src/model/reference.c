/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "model/reference.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "model/oci-reference.h"
#include "model/show.h"
#include "util/error.h"
#include "util/macro.h"

#define HOW_TO_PIN                                                                                    \
        "append @sha512-<128 hex digits>: the image ID, the SHA-512 of the uncompressed archive, as " \
        "\"mayfly pin\" prints it"

#define refuse(err, text, format, ...)                                                         \
        ({                                                                                     \
                char shown_[MF_SHOWN_MAX];                                                     \
                mf_show_url(shown_, text, 0);                                                  \
                mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE, format, shown_, ##__VA_ARGS__); \
        })

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

/* Returns the "@" of the pin, which is the last one unless that stands before the host; NULL when there is no pin. */
static const char *find_pin(const char *url)
{
        const char *at = strrchr(url, '@'), *authority = strstr(url, "://");

        if (!at || strchr(at, '/'))
                return NULL;
        if (!authority || at < authority)
                return at;
        authority += 3;
        /* "https://me@example.com" has no path; in "https://example.com@sha512-..." the "@" begins a pin all the same. */
        if (at < authority + strcspn(authority, "/?#") && !mf_image_id_has_prefix(at + 1))
                return NULL;
        return at;
}

static int parse_pin(const char *pin, char id[MF_ID_LENGTH + 1], const char *text, struct mayfly_error *err)
{
        if (!mf_image_id_has_prefix(pin))
                return refuse(err, text,
                              "image reference \"%s\" ends in \"@%.40s\", which is not a pin: it does not start with "
                              "sha512-; " HOW_TO_PIN,
                              pin);
        size_t n = strspn(pin + MF_ID_PREFIX_LENGTH, "0123456789abcdefABCDEF");
        if (pin[MF_ID_PREFIX_LENGTH + n])
                return refuse(
                        err, text, "image reference \"%s\" has '%c' in its pin, which is not a hex digit; " HOW_TO_PIN,
                        isascii(pin[MF_ID_PREFIX_LENGTH + n]) && isprint((unsigned char) pin[MF_ID_PREFIX_LENGTH + n])
                                ? pin[MF_ID_PREFIX_LENGTH + n]
                                : '?');
        if (n != MF_ID_DIGITS)
                return refuse(err, text, "image reference \"%s\" has a pin of %zu hex digits, not 128; " HOW_TO_PIN, n);
        return mf_image_id_parse(pin, id);
}

/* Whether the `length` bytes after the host are nothing, or ":" and a port. */
static int is_port(const char *p, size_t length)
{
        unsigned port = 0;

        if (length == 0)
                return 1;
        if (p[0] != ':' || length < 2 || length > 6)
                return 0;
        for (size_t i = 1; i < length; i++) {
                if (p[i] < '0' || p[i] > '9')
                        return 0;
                port = port * 10 + (unsigned) (p[i] - '0');
        }
        return port >= 1 && port <= 65535;
}

static int is_host(const char *host)
{
        struct in6_addr v6;
        char bare[64];

        if (host[0] != '[') {
                for (const char *p = host; *p; p++)
                        if (isascii(*p) && !isalnum((unsigned char) *p) && !strchr("-._~", *p))
                                return 0;
                return 1;
        }
        size_t length = strcspn(host + 1, "%]"); /* a zone may follow: [fe80::1%25eth0] */
        if (host[strlen(host) - 1] != ']' || length >= sizeof(bare))
                return 0;
        memcpy(bare, host + 1, length);
        bare[length] = '\0';
        return inet_pton(AF_INET6, bare, &v6) == 1;
}

/* Checks "[user[:password]@]host[:port][/...]" at `rest`, a part of `url`, and copies the host. Refuses forms that URL parsers
 * read differently: libcurl must connect to the host that was checked here. Returns 0 or -EINVAL. */
static int parse_authority(const char *url, const char *rest, char host[256], int *ret_user, struct mayfly_error *err)
{
        size_t length = strcspn(rest, "/?#");
        const char *at = memchr(rest, '@', length);

        *ret_user = at != NULL;
        if (at) {
                length -= (size_t) (at + 1 - rest);
                rest = at + 1;
                if (memchr(rest, '@', length))
                        return refuse(err, url,
                                      "URL \"%s\" has two @ before its host; write the one in the password as %%40");
        }
        size_t n = rest[0] == '[' ? strcspn(rest, "]") + 1 : strcspn(rest, ":");
        if (n > length)
                n = length;
        if (n == 0)
                return refuse(err, url, "URL \"%s\" has no host; write https://host/path");
        if (n >= 256)
                return refuse(err, url, "URL \"%s\" has a host of %zu characters; names have at most 255", n);
        memcpy(host, rest, n);
        host[n] = '\0';
        if (!is_host(host))
                return refuse(err, url, "URL \"%s\" has the host \"%s\", which is neither a host name nor an address",
                              host);
        if (!is_port(rest + n, length - n))
                return refuse(err, url, "URL \"%s\" has \"%.*s\" after its host, which is not a port from 1 to 65535",
                              (int) (length - n < 40 ? length - n : 40), rest + n);
        return 0;
}

static int check_http(const char *url, const char *host, int has_user, int allow_http, struct mayfly_error *err)
{
        if (mf_host_is_loopback(host))
                return 0;
        if (has_user)
                return refuse(err, url, "URL \"%s\" would send its user and password to %s in the clear; use https",
                              host);
        if (!allow_http)
                return refuse(err, url, "URL \"%s\" is plain http to %s; use https, or allow it with allow_http = 1",
                              host);
        return 0;
}

static int check_file(const char *url, const char *path, struct mayfly_error *err)
{
        if (strncasecmp(path, "localhost/", 10) == 0)
                path += 9;
        if (path[0] != '/')
                return refuse(err, url, "URL \"%s\" is not absolute; write file:///path/to/image.aci");
        size_t n = strcspn(path, "?#");
        if (path[n])
                return refuse(err, url, "URL \"%s\" has a '%c' in its path; write it as %%%02X", path[n],
                              (unsigned) path[n]);
        return 0;
}

int mf_url_check(const char *url, int allow_http, enum mf_scheme *ret, struct mayfly_error *err)
{
        static const struct {
                const char *prefix;
                enum mf_scheme scheme;
        } schemes[] = { { "https://", MF_SCHEME_HTTPS }, { "http://", MF_SCHEME_HTTP }, { "file://", MF_SCHEME_FILE } };
        char host[256];
        int has_user;

        for (size_t i = 0; i < MF_ELEMENTSOF(schemes); i++) {
                size_t length = strlen(schemes[i].prefix);
                if (strncasecmp(url, schemes[i].prefix, length) != 0)
                        continue;
                *ret = schemes[i].scheme;
                if (*ret == MF_SCHEME_FILE)
                        return check_file(url, url + length, err);
                int r = parse_authority(url, url + length, host, &has_user, err);
                if (r == 0 && *ret == MF_SCHEME_HTTP)
                        r = check_http(url, host, has_user, allow_http, err);
                return r;
        }
        if (strncasecmp(url, "file:", 5) == 0)
                return refuse(err, url, "URL \"%s\" is not absolute; write file:///path/to/image.aci");
        return refuse(err, url, "URL \"%s\" is none of https://, http:// (to this host) and file:///");
}

/* Checks that the text is not empty, and has no blanks and control characters. Returns 0 or -EINVAL. */
static int check_text(const char *text, struct mayfly_error *err)
{
        if (!text || !*text)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                                "the image reference is empty; write aci:URL@sha512-<128 hex digits>");
        for (const char *p = text; *p; p++)
                if ((unsigned char) *p <= ' ' || *p == 0x7f)
                        return refuse(
                                err, text,
                                "image reference \"%s\" has a blank or control character at byte %zu; write it as "
                                "%%%02X if it is part of the URL, else remove it",
                                (size_t) (p - text), (unsigned char) *p);
        return 0;
}

/* Whether the text is meant as a URL. A name has no "://"; "https:/x" and similar forms are misspelt URLs. */
static int is_url(const char *what)
{
        size_t n = strspn(what, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

        return strstr(what, "://") || (n > 0 && what[n] == ':' && what[n + 1] == '/') ||
               strncasecmp(what, "file:", 5) == 0;
}

/* --- hints --------------------------------------------------------------------------------------- */

/* Whether `path` is a regular file. *ret is then a hint with the beginning of its reference. */
static int is_file(const char *path, char ret[MF_HINT_MAX])
{
        mf_cleanup(mf_freep) char *absolute = realpath(path, NULL);
        char shown[MF_SHOWN_MAX];
        struct stat st;

        if (!absolute || stat(absolute, &st) < 0 || !S_ISREG(st.st_mode))
                return 0;
        mf_show_url(shown, absolute, 0);
        snprintf(ret, MF_HINT_MAX, "; there is a file of that name: write aci:file://%s", shown);
        return 1;
}

static int has_prefix(const char *text, const char *const *prefixes)
{
        for (; *prefixes; prefixes++)
                if (strncmp(text, *prefixes, strlen(*prefixes)) == 0)
                        return 1;
        return 0;
}

/* Whether the text names an image as Docker and similar tools do: with one of their schemes, registries or digests, or
 * without a host. */
static int is_docker(const char *what)
{
        static const char *const prefixes[] = { "docker:",
                                                "docker-archive:",
                                                "docker-daemon:",
                                                "oci-archive:",
                                                "docker.io/",
                                                "index.docker.io/",
                                                "registry-1.docker.io/",
                                                "ghcr.io/",
                                                "quay.io/",
                                                "gcr.io/",
                                                "mcr.microsoft.com/",
                                                "registry.k8s.io/",
                                                "public.ecr.aws/",
                                                NULL };
        size_t host = strcspn(what, ":/,@");

        if (mf_oci_reference_is(what))
                return 0;
        if (has_prefix(what, prefixes) || strstr(what, "@sha256:"))
                return 1;
        return host > 0 && !memchr(what, '.', host) && !is_url(what) &&
               (what[host] == ':' || (what[host] == '/' && strncmp(what, "localhost/", 10) != 0));
}

/* Writes the hint for a text that names an OCI image in another way. */
static void hint_at_oci(const char *what, char ret[MF_HINT_MAX])
{
        static const char *const schemes[] = { "docker://", "docker:", NULL }, *const others[] = {
                "docker-archive:", "docker-daemon:", "oci-archive:", NULL
        };
        char shown[MF_SHOWN_MAX];

        if (has_prefix(what, others)) {
                snprintf(ret, MF_HINT_MAX,
                         "; an OCI image is written oci:NAME, or oci:file:///PATH for a layout or an archive, and "
                         "pinned: run `mayfly pin` with that");
                return;
        }
        for (const char *const *scheme = schemes; *scheme; scheme++)
                if (strncmp(what, *scheme, strlen(*scheme)) == 0) {
                        what += strlen(*scheme);
                        break;
                }
        mf_cleanup(mf_freep) char *bare = strndup(what, strcspn(what, "@"));
        mf_show_url(shown, bare ? bare : "", 0);
        snprintf(ret, MF_HINT_MAX, "; an OCI image is written oci:%.200s and pinned: run `mayfly pin oci:%.200s`",
                 shown, shown);
}

void mf_reference_hint(const char *text, char ret[MF_HINT_MAX])
{
        const char *what = text + (strncmp(text, "aci:", 4) == 0 ? 4 : 0), *at = find_pin(what);
        mf_cleanup(mf_freep) char *path = strndup(what, at ? (size_t) (at - what) : strlen(what));

        *ret = '\0';
        if (path && (is_file(what, ret) || is_file(path, ret)))
                return;
        if (is_docker(what))
                hint_at_oci(what, ret);
}

/* --- whole references ---------------------------------------------------------------------------------------------------- */

/* Parses the text between "aci:" and the pin: a URL or a name. Returns 0 or negative errno. */
static int parse_what(struct mf_reference *ret, const char *what, int allow_http, struct mayfly_error *err)
{
        if (!is_url(what))
                return mf_image_name_parse(&ret->name, what, err);
        int r = mf_url_check(what, allow_http, &ret->scheme, err);
        if (r == 0 && !(ret->url = strdup(what)))
                r = mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        return r;
}

static int parse(struct mf_reference *ret, const char *text, int allow_http, struct mayfly_error *err)
{
        struct mf_reference reference = { 0 };

        int r = check_text(text, err);
        if (r < 0)
                return r;
        if (mf_oci_reference_is(text))
                return mf_oci_reference_parse(ret, text, err);
        if (strncmp(text, "aci:", 4) != 0)
                return refuse(err, text,
                              "image reference \"%s\" does not start with aci: or oci:, which say what kind of image "
                              "it is; write aci:URL@sha512-<128 hex digits>, or "
                              "oci:NAME@sha256:<64 hex digits>");
        const char *what = text + 4, *at = find_pin(what);
        if (!at)
                return refuse(err, text, "image reference \"%s\" is not pinned; " HOW_TO_PIN);
        r = parse_pin(at + 1, reference.id, text, err);
        if (r < 0)
                return r;
        mf_cleanup(mf_freep) char *copy = strndup(what, (size_t) (at - what));
        if (!copy)
                return mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        r = parse_what(&reference, copy, allow_http, err);
        if (r == 0)
                *ret = reference;
        return r;
}

static int parse_unpinned(struct mf_reference *ret, char **ret_bare, const char *text, int allow_http,
                          struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *bare = NULL;
        struct mf_reference reference = { 0 };

        int r = check_text(text, err);
        if (r < 0)
                return r;
        if (mf_oci_reference_is(text))
                return mf_oci_reference_parse_unpinned(ret, ret_bare, text, err);
        const char *what = text + (strncmp(text, "aci:", 4) == 0 ? 4 : 0), *at = find_pin(what);
        if (at && (!is_url(what) || mf_image_id_has_prefix(at + 1))) {
                r = parse_pin(at + 1, reference.id, text, err);
                if (r < 0)
                        return r;
        } else {
                at = what + strlen(what);
        }
        if (asprintf(&bare, "aci:%.*s", (int) (at - what), what) < 0) {
                bare = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        }
        r = parse_what(&reference, bare + 4, allow_http, err);
        if (r == 0) {
                *ret = reference;
                *ret_bare = mf_take(bare);
        }
        return r;
}

/* Sets `err` to `why`, with a hint when the text is not a URL. Returns r. */
static int refused(int r, const char *text, const struct mayfly_error *why, struct mayfly_error *err)
{
        char hint[MF_HINT_MAX] = "";

        if (text && !strstr(text, "://"))
                mf_reference_hint(text, hint);
        return mf_error(err, r, why->stage, "%.3000s%s", why->message, hint);
}

int mf_reference_parse(struct mf_reference *ret, const char *text, int allow_http, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        int r = parse(ret, text, allow_http, &why);

        return r < 0 ? refused(r, text, &why, err) : 0;
}

int mf_reference_parse_unpinned(struct mf_reference *ret, char **ret_bare, const char *text, int allow_http,
                                struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        int r = parse_unpinned(ret, ret_bare, text, allow_http, &why);

        return r < 0 ? refused(r, text, &why, err) : 0;
}

void mf_reference_clear(struct mf_reference *reference)
{
        free(reference->url);
        reference->url = NULL;
        free(reference->repository);
        reference->repository = NULL;
        reference->name = mf_image_name_free(reference->name);
}
