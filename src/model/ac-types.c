/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "model/ac-types.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/macro.h"

/* Whether `s` is words of a-z and 0-9 with one separator between two of them. Where "/" and "~" are separators, "/~" is one,
 * too. So an identifier never has an empty part, "." or ".." between two "/". */
static int is_identifier(const char *s, const char *separators)
{
        int after_word = 0;
        char before = '\0';

        for (; *s; before = *s++) {
                if ((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9'))
                        after_word = 1;
                else if (after_word && strchr(separators, *s))
                        after_word = 0;
                else if (after_word || *s != '~' || before != '/')
                        return 0;
        }
        return after_word;
}

int mf_is_ac_identifier(const char *s)
{
        return is_identifier(s, "-._~/");
}

int mf_is_ac_name(const char *s)
{
        return is_identifier(s, "-");
}

int mf_is_env_name(const char *s)
{
        if (!isascii(s[0]) || (!isalpha((unsigned char) s[0]) && s[0] != '_'))
                return 0;
        for (; *s; s++)
                if (!isascii(*s) || (!isalnum((unsigned char) *s) && !strchr("_.-", *s)))
                        return 0;
        return 1;
}

/* Whether the text from `p` to `end` is one or more runs of [0-9A-Za-z-] with dots between them. With `strict`, numbers must
 * not have leading zeros. */
static int is_semver_tail(const char *p, const char *end, int strict)
{
        for (;; p++) {
                size_t n = 0, digits = 0;
                while (p + n < end && ((isascii(p[n]) && isalnum((unsigned char) p[n])) || p[n] == '-')) {
                        digits += isdigit((unsigned char) p[n]) != 0;
                        n++;
                }
                if (n == 0 || (strict && digits == n && n > 1 && p[0] == '0'))
                        return 0;
                p += n;
                if (p == end)
                        return 1;
                if (*p != '.')
                        return 0;
        }
}

int mf_is_semver(const char *s, int *ret_zero)
{
        const char *p = s;

        *ret_zero = 1;
        for (int part = 0; part < 3; part++) {
                size_t n = strspn(p, "0123456789");
                if (n == 0 || n > 18 || (n > 1 && *p == '0'))
                        return 0;
                *ret_zero &= *p == '0';
                p += n;
                if (part < 2 && *p++ != '.')
                        return 0;
        }
        const char *plus = strchr(p, '+'), *end = plus ? plus : p + strlen(p);
        if (*p == '-' && !is_semver_tail(p + 1, end, 1))
                return 0;
        if (*p != '-' && p != end)
                return 0;
        *ret_zero &= *p == '\0';
        return !plus || is_semver_tail(plus + 1, plus + strlen(plus), 0);
}

int mf_is_rfc3339(const char *s)
{
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        int y, mo, d, h, mi, sec;

        for (size_t i = 0; i < 19; i++) {
                char want = "dddd-dd-ddTdd:dd:dd"[i];
                if (want == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != want)
                        return 0;
        }
        if (sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d", &y, &mo, &d, &h, &mi, &sec) != 6 || mo < 1 || mo > 12)
                return 0;
        int leap = mo == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
        if (d < 1 || d > days[mo - 1] + leap || h > 23 || mi > 59 || sec > 59)
                return 0;
        s += 19;
        if (*s == '.') {
                size_t n = strspn(s + 1, "0123456789");
                if (n == 0)
                        return 0;
                s += 1 + n;
        }
        if (strcmp(s, "Z") == 0)
                return 1;
        if ((*s != '+' && *s != '-') || strlen(s) != 6 || s[3] != ':' || strspn(s + 1, "0123456789") != 2 ||
            strspn(s + 4, "0123456789") != 2)
                return 0;
        return sscanf(s + 1, "%2d:%2d", &h, &mi) == 2 && h <= 23 && mi <= 59;
}

/* The characters that need no escape in a URL, besides letters, digits and characters outside ASCII. */
#define UNRESERVED "-._~"
#define SUB_DELIMITERS "!$&'()*+,;="

/* Whether the text has only letters, digits, characters outside ASCII, `others` and, with `escapes`, "%" with two hex
 * digits. */
static int is_made_of(const char *s, size_t size, const char *others, int escapes)
{
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char) s[i];
                if (c >= 0x80 || isalnum(c) || (c && strchr(others, c)))
                        continue;
                if (c != '%' || !escapes || i + 2 >= size || !isxdigit((unsigned char) s[i + 1]) ||
                    !isxdigit((unsigned char) s[i + 2]))
                        return 0;
                i += 2;
        }
        return 1;
}

/* Whether the text is HOST[:PORT]. An IPv6 address must be in brackets. */
static int is_host_and_port(const char *s, size_t size)
{
        char address[INET6_ADDRSTRLEN], port[8];
        struct in6_addr in6;
        size_t host = s[0] == '[' ? 0 : strcspn(s, ":");

        if (s[0] == '[') {
                const char *end = memchr(s, ']', size);
                if (!end || end - s > (long) sizeof(address))
                        return 0;
                memcpy(address, s + 1, (size_t) (end - s - 1));
                address[end - s - 1] = '\0';
                if (inet_pton(AF_INET6, address, &in6) != 1)
                        return 0;
                host = (size_t) (end - s) + 1;
        } else {
                host = host < size ? host : size;
                if (host == 0 || !is_made_of(s, host, UNRESERVED SUB_DELIMITERS, 0))
                        return 0;
        }
        if (host == size)
                return 1;
        if (s[host] != ':' || size - host > 6)
                return 0;
        snprintf(port, sizeof(port), "%.*s", (int) (size - host - 1), s + host + 1);
        return strspn(port, "0123456789") == strlen(port) && strtoul(port, NULL, 10) <= 65535;
}

int mf_is_web_url(const char *s)
{
        size_t scheme = strncasecmp(s, "https://", 8) == 0 ? 8 : strncasecmp(s, "http://", 7) == 0 ? 7 : 0;
        const char *authority = s + scheme;
        size_t size = strcspn(authority, "/?#");
        const char *at = memrchr(authority, '@', size), *host = at ? at + 1 : authority;

        if (!scheme || (at && !is_made_of(authority, (size_t) (at - authority), UNRESERVED SUB_DELIMITERS ":", 1)))
                return 0;
        return is_host_and_port(host, size - (size_t) (host - authority)) &&
               is_made_of(authority + size, strlen(authority + size), UNRESERVED SUB_DELIMITERS ":@/?#[]", 1);
}

int mf_is_platform(const char *os, const char *arch)
{
        static const struct {
                const char *os, *archs[12];
        } known[] = {
                { "linux",
                  { "amd64", "i386", "aarch64", "aarch64_be", "armv6l", "armv7l", "armv7b", "ppc64", "ppc64le",
                    "s390x" } },
                { "freebsd", { "amd64", "i386", "arm" } },
                { "darwin", { "x86_64", "i386" } },
        };

        for (size_t i = 0; i < MF_ELEMENTSOF(known); i++) {
                if (strcmp(os, known[i].os) != 0)
                        continue;
                for (size_t j = 0; arch && known[i].archs[j]; j++)
                        if (strcmp(arch, known[i].archs[j]) == 0)
                                return 1;
                return !arch;
        }
        return 0;
}
