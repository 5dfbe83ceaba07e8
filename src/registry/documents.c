/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "registry/documents.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/base64.h"
#include "util/escape.h"
#include "util/macro.h"

#define HUB "docker.io"
#define HUB_KEY "https://index.docker.io/v1/" /* the key of docker.io in docker's files and programs */
#define EXPIRES_S 60U                         /* when the token server does not say, as the specification has it */
#define EXPIRES_MAX_S 86400U
#define SECRET_PIECE_MIN 8U /* so much of a secret counts as the secret */

void mf_secret_free(char *secret)
{
        if (secret)
                explicit_bzero(secret, strlen(secret));
        free(secret);
}

static void mf_secret_freep(char **secret)
{
        mf_secret_free(*secret);
}

void mf_credentials_clear(struct mf_credentials *credentials)
{
        free(credentials->user);
        mf_secret_free(credentials->password);
        mf_secret_free(credentials->identity_token);
        mf_secret_free(credentials->registry_token);
        *credentials = (struct mf_credentials){ 0 };
}

void mf_auth_entry_clear(struct mf_auth_entry *entry)
{
        mf_credentials_clear(&entry->credentials);
        free(entry->helper);
        free(entry->server);
        *entry = (struct mf_auth_entry){ 0 };
}

/* Returns a member that is a string of at least one byte, or NULL. */
static const char *member(const json_t *object, const char *name)
{
        const char *text = json_string_value(json_object_get(object, name));

        return text && *text ? text : NULL;
}

/* Copies a member to *ret where there is one. Returns 0 or -ENOMEM. */
static int copy(char **ret, const char *text)
{
        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? -ENOMEM : 0;
}

/* --- files with credentials -------------------------------------------------------------------------------------- */

/* Whether a key like "https://HOST/v1/" means the registry. */
static int key_is_registry(const char *key, const char *registry)
{
        static const char *const paths[] = { "", "/", "/v1", "/v1/", "/v2", "/v2/" };
        const char *scheme = strstr(key, "://"), *host = scheme ? scheme + 3 : key;
        size_t n = strcspn(host, "/");
        const char *path = host + n;
        int is_api = 0;

        for (size_t i = 0; i < MF_ELEMENTSOF(paths) && !is_api; i++)
                is_api = strcmp(path, paths[i]) == 0;
        if (!is_api)
                return 0;
        if (strlen(registry) == n && strncasecmp(host, registry, n) == 0)
                return 1;
        return strcmp(registry, HUB) == 0 && ((n == 15 && strncasecmp(host, "index.docker.io", n) == 0) ||
                                              (n == 20 && strncasecmp(host, "registry-1.docker.io", n) == 0));
}

/* Returns the member of `object` for the registry alone, borrowed, or NULL. */
static json_t *find_registry(json_t *object, const char *registry)
{
        json_t *found = json_object_get(object, registry);

        for (void *i = json_object_iter(object); i && !found; i = json_object_iter_next(object, i))
                if (key_is_registry(json_object_iter_key(i), registry))
                        found = json_object_iter_value(i);
        return found;
}

/* Returns the member of `auths` whose key says most about the repository, borrowed, or NULL. Returns NULL also when memory is
 * short: then *ret is -ENOMEM. */
static json_t *find_auth(json_t *auths, const char *registry, const char *repository, int *ret)
{
        mf_cleanup(mf_freep) char *key = NULL;
        size_t n = strlen(registry);
        json_t *found;

        if (asprintf(&key, "%s/%s", registry, repository) < 0) {
                key = NULL;
                *ret = -ENOMEM;
                return NULL;
        }
        for (;;) {
                char *slash = strrchr(key, '/');
                if ((found = json_object_get(auths, key)) || !slash || (size_t) (slash - key) < n)
                        break;
                *slash = '\0';
        }
        return found ? found : find_registry(auths, registry);
}

/* Reads "user:password" in base64. Returns 0, -EBADMSG or -ENOMEM. */
static int read_auth(struct mf_credentials *ret, const char *text)
{
        mf_cleanup(mf_secret_freep) char *plain = NULL;
        size_t size;

        int r = mf_base64_decode(text, &plain, &size);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;
        while (size > 0 && plain[size - 1] == '\0') /* docker pads with NULs */
                size--;
        char *colon = memchr(plain, ':', size);
        if (!colon || memchr(plain, '\0', size))
                return -EBADMSG;
        *colon = '\0';
        ret->user = strdup(plain);
        ret->password = strdup(colon + 1);
        return ret->user && ret->password ? 0 : -ENOMEM;
}

/* Reads an entry of `auths`. Returns 0, -EBADMSG or -ENOMEM. */
static int read_entry(struct mf_credentials *ret, const json_t *entry)
{
        const char *user = member(entry, "username"), *password = member(entry, "password"),
                   *auth = member(entry, "auth");
        int r = copy(&ret->identity_token, member(entry, "identitytoken"));

        if (r == 0)
                r = copy(&ret->registry_token, member(entry, "registrytoken"));
        if (r < 0)
                return r;
        if (auth)
                return read_auth(ret, auth);
        if (!user || !password)
                return 0;
        r = copy(&ret->user, user);
        return r < 0 ? r : copy(&ret->password, password);
}

static int is_empty(const struct mf_credentials *credentials)
{
        return !credentials->user && !credentials->identity_token && !credentials->registry_token;
}

/* Names the program in `ret`. It must be a part of a file name. Returns 0, -EBADMSG or -ENOMEM. */
static int set_helper(struct mf_auth_entry *ret, const char *helper, const char *registry)
{
        if (strchr(helper, '/'))
                return -EBADMSG;
        ret->helper = strdup(helper);
        ret->server = strdup(strcmp(registry, HUB) == 0 ? HUB_KEY : registry);
        return ret->helper && ret->server ? 0 : -ENOMEM;
}

/* Looks up the programs and the entries, in the order in which docker and podman do. Returns as mf_auth_file_find(). */
static int find_in(struct mf_auth_entry *ret, json_t *file, const char *registry, const char *repository,
                   const char **ret_why)
{
        const char *helper = json_string_value(find_registry(json_object_get(file, "credHelpers"), registry));
        int r = 0;

        if (helper && *helper) {
                *ret_why = "has a \"/\" in a name in credHelpers";
                ret->is_named = 1;
                return set_helper(ret, helper, registry);
        }
        json_t *entry = find_auth(json_object_get(file, "auths"), registry, repository, &r);
        if (r == 0 && entry) {
                *ret_why = "has an \"auth\" for the registry that is not USER:PASSWORD in base64";
                ret->is_named = 1;
                r = read_entry(&ret->credentials, entry);
        }
        const char *store = member(file, "credsStore");
        if (r < 0 || !store || !is_empty(&ret->credentials))
                return r;
        *ret_why = "has a \"/\" in the name in credsStore";
        return set_helper(ret, store, registry);
}

int mf_auth_file_find(struct mf_auth_entry *ret, const char *text, size_t size, const char *registry,
                      const char *repository, const char **ret_why)
{
        mf_cleanup(json_decrefp) json_t *file = json_loadb(text, size, 0, NULL);
        struct mf_auth_entry entry = { 0 };

        *ret_why = "is not a JSON object";
        if (!json_is_object(file))
                return -EBADMSG;
        int r = find_in(&entry, file, registry, repository, ret_why);
        if (r < 0)
                mf_auth_entry_clear(&entry);
        else
                *ret = entry;
        return r;
}

int mf_helper_answer_parse(struct mf_credentials *ret, const char *text, size_t size)
{
        mf_cleanup(json_decrefp) json_t *answer = json_loadb(text, size, 0, NULL);
        struct mf_credentials credentials = { 0 };
        const char *user = member(answer, "Username"), *secret = member(answer, "Secret");
        int r;

        if (!user || !secret)
                return -EBADMSG;
        if (strcmp(user, "<token>") == 0) {
                r = copy(&credentials.identity_token, secret);
        } else {
                r = copy(&credentials.user, user);
                r = r < 0 ? r : copy(&credentials.password, secret);
        }
        if (r < 0)
                mf_credentials_clear(&credentials);
        else
                *ret = credentials;
        return r;
}

/* --- answers of servers ------------------------------------------------------------------------------------------ */

int mf_token_parse(struct mf_token *ret, const char *text, size_t size, const char **ret_why)
{
        mf_cleanup(json_decrefp) json_t *answer = json_loadb(text, size, 0, NULL);
        const char *token = member(answer, "token");
        json_int_t expires = json_integer_value(json_object_get(answer, "expires_in"));

        if (!token)
                token = member(answer, "access_token");
        *ret_why = json_is_object(answer) ? "has neither \"token\" nor \"access_token\"" : "is not a JSON object";
        if (!token)
                return -EBADMSG;
        *ret_why = "has a token with blanks, control characters or characters beyond ASCII";
        for (const char *p = token; *p; p++)
                if (*p <= ' ' || *p >= 0x7f)
                        return -EBADMSG;
        char *copied = strdup(token);
        if (!copied)
                return -ENOMEM;
        ret->text = copied;
        ret->expires_s = expires < EXPIRES_S ? EXPIRES_S : expires > EXPIRES_MAX_S ? EXPIRES_MAX_S : (uint64_t) expires;
        return 0;
}

/* Whether the text has the secret, or ends within it, with so much of it that it counts. */
static int has_secret(const char *text, size_t size, const char *secret)
{
        size_t n = secret ? strlen(secret) : 0;

        if (n > 0 && memmem(text, size, secret, n))
                return 1;
        for (size_t piece = n < size ? n : size; piece >= SECRET_PIECE_MIN; piece--)
                if (memcmp(text + size - piece, secret, piece) == 0)
                        return 1;
        return 0;
}

/* Whether the text has what "Basic" sends for user and password, with or without the padding. Returns 1 also when memory is short. */
static int has_basic(const char *text, size_t size, const struct mf_credentials *credentials)
{
        mf_cleanup(mf_secret_freep) char *plain = NULL, *encoded = NULL;

        if (!credentials->user || !credentials->password)
                return 0;
        if (asprintf(&plain, "%s:%s", credentials->user, credentials->password) < 0)
                plain = NULL;
        encoded = plain ? mf_base64_encode(plain, strlen(plain)) : NULL;
        if (!encoded)
                return 1;
        encoded[strcspn(encoded, "=")] = '\0';
        return has_secret(text, size, plain) || has_secret(text, size, encoded);
}

/* Whether the text repeats what was sent to a server, or is to be kept from others. */
static int repeats_secret(const char *text, size_t size, const struct mf_credentials *credentials,
                          const char *authorization)
{
        const char *token = authorization ? strchr(authorization, ' ') : NULL;

        return has_secret(text, size, credentials->password) || has_secret(text, size, credentials->identity_token) ||
               has_secret(text, size, credentials->registry_token) ||
               has_secret(text, size, token ? token + 1 : NULL) || has_basic(text, size, credentials);
}

void mf_error_page_show(char ret[MF_PAGE_SHOWN_MAX], const char *text, size_t size,
                        const struct mf_credentials *credentials, const char *authorization)
{
        static const char *const names[] = { "message", "details", "error_description", "error" };
        mf_cleanup(json_decrefp) json_t *page = size > 0 ? json_loadb(text, size, 0, NULL) : NULL;
        json_t *first = json_array_get(json_object_get(page, "errors"), 0);
        const char *code = member(first, "code"), *message = NULL;
        char raw[MF_PAGE_SHOWN_MAX];

        for (size_t i = 0; i < MF_ELEMENTSOF(names) && !message; i++)
                message = member(first ? first : page, names[i]);
        code = code ? code : "";
        message = message ? message : "";
        ret[0] = '\0';
        /* JSON has several ways to write a character: what it says counts, as well as its bytes. */
        if (!page || repeats_secret(text, size, credentials, authorization) ||
            repeats_secret(code, strlen(code), credentials, authorization) ||
            repeats_secret(message, strlen(message), credentials, authorization))
                return;
        snprintf(raw, sizeof(raw), "%.60s%s%.200s", code, *code && *message ? ": " : "", message);
        mf_escape(ret, MF_PAGE_SHOWN_MAX, raw);
}
