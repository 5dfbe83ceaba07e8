/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/ac-types.h"

/* The forms of strings, by the tables of oracle/forms: a line is MARK "TEXT" as JSON, then, after a tab, a remark. "+"
 * is valid, "-" is not, "<" is not either, though actool accepts it, for the reason in the remark;
 * oracle/test-agreement asks actool about the same tables. */

static size_t hex4(const char *p)
{
        char digits[5] = { 0 };

        memcpy(digits, p, 4);
        return strtoul(digits, NULL, 16);
}

/* Decodes the string at `p`, in place. */
static char *decode(char *p)
{
        char *text = p + 1, *out = p;

        assert_true(*p == '"');
        for (p++; *p != '"'; p++) {
                if (*p != '\\') {
                        *out++ = *p;
                        continue;
                }
                p++;
                if (*p == 'u') {
                        assert_true(hex4(p + 1) > 0 && hex4(p + 1) < 0x80);
                        *out++ = (char) hex4(p + 1);
                        p += 4;
                } else {
                        const char *escaped = strchr("n\nt\tr\r\"\"\\\\", *p);
                        assert_non_null(escaped);
                        *out++ = escaped[1];
                }
        }
        *out = '\0';
        return text - 1;
}

static void check_form(const char *name, int (*is)(const char *text))
{
        size_t size = 0, n_valid = 0, n_invalid = 0, line_number = 0;
        char path[4096], *line = NULL;

        snprintf(path, sizeof(path), SELFTEST "/oracle/forms/%s", name);
        FILE *f = fopen(path, "re");
        if (!f)
                fail_msg("%s cannot be read", path);
        while (getline(&line, &size, f) > 0) {
                line_number++;
                int valid = line[0] == '+';
                if (!strchr("+-<", line[0]) || line[1] != ' ')
                        fail_msg("%s:%zu has no mark", path, line_number);
                const char *text = decode(line + 2);
                if (is(text) != valid)
                        fail_msg("%s:%zu: \"%s\" is taken to be %svalid", path, line_number, text, valid ? "in" : "");
                n_valid += valid;
                n_invalid += !valid;
        }
        fclose(f);
        free(line);
        assert_true(n_valid >= 18 && n_invalid >= 28 && n_valid + n_invalid >= 60);
}

static int is_semver(const char *text)
{
        int zero;

        return mf_is_semver(text, &zero) && !zero;
}

/* "OS ARCH", or the os alone. */
static int is_platform(const char *text)
{
        char os[64];
        const char *space = strchr(text, ' ');

        snprintf(os, sizeof(os), "%.*s", space ? (int) (space - text) : (int) strlen(text), text);
        return mf_is_platform(os, space ? space + 1 : NULL);
}

static void appc_manifest_acversion_is_a_semantic_version(void **state)
{
        (void) state;
        check_form("semver", is_semver);
}

static void appc_manifest_created_is_an_rfc3339_time(void **state)
{
        (void) state;
        check_form("date", mf_is_rfc3339);
}

static void appc_manifest_ac_names(void **state)
{
        (void) state;
        check_form("ac-name", mf_is_ac_name);
}

static void appc_manifest_ac_identifiers(void **state)
{
        (void) state;
        check_form("ac-identifier", mf_is_ac_identifier);
}

static void appc_manifest_environment_names(void **state)
{
        (void) state;
        check_form("environment", mf_is_env_name);
}

static void appc_manifest_homepage_and_documentation_are_web_urls(void **state)
{
        (void) state;
        check_form("url", mf_is_web_url);
}

static void appc_manifest_os_and_arch_are_listed_pairs(void **state)
{
        (void) state;
        check_form("platform", is_platform);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(appc_manifest_acversion_is_a_semantic_version),
                cmocka_unit_test(appc_manifest_created_is_an_rfc3339_time),
                cmocka_unit_test(appc_manifest_ac_names),
                cmocka_unit_test(appc_manifest_ac_identifiers),
                cmocka_unit_test(appc_manifest_environment_names),
                cmocka_unit_test(appc_manifest_homepage_and_documentation_are_web_urls),
                cmocka_unit_test(appc_manifest_os_and_arch_are_listed_pairs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
