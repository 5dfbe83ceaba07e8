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
        char command[2048];

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

/* A layer over another is one layer that shows the same. */
static void layers_are_merged(void **state)
{
        char failed[256] = "";

        (void) state;
        shell("from",
              "mkdir -p upper/old/deep upper/gone upper/kept upper/whole volumes/v/old && cd upper && "
              "echo 1 > old/deep/file && echo 1 > kept/first && ln kept/first kept/hard && echo 1 > whole/lower && "
              "echo 1 > becomes-dir && mkdir becomes-file && touch becomes-file/x ../volumes/v/old/x && "
              "mknod hidden c 0 0 && chmod 700 kept");
        copies();
        assert_int_equal(mf_snapshot_copy(from, to, "volumes", 0, 0, failed, sizeof(failed)), 0);
        shell("from", "rm -rf upper volumes && mkdir -p upper/kept upper/becomes-dir upper/whole && cd upper && "
                      "mknod old c 0 0 && mknod gone c 0 0 && mknod kept/first c 0 0 && echo 2 > kept/second && "
                      "echo 2 > becomes-file && echo 2 > becomes-dir/x && echo 2 > whole/upper && chmod 755 kept && "
                      "touch -d '2001-02-03 04:05:06' kept && echo 2 > hidden");
        assert_int_equal(mf_snapshot_merge(from, to, "upper", 0, 0, failed, sizeof(failed)), 0);
        shell("to", "test \"$(find upper -printf '%P %y %m\\n' | LC_ALL=C sort)\" = \"$(printf '%s\\n' ' d 755' "
                    "'becomes-dir d 755' 'becomes-dir/x f 644' 'becomes-file f 644' 'gone c 644' 'hidden f 644' "
                    "'kept d 755' 'kept/first c 644' 'kept/hard f 644' 'kept/second f 644' 'old c 644' "
                    "'whole d 755' 'whole/lower f 644' 'whole/upper f 644')\" && "
                    "grep -q 2 upper/hidden && test $(stat -c %Y upper/kept) = $(date -d '2001-02-03 04:05:06' +%s)");
        /* What nothing is below of needs nothing to hide it. */
        shell("from", "mkdir -p volumes/v/new && cd volumes/v && mknod old c 0 0 && mknod new/none c 0 0");
        assert_int_equal(mf_snapshot_merge(from, to, "volumes", 0, 0, failed, sizeof(failed)), 0);
        shell("to", "test \"$(find volumes | sort | tr '\\n' ' ')\" = 'volumes volumes/v volumes/v/new '");
}

/* What overlayfs says of directories holds for the result. */
static void opaque_directories_are_merged(void **state)
{
        char path[128], failed[256] = "";

        (void) state;
        shell("from", "mkdir -p upper/a upper/b && touch upper/a/lower upper/b/lower");
        snprintf(path, sizeof(path), "%s/from/upper/b", place);
        if (setxattr(path, "trusted.overlay.opaque", "y", 1, 0) < 0)
                return; /* only root may, and nothing else is to be seen without */
        copies();
        assert_int_equal(removexattr(path, "trusted.overlay.opaque"), 0);
        snprintf(path, sizeof(path), "%s/to/upper/b", place);
        assert_int_equal(setxattr(path, "trusted.colour", "blue", 4, 0), 0);
        shell("from", "rm upper/a/lower upper/b/lower && touch upper/a/upper && mknod upper/b/lower c 0 0");
        snprintf(path, sizeof(path), "%s/from/upper/a", place);
        assert_int_equal(setxattr(path, "trusted.overlay.opaque", "y", 1, 0), 0);
        assert_int_equal(mf_snapshot_merge(from, to, "upper", 0, 0, failed, sizeof(failed)), 0);
        snprintf(path, sizeof(path), "%s/to/upper/b", place);
        shell("to", "test \"$(find upper | sort | tr '\\n' ' ')\" = 'upper upper/a upper/a/upper upper/b '");
        snprintf(path, sizeof(path), "%s/to/upper/b", place);
        assert_int_equal(getxattr(path, "trusted.colour", NULL, 0), -1); /* which the upper one does not have */
        for (const char *name = "ab"; *name; name++) {
                char value = '\0';
                snprintf(path, sizeof(path), "%s/to/upper/%c", place, *name);
                assert_int_equal(getxattr(path, "trusted.overlay.opaque", &value, 1), 1);
                assert_int_equal(value, 'y');
        }
        snprintf(path, sizeof(path), "%s/from/upper/a", place);
        assert_int_equal(setxattr(path, "trusted.overlay.redirect", "/b", 2, 0), 0);
        assert_int_equal(mf_snapshot_merge(from, to, "upper", 0, 0, failed, sizeof(failed)), -EXDEV);
        assert_string_equal(failed, "upper/a");
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

static void set_metadata_alone(const char *name)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/from/upper/%s", place, name);
        assert_int_equal(setxattr(path, "trusted.overlay.metacopy", "", 0, 0), 0);
}

/* As overlayfs leaves a file whose owner was changed: as large as it was, and empty. */
static void content_of_lower_layers_stays(void **state)
{
        struct stat st;
        char failed[256] = "", value;

        (void) state;
        if (getuid() != 0)
                return; /* the overlay of an ordinary user copies all, and nobody else can set the mark */
        shell("from", "mkdir upper && echo data >upper/written && truncate -s 5 upper/image");
        set_metadata_alone("image");
        copies();
        shell("to", "! grep -q . upper/image && test $(stat -c %s upper/image) = 5");
        char path[128];
        snprintf(path, sizeof(path), "%s/to/upper/image", place);
        assert_int_equal(getxattr(path, "trusted.overlay.metacopy", &value, 1), 0);

        mf_remove_tree(from, "upper");
        shell("from",
              "mkdir upper && truncate -s 5 upper/written && chown 7:8 upper/written && chmod 4711 upper/written && "
              "truncate -s 5 upper/image");
        set_metadata_alone("written");
        set_metadata_alone("image");
        assert_int_equal(mf_snapshot_merge(from, to, "upper", 0, 0, failed, sizeof(failed)), 0);
        shell("to", "grep -qx data upper/written");
        assert_int_equal(fstatat(to, "upper/written", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 04711);
        assert_int_equal(st.st_uid, 7);
        assert_int_equal(getxattr(path, "trusted.overlay.metacopy", &value, 1), 0);
        snprintf(path, sizeof(path), "%s/to/upper/written", place);
        assert_int_equal(getxattr(path, "trusted.overlay.metacopy", &value, 1), -1);

        snprintf(path, sizeof(path), "%s/from/upper/image", place);
        assert_int_equal(setxattr(path, "trusted.overlay.redirect", "/away", 5, 0), 0);
        assert_int_equal(mf_snapshot_merge(from, to, "upper", 0, 0, failed, sizeof(failed)), -EXDEV);
        assert_string_equal(failed, "upper/image");
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
                cmocka_unit_test_setup_teardown(layers_are_merged, set_up, tear_down),
                cmocka_unit_test_setup_teardown(opaque_directories_are_merged, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_fails_is_named, set_up, tear_down),
                cmocka_unit_test_setup_teardown(attributes_are_chosen, set_up, tear_down),
                cmocka_unit_test_setup_teardown(content_of_lower_layers_stays, set_up, tear_down),
                cmocka_unit_test(ids_are_those_inside),
        };

        return cmocka_run_group_tests_name("snapshot-copy", tests, NULL, NULL);
}
