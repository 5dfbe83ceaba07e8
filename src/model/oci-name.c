/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "model/oci-name.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/show.h"
#include "util/error.h"
#include "util/macro.h"

#define DOCKER_HUB "docker.io"
#define REPOSITORY_MAX 255U
#define TAG_MAX 128U
#define LOWER_OR_DIGIT "abcdefghijklmnopqrstuvwxyz0123456789"
#define HOW_TO_WRITE "write REGISTRY/NAME[:TAG], such as docker.io/library/redis:7.2"

#define refuse(err, text, format, ...)                                                                                \
        ({                                                                                                            \
                char shown_[MF_SHOWN_MAX];                                                                            \
                mf_show_url(shown_, text, 0);                                                                         \
                mf_error(err, -EINVAL, MAYFLY_STAGE_REFERENCE, "image name \"%s\" " format "; " HOW_TO_WRITE, shown_, \
                         ##__VA_ARGS__);                                                                              \
        })

/* Returns the length of the registry before the first "/"; 0 when the text begins with the repository. */
static size_t registry_length(const char *text)
{
        size_t n = strcspn(text, "/");

        if (!text[n])
                return 0;
        if (memchr(text, '.', n) || memchr(text, ':', n) || (n == 9 && memcmp(text, "localhost", 9) == 0))
                return n;
        for (size_t i = 0; i < n; i++)
                if (isupper((unsigned char) text[i])) /* no repository has one */
                        return n;
        return 0;
}

/* Whether the `n` bytes are a port from 1 to 65535. */
static int is_port(const char *text, size_t n)
{
        unsigned port = 0;

        if (n == 0 || n > 5)
                return 0;
        for (size_t i = 0; i < n; i++) {
                if (text[i] < '0' || text[i] > '9')
                        return 0;
                port = port * 10 + (unsigned) (text[i] - '0');
        }
        return port >= 1 && port <= 65535;
}

/* Whether the `n` bytes are a host name, an IPv4 address or an IPv6 address in brackets, and perhaps a port. */
static int is_registry(const char *text, size_t n)
{
        size_t host = 0;

        if (n > 0 && text[0] == '[') {
                host = strspn(text + 1, "0123456789abcdefABCDEF:.") + 1;
                if (host < 3 || host >= n || text[host] != ']')
                        return 0;
                host++;
        } else {
                while (host < n && isascii(text[host]) &&
                       (isalnum((unsigned char) text[host]) || strchr(".-", text[host])))
                        host++;
                if (host == 0 || host > 253 || strchr(".-", text[0]) || strchr(".-", text[host - 1]))
                        return 0;
        }
        return host == n || (text[host] == ':' && is_port(text + host + 1, n - host - 1));
}

/* Returns the length of the separator at `text`: ".", "_", "__" or any number of "-"; 0 when there is none. */
static size_t separator_length(const char *text)
{
        if (text[0] == '.')
                return 1;
        if (text[0] == '_')
                return text[1] == '_' ? 2 : 1;
        return strspn(text, "-");
}

/* Whether the text is words of lower-case letters and digits, with separators between them, and "/" between such groups. */
static int is_repository(const char *text)
{
        for (const char *p = text;;) {
                size_t n = strspn(p, LOWER_OR_DIGIT);
                if (n == 0)
                        return 0;
                p += n;
                if (!*p)
                        return 1;
                n = *p == '/' ? 1 : separator_length(p);
                if (n == 0)
                        return 0;
                p += n;
        }
}

static int is_tag(const char *text)
{
        size_t n = strlen(text);

        if (n == 0 || n > TAG_MAX || strchr(".-", text[0]))
                return 0;
        for (size_t i = 0; i < n; i++)
                if (!isascii(text[i]) || (!isalnum((unsigned char) text[i]) && !strchr("._-", text[i])))
                        return 0;
        return 1;
}

static int check(const char *text, const struct mf_oci_name *name, struct mayfly_error *err)
{
        if (!is_registry(name->registry, strlen(name->registry)))
                return refuse(err, text, "has \"%.300s\" before its first \"/\", which is not HOST or HOST:PORT",
                              name->registry);
        if (strlen(name->repository) > REPOSITORY_MAX)
                return refuse(err, text, "has %zu characters after the registry, more than %u",
                              strlen(name->repository), REPOSITORY_MAX);
        for (const char *p = name->repository; *p; p++)
                if (isupper((unsigned char) *p))
                        return refuse(err, text, "has the upper-case letter '%c'; only a tag may have such", *p);
        if (!is_repository(name->repository))
                return refuse(
                        err, text,
                        "has \"%.300s\", which is not a name: words of letters a to z and digits, with one of . _ __ - "
                        "or / between them",
                        name->repository);
        if (name->tag && !is_tag(name->tag))
                return refuse(
                        err, text,
                        "has the tag \"%.140s\", which is not one to %u letters, digits, and . _ - after the first",
                        name->tag, TAG_MAX);
        return 0;
}

/* Copies the parts of the text. Returns 0 or -ENOMEM. */
static int split(struct mf_oci_name *ret, const char *text)
{
        size_t n = registry_length(text);
        const char *rest = n ? text + n + 1 : text, *colon = strchr(rest, ':');
        int length = colon ? (int) (colon - rest) : (int) strlen(rest);
        int is_hub = n == 0 || (n == 9 && memcmp(text, DOCKER_HUB, 9) == 0) ||
                     (n == 15 && memcmp(text, "index.docker.io", 15) == 0);
        const char *prefix = is_hub && !memchr(rest, '/', (size_t) length) ? "library/" : "";

        ret->registry = is_hub ? strdup(DOCKER_HUB) : strndup(text, n);
        if (asprintf(&ret->repository, "%s%.*s", length ? prefix : "", length, rest) < 0)
                ret->repository = NULL;
        ret->tag = colon ? strdup(colon + 1) : NULL;
        return ret->registry && ret->repository && (!colon || ret->tag) ? 0 : -ENOMEM;
}

int mf_oci_name_parse(struct mf_oci_name *ret, const char *text, struct mayfly_error *err)
{
        struct mf_oci_name name = { 0 };

        if (strchr(text, '@')) /* the text may have a password, so it is not shown */
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                        "the image name has an @, but no user or password belongs into it; log in with \"podman login "
                        "REGISTRY\" or \"docker login REGISTRY\", and " HOW_TO_WRITE);
        if (strlen(text) > 4096)
                return refuse(err, text, "has %zu characters", strlen(text));
        int r = split(&name, text);
        r = r < 0 ? mf_error_oom(err, MAYFLY_STAGE_REFERENCE) : check(text, &name, err);
        if (r < 0)
                mf_oci_name_clear(&name);
        else
                *ret = name;
        return r;
}

void mf_oci_name_clear(struct mf_oci_name *name)
{
        free(name->registry);
        free(name->repository);
        free(name->tag);
        *name = (struct mf_oci_name){ 0 };
}

const char *mf_oci_api_host(const char *registry)
{
        return strcmp(registry, DOCKER_HUB) == 0 ? "registry-1.docker.io" : registry;
}
