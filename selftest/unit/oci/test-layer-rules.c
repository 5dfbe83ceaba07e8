/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "oci/layer-rules.h"

static const struct {
        const char *name;
        enum mf_oci_role role;
        const char *path;
} good[] = {
        { "etc/conf", MF_OCI_ENTRY, "rootfs/etc/conf" },
        { "./etc/conf", MF_OCI_ENTRY, "rootfs/etc/conf" },
        { "/etc//conf", MF_OCI_ENTRY, "rootfs/etc/conf" },
        { "//./etc/./conf/", MF_OCI_ENTRY, "rootfs/etc/conf" },
        { "a.wh.b/.whx/.w", MF_OCI_ENTRY, "rootfs/a.wh.b/.whx/.w" },
        { "manifest", MF_OCI_ENTRY, "rootfs/manifest" },
        { "etc/.wh.conf", MF_OCI_WHITEOUT, "rootfs/etc/conf" },
        { ".wh.conf", MF_OCI_WHITEOUT, "rootfs/conf" },
        { "/.wh...a", MF_OCI_WHITEOUT, "rootfs/..a" },
        { ".wh.x.wh.", MF_OCI_WHITEOUT, "rootfs/x.wh." },
        { "etc/.wh..wh..opq", MF_OCI_OPAQUE, "rootfs/etc" },
        { ".wh..wh..opq", MF_OCI_OPAQUE, "rootfs" },
        { ".wh..wh.aufs", MF_OCI_IGNORED, NULL },
        { ".wh..wh.plnk/1.2", MF_OCI_IGNORED, NULL },
        { "a/.wh..wh.x/b/c", MF_OCI_IGNORED, NULL },
};

static void names_are_understood(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                const struct mf_entry entry = { .name = good[i].name, .mode = S_IFREG };
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mf_oci_place place;
                if (mf_oci_entry_place(&entry, &place, &err) < 0)
                        fail_msg("%s: %s", good[i].name, err.message);
                assert_int_equal(place.role, good[i].role);
                if (good[i].path)
                        assert_string_equal(place.path, good[i].path);
        }
}

static void the_root_is_a_directory(void **state)
{
        const char *const names[] = { "/", "./", ".", "" };

        (void) state;
        for (size_t i = 0; i < 4; i++) {
                struct mf_entry entry = { .name = names[i], .mode = S_IFDIR };
                struct mf_oci_place place;
                assert_int_equal(mf_oci_entry_place(&entry, &place, NULL), 0);
                assert_string_equal(place.path, "rootfs");
                entry.mode = S_IFREG;
                assert_int_equal(mf_oci_entry_place(&entry, &place, NULL), -EBADMSG);
        }
}

static void others_are_refused(void **state)
{
        const char *const names[] = { "..",    "a/../b", "/..",     ".wh.",       "a/.wh.",
                                      ".wh..", ".wh...", ".wh.a/b", "a/.wh.b/c/d" };

        (void) state;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                const struct mf_entry entry = { .name = names[i], .mode = S_IFREG };
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mf_oci_place place;
                if (mf_oci_entry_place(&entry, &place, &err) != -EBADMSG || !strstr(err.message, names[i]))
                        fail_msg("\"%s\": \"%s\"", names[i], err.message);
        }
}

static void links_have_targets(void **state)
{
        static const struct {
                const char *target, *path;
        } cases[] = { { "./a", "rootfs/a" }, { "/a/b", "rootfs/a/b" }, { "..", NULL }, { "a/../b", NULL }, { "", NULL },
                      { "/", NULL } };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const struct mf_entry entry = { .name = "l", .mode = S_IFREG, .hardlink = cases[i].target };
                struct mf_oci_place place;
                assert_int_equal(mf_oci_entry_place(&entry, &place, NULL), cases[i].path ? 0 : -EBADMSG);
                if (cases[i].path)
                        assert_string_equal(place.target, cases[i].path);
        }
}

static void names_may_be_long(void **state)
{
        static char name[PATH_MAX + 100];
        struct mf_entry entry = { .name = name, .mode = S_IFREG };
        struct mf_oci_place place;

        (void) state;
        for (size_t i = 0; i < PATH_MAX + 50; i++)
                name[i] = i % 100 == 99 ? '/' : 'n';
        assert_int_equal(mf_oci_entry_place(&entry, &place, NULL), -EBADMSG);
        name[PATH_MAX - 10] = '\0';
        assert_int_equal(mf_oci_entry_place(&entry, &place, NULL), 0);
        assert_int_equal(strlen(place.path), PATH_MAX - 10 + 7);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_are_understood), cmocka_unit_test(the_root_is_a_directory),
                cmocka_unit_test(others_are_refused),   cmocka_unit_test(links_have_targets),
                cmocka_unit_test(names_may_be_long),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
