/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "registry/challenge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/macro.h"

#define BLANKS " \t"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define TOKEN LETTERS "!#$%&'*+-.^_`|~"
#define TOKEN68 LETTERS "-._~+/"

void mf_challenge_clear(struct mf_challenge *challenge)
{
        free(challenge->name);
        free(challenge->realm);
        free(challenge->service);
        free(challenge->scope);
        *challenge = (struct mf_challenge){ 0 };
}

/* Keeps `other` if it is better, else frees it. */
static void keep_better(struct mf_challenge *challenge, struct mf_challenge *other)
{
        if (other->scheme == MF_CHALLENGE_BEARER && !other->realm) /* nobody to ask for a token */
                other->scheme = MF_CHALLENGE_OTHER;
        if (other->scheme > challenge->scheme) {
                mf_challenge_clear(challenge);
                *challenge = *other;
                *other = (struct mf_challenge){ 0 };
        }
        mf_challenge_clear(other);
}

static enum mf_challenge_scheme find_scheme(const char *name, size_t n)
{
        if (n == 6 && strncasecmp(name, "Bearer", n) == 0)
                return MF_CHALLENGE_BEARER;
        if (n == 5 && strncasecmp(name, "Basic", n) == 0)
                return MF_CHALLENGE_BASIC;
        return MF_CHALLENGE_OTHER;
}

/* Reads a value, a token or a quoted string, at *p, and moves *p behind it. Returns 0, 1 when it is malformed, or -ENOMEM. */
static int read_value(const char **p, char **ret)
{
        const char *in = *p;
        size_t n = 0;

        if (*in != '"') {
                n = strcspn(in, BLANKS ",");
                *ret = strndup(in, n);
                *p = in + n;
                return *ret ? 0 : -ENOMEM;
        }
        char *value = malloc(strlen(in));
        if (!value)
                return -ENOMEM;
        for (in++; *in && *in != '"'; in++) {
                if (*in == '\\' && in[1])
                        in++;
                value[n++] = *in;
        }
        if (*in != '"') {
                free(value);
                return 1;
        }
        value[n] = '\0';
        *ret = value;
        *p = in + 1;
        return 0;
}

/* Keeps the value of a parameter that matters. The first one counts when it is there twice. */
static void set_parameter(struct mf_challenge *challenge, const char *name, size_t n, char *value)
{
        char **fields[] = { &challenge->realm, &challenge->service, &challenge->scope };
        static const char *const names[] = { "realm", "service", "scope" };

        for (size_t i = 0; i < MF_ELEMENTSOF(names); i++) {
                if (strlen(names[i]) != n || strncasecmp(name, names[i], n) != 0 || *fields[i])
                        continue;
                *fields[i] = value;
                return;
        }
        free(value);
}

/* Reads a parameter at *p, whose name has `n` bytes, or credentials of the form token68, which also may have a "=". Returns as
 * read_value(). */
static int read_parameter(struct mf_challenge *current, const char **p, size_t n)
{
        const char *name = *p, *after = name + n + strspn(name + n, BLANKS) + 1;
        char *value = NULL;

        after += strspn(after, BLANKS);
        if (!*after || *after == ',' || *after == '=') { /* the padding of a token68 */
                *p = after + strspn(after, "=");
                return 0;
        }
        int r = read_value(&after, &value);
        if (r == 0)
                set_parameter(current, name, n, value);
        *p = after;
        return r;
}

/* Begins a challenge whose scheme has `n` bytes at *p. Returns 0 or -ENOMEM. */
static int begin(struct mf_challenge *current, const char **p, size_t n)
{
        const char *name = *p, *after = name + n + strspn(name + n, BLANKS);
        size_t length = strspn(after, TOKEN68);

        current->scheme = find_scheme(name, n);
        current->name = strndup(name, n);
        *p = name + n;
        if (length > 0 && (!after[length] || after[length] == ',')) /* a token68 without padding */
                *p = after + length;
        return current->name ? 0 : -ENOMEM;
}

int mf_challenge_add(struct mf_challenge *challenge, const char *header)
{
        struct mf_challenge current = { 0 };
        int r = 0;

        for (const char *p = header; r == 0;) {
                p += strspn(p, BLANKS ",");
                size_t n = strspn(p, TOKEN), blanks = strspn(p + n, BLANKS);
                if (n == 0 && strspn(p, TOKEN68) == 0)
                        break;
                if (p[n] == '/' || n == 0) { /* the inside of a token68 */
                        p += n;              /* a token may have characters that no token68 has */
                        p += strspn(p, TOKEN68 "=");
                        continue;
                }
                if (p[n + blanks] == '=') {
                        r = read_parameter(&current, &p, n);
                        continue;
                }
                keep_better(challenge, &current);
                r = begin(&current, &p, n);
        }
        keep_better(challenge, &current);
        return r < 0 ? r : 0;
}
