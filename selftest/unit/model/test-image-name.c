/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "aci/manifest.h"
#include "model/image-name.h"

static struct mf_image_name *parse(const char *text)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_image_name *name = NULL;

        if (mf_image_name_parse(&name, text, &err) < 0)
                fail_msg("%s", err.message);
        return name;
}

static const struct {
        const char *text, *message;
} bad_names[] = {
        { "", "has the name \"\"" },
        { ":1", "has the name \"\"" },
        { "a/../b", "has the name \"a/../b\", which is not an AC Identifier" },
        { "../a", "which is not an AC Identifier" },
        { "a/~/b", "which is not an AC Identifier" },
        { "a//b", "which is not an AC Identifier" },
        { "/a", "which is not an AC Identifier" },
        { "a/", "which is not an AC Identifier" },
        { "Example.com/a", "which is not an AC Identifier" },
        { "example.com/r\xc3\xa9"
          "dis",
          "which is not an AC Identifier" },
        { "\xff\xfe", "which is not an AC Identifier" },
        { "a?b", "which is not an AC Identifier" },
        { "a{b}", "which is not an AC Identifier" },
        { "a:", "has no value for \"version\"" },
        { "a,", "has the label \"\", which has no \"=\"" },
        { "a,os", "has the label \"os\", which has no \"=\"" },
        { "a,=x", "has the label \"\", which is not an AC Identifier" },
        { "a,os=", "has no value for \"os\"" },
        { "a,os=linux,os=linux", "has the label \"os\" twice" },
        { "a:1,version=2", "has the label \"version\" twice" },
        { "a,name=b", "has a label \"name\"" },
        { "a,OS=linux", "has the label \"OS\", which is not an AC Identifier" },
        { "a,os=linux:1.2.3", "has \"linux:1.2.3\" for the label \"os\": a version stands before the labels" },
        { "a,v=x,w=y:1", "a version stands before the labels" },
        { "a:..", "has \"..\" for the label \"version\"" },
        { "a:../../etc", "would lead to another URL" },
        { "a:x/./y", "would lead to another URL" },
        { "a,v=x/..", "would lead to another URL" },
        { "a,os=plan9", "has the os \"plan9\", which appc does not know" },
        { "a,os=linux,arch=x86_64", "the arch \"x86_64\", which appc does not know for linux" },
        { "a,os=darwin,arch=s390x", "does not know for darwin" },
};

static void bad_names_are_refused(void **state)
{
        char text[1000];

        (void) state;
        for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mf_image_name *name = NULL;
                assert_int_equal(mf_image_name_parse(&name, bad_names[i].text, &err), -EINVAL);
                assert_null(name);
                assert_int_equal(err.stage, MAYFLY_STAGE_REFERENCE);
                if (!strstr(err.message, bad_names[i].message) || !strstr(err.message, "write NAME[:VERSION]"))
                        fail_msg("\"%s\" gives \"%s\"", bad_names[i].text, err.message);
        }
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_image_name *name = NULL;
        memset(text, 'a', 600);
        text[600] = '\0';
        assert_int_equal(mf_image_name_parse(&name, text, &err), -EINVAL);
        assert_non_null(strstr(err.message, "a name of 600 characters, over 512"));
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        strcpy(text, "a");
        for (int i = 0; i < 70; i++)
                sprintf(text + strlen(text), ",l%d=1", i);
        assert_int_equal(mf_image_name_parse(&name, text, &err), -EINVAL);
        assert_non_null(strstr(err.message, "has more than 64 labels"));
}

static void os_and_arch_default_to_the_host(void **state)
{
        struct mf_image_name *name = parse("example.com/redis,flavour=small");
        struct utsname host;

        (void) state;
        assert_int_equal(uname(&host), 0);
        assert_int_equal(name->n_asked, 1);
        assert_string_equal(mf_image_name_label(name, "os"), "linux");
        assert_string_equal(mf_image_name_label(name, "arch"),
                            strcmp(host.machine, "x86_64") == 0 ? "amd64" : host.machine);
        assert_string_equal(mf_image_name_label(name, "version"), "latest");
        assert_null(mf_image_name_label(name, "flavor"));
        mf_image_name_free(name);
}

static void variables_are_substituted(void **state)
{
        static const struct {
                const char *template, *url; /* NULL: is left over, */
                const char *variable;
        } cases[] = {
                { "https://x/{os}/{arch}/{name}-{version}.{ext}", "https://x/linux/s390x/example.com/a-1.0+b.aci",
                  NULL },
                { "https://{name}/{name}", "https://example.com/a/example.com/a", NULL },
                { "https://x/y.aci", "https://x/y.aci", NULL },
                { "https://x/{odd}", "https://x/%3F%23%25%7Bext%7D%5C/y%C3%A9", NULL },
                { "https://x/{", "https://x/{", NULL },
                { "https://x/}", "https://x/}", NULL },
                { "https://x/{nope}.{ext}", NULL, "{nope}" },
                { "https://x/{}", NULL, "{}" },
                { "https://x/{NAME}", NULL, "{NAME}" },
                { "https://x/{ name }", NULL, "{ name }" },
                { "https://x/{a{name}}", NULL, "{a{name}" },
        };
        struct mf_image_name *name = parse("example.com/a:1.0+b,os=linux,arch=s390x,odd=?#%{ext}\\/y\xc3\xa9");

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char *url = NULL;
                int r = mf_image_name_render(name, cases[i].template, "aci", &url);
                assert_int_equal(r, cases[i].url ? 0 : -EINVAL);
                assert_string_equal(url, cases[i].url ? cases[i].url : cases[i].variable);
                free(url);
        }
        mf_image_name_free(name);
}

static void the_manifest_must_match(void **state)
{
        static const struct {
                const char *asked, *name, *labels, *message; /* NULL: fine */
        } cases[] = {
                { "example.com/a", "example.com/a", "", NULL },
                { "example.com/a", "example.com/b", "", "expected example.com/a, but its manifest says example.com/b" },
                { "example.com/a", "example.com/a/b", "", "says example.com/a/b" },
                { "example.com/a:1", "example.com/a", "version=1", NULL },
                { "example.com/a:1", "example.com/a", "version=1,os=linux,x=y", NULL },
                { "example.com/a:1", "example.com/a", "version=2",
                  "expected example.com/a,version=1, but its manifest says example.com/a,version=2" },
                { "example.com/a:1", "example.com/a", "",
                  "expected example.com/a,version=1, but its manifest says "
                  "example.com/a" },
                { "example.com/a", "example.com/a", "version=2", NULL },
                { "example.com/a:latest", "example.com/a", "version=2", "leave the version out" },
                { "example.com/a:latest", "example.com/a", "version=latest", NULL },
                { "example.com/a,x=y", "example.com/a", "x=Y", "expected example.com/a,x=y" },
                { "example.com/a,os=linux,arch=s390x", "example.com/a", "os=linux,arch=s390x", NULL },
                { "example.com/a,os=linux,arch=s390x", "example.com/a", "os=linux",
                  "expected example.com/a,os=linux,arch=s390x" },
                { "example.com/a", "example.com/a", "os=freebsd,arch=amd64",
                  "expected example.com/a,os=linux, but its manifest says example.com/a,os=freebsd,arch=amd64" },
                { "example.com/a", "example.com/a", "os=linux,arch=armv7b", "arch=armv7b" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char labels[100], *list[8] = { NULL }, *rest;
                size_t n = 0;
                struct mf_image_config config = { .name = (char *) (uintptr_t) cases[i].name, .labels = list };
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mf_image_name *name = parse(cases[i].asked);
                snprintf(labels, sizeof(labels), "%s", cases[i].labels);
                for (char *l = strtok_r(labels, ",", &rest); l; l = strtok_r(NULL, ",", &rest))
                        list[n++] = l;
                int r = mf_image_name_match(name, &config, &err);
                if (r != (cases[i].message ? -EBADMSG : 0) ||
                    (cases[i].message &&
                     (!strstr(err.message, cases[i].message) || err.stage != MAYFLY_STAGE_MANIFEST)))
                        fail_msg("%s and %s,%s: %d \"%s\"", cases[i].asked, cases[i].name, cases[i].labels, r,
                                 err.message);
                mf_image_name_free(name);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bad_names_are_refused),
                cmocka_unit_test(os_and_arch_default_to_the_host),
                cmocka_unit_test(variables_are_substituted),
                cmocka_unit_test(the_manifest_must_match),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
