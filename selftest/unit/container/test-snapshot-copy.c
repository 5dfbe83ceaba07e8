/* SPDX-License-Identifier: MIT */

/* The copy of a tree that a snapshot is, and the IDs in it. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "container/snapshot-copy.h"
#include "container/snapshot-xattr.h"
#include "util/fs.h"

static char place[] = "/tmp/test-snapshot-XXXXXX";
static int directory = -1, from = -1, to = -1;

static int set_up(void **state)
{
        (void) state;
        strcpy(place + sizeof(place) - 7, "XXXXXX");
        assert_non_null(mkdtemp(place));
        directory = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(mkdirat(directory, "from", 0755), 0);
        assert_int_equal(mkdirat(directory, "to", 0755), 0);
        from = openat(directory, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        to = openat(directory, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(from >= 0 && to >= 0);
        return 0;
}

static int tear_down(void **state)
{
        (void) state;
        close(from);
        close(to);
        mf_remove_tree(directory, "from");
        mf_remove_tree(directory, "to");
        close(directory);
        return rmdir(place);
}

/* Runs a command line in the directory of the tree or of its copy. */
static void shell(const char *where, const char *line)
{
        char command[1024];

        snprintf(command, sizeof(command), "cd %s/%s && %s", place, where, line);
        if (system(command) != 0)
                fail_msg("%s", command);
}

static void copies(void)
{
        char failed[256] = "";

        int r = mf_snapshot_copy(from, to, "upper", 0, 0, failed, sizeof(failed));
        if (r < 0)
                fail_msg("%d at %s", r, failed);
}

static void all_is_copied(void **state)
{
        (void) state;
        shell("from",
              "mkdir -p upper/a/b upper/empty && echo data > upper/file && chmod 6751 upper/file && "
              "ln upper/file upper/a/b/hard && ln -s ../x upper/link && ln -s /nowhere upper/a/dangling && "
              "mkfifo -m 0640 upper/fifo && truncate -s 40M upper/a/sparse && echo end >> upper/a/sparse && "
              "chmod 1777 upper/empty && touch -h -d '2001-02-03 04:05:06' upper/link upper/a && : > upper/nothing && "
              "printf x > \"upper/a name with blanks\"");
        copies();
        shell("to", "diff -r --no-dereference -x fifo upper ../from/upper");
        shell("to", "for d in . ../from; do (cd $d && find upper -printf '%P %m %n %T@ %y %l\\n' | sort > list); done; "
                    "cmp list ../from/list && test $(du -k upper/a/sparse | cut -f 1) -lt 1000 && "
                    "test upper/file -ef upper/a/b/hard");
}

static void hosts_is_left_out(void **state)
{
        (void) state;
        shell("from", "mkdir -p upper/etc upper/x/etc && touch upper/etc/hosts upper/etc/hostname upper/x/etc/hosts");
        copies();
        shell("to", "test ! -e upper/etc/hosts && test -e upper/etc/hostname && test -e upper/x/etc/hosts");
}

static void what_fails_is_named(void **state)
{
        char failed[256] = "";

        (void) state;
        shell("from", "mkdir -p upper/a/b && touch upper/a/b/c");
        assert_int_equal(mf_snapshot_copy(from, to, "missing", 0, 0, failed, sizeof(failed)), -ENOENT);
        assert_string_equal(failed, "missing");
        copies();
        assert_int_equal(mf_snapshot_copy(from, to, "upper", 0, 0, failed, sizeof(failed)), -EEXIST);
        assert_string_equal(failed, "upper");
}

static void attributes_are_chosen(void **state)
{
        char path[128];

        (void) state;
        shell("from", "mkdir upper && touch upper/file");
        snprintf(path, sizeof(path), "%s/from/upper/file", place);
        if (setxattr(path, "user.colour", "blue", 4, 0) < 0)
                return; /* a tmpfs has these from Linux 6.6 on, and nothing else is to be seen without */
        assert_int_equal(setxattr(path, "user.overlay.origin", "x", 1, 0), 0);
        assert_int_equal(setxattr(path, "user.overlay.opaque", "y", 1, 0), 0);
        copies();
        snprintf(path, sizeof(path), "%s/to/upper/file", place);
        char value[8];
        assert_int_equal(getxattr(path, "user.colour", value, sizeof(value)), 4);
        assert_int_equal(getxattr(path, "user.overlay.opaque", value, sizeof(value)), 1);
        assert_int_equal(getxattr(path, "user.overlay.origin", value, sizeof(value)), -1);

        /* A file whose content is elsewhere is no file of a layer. */
        char failed[256] = "";
        mf_remove_tree(to, "upper");
        snprintf(path, sizeof(path), "%s/from/upper/file", place);
        assert_int_equal(setxattr(path, "user.overlay.metacopy", "", 0, 0), 0);
        assert_int_equal(mf_snapshot_copy(from, to, "upper", 0, 0, failed, sizeof(failed)), -ENOTSUP);
        assert_string_equal(failed, "upper/file");
}

static void ids_are_those_inside(void **state)
{
        const struct mf_shift shift = { .ids = 100000, .n_ids = 65536 }, none = { 0 };

        (void) state;
        assert_int_equal(mf_shift_id(&shift, 100000), 0);
        assert_int_equal(mf_shift_id(&shift, 165535), 65535);
        assert_int_equal(mf_shift_id(&shift, 165536), 0);
        assert_int_equal(mf_shift_id(&shift, 99999), 0);
        assert_int_equal(mf_shift_id(&shift, 0), 0);
        assert_int_equal(mf_shift_id(&none, 1234), 1234);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(all_is_copied, set_up, tear_down),
                cmocka_unit_test_setup_teardown(hosts_is_left_out, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_fails_is_named, set_up, tear_down),
                cmocka_unit_test_setup_teardown(attributes_are_chosen, set_up, tear_down),
                cmocka_unit_test(ids_are_those_inside),
        };

        return cmocka_run_group_tests_name("snapshot-copy", tests, NULL, NULL);
}
