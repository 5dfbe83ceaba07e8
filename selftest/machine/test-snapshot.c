/* SPDX-License-Identifier: MIT */

/* Snapshots: what a container wrote is what others begin from, whoever they are on the host. */

#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"
#include "support/reach.h"

static const char *busybox, *serving;

#define APP(line) ((const char *const[]){ "/bin/sh", "-c", line, NULL })
#define OWN MAYFLY_VOLUMES({ .path = "/own", .mode = 0700, .uid = 7 })

/* All that a file system can say of files. */
#define WRITES                                                                                                \
        "exec 2>&1; set -e; cd /own; echo data > file; chown 5:6 file; chmod 4750 file; ln file hard; "       \
        "ln -s file link; mkfifo fifo; truncate -s 1000000 sparse; echo end >> sparse; mkdir -p deep/er; "    \
        "touch -d '2001-02-03 04:05:06' deep; rm /bin/uname; mkdir /new; chown 8:9 /new; chmod 1775 /new; "   \
        "mv /etc/passwd /new/; rm -rf /etc; mkdir /etc; mv /new/passwd /etc/; echo x > /etc/x; ln /own/hard " \
        "/own/deep/er/hard; "                                                                                 \
        "dd if=/dev/urandom of=/tmp/big bs=1M count=3; md5sum /tmp/big > /tmp/sum; ln /tmp/big /tmp/other"
#define LOOKS                                                                                                       \
        "exec 2>&1; cd /own; stat -c '%n %u %g %a %F' . *; stat -c '%h %s' file hard link sparse; readlink link; "  \
        "cat hard; tail -c 4 sparse; du -k sparse; stat -c %Y deep; ls deep/er; ls -d /bin/uname /etc /etc/[px]*; " \
        "stat -c '%u %g %a' /new /; md5sum -c /tmp/sum; stat -c %h /tmp/other"

static struct mayfly_snapshot *take(struct mayfly_container *c)
{
        struct mayfly_snapshot *snapshot = NULL;

        works(mayfly_container_snapshot(c, &snapshot, fresh()));
        return snapshot;
}

/* What a command prints, to be freed. */
static char *output_of(struct mayfly_container *c, const char *line)
{
        return mayfly_cmocka_sh(c, line);
}

/* The files of a fresh container, and the snapshot of them, which is taken in the way that `halts` says. */
static struct mayfly_snapshot *make(int halts, char **ret_looks)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .volumes = OWN));

        free(output_of(c, WRITES));
        if (ret_looks)
                *ret_looks = output_of(c, LOOKS);
        works(halts ? mayfly_container_halt(c, fresh()) : mayfly_container_pause(c, fresh()));
        struct mayfly_snapshot *snapshot = take(c);
        mayfly_container_free(c);
        return snapshot;
}

static void files_are_the_same(void **state)
{
        (void) state;
        for (int halts = 0; halts < 2; halts++) {
                char *before = NULL;
                struct mayfly_snapshot *snapshot = make(halts, &before);
                struct mayfly_container *c[2];
                for (unsigned i = 0; i < 2; i++)
                        c[i] = start_container(
                                MAYFLY_SPEC(.image = busybox, .idle = 1, .volumes = OWN, .snapshot = snapshot));
                mayfly_snapshot_free(snapshot); /* they have what they need */
                for (unsigned i = 0; i < 2; i++) {
                        char *after = output_of(c[i], LOOKS);
                        assert_string_equal(after, before);
                        free(after);
                        /* What one does the other does not see. */
                        free(output_of(c[i], "rm -rf /own/* /etc/x /tmp/*; echo other > /own/file"));
                }
                works(mayfly_container_restart(c[0], fresh()));
                prints_as(c[0], NULL, "ls /own /tmp; cat /own/file", "/own:\nfile\n\n/tmp:\nother\n");
                mayfly_container_free(c[0]);
                mayfly_container_free(c[1]);
                free(before);
        }
}

/* --- what needs the eyes of root -------------------------------------------------------------------------------- */

static void path_of(struct mayfly_container *c, const char *file, char ret[128])
{
        snprintf(ret, 128, "/proc/%d/root%s", (int) mayfly_container_leader(c), file);
}

/* The first of the container's IDs on the host. */
static unsigned first_id(struct mayfly_container *c)
{
        char path[64];
        unsigned inside = 1, first = 0;

        snprintf(path, sizeof(path), "/proc/%d/uid_map", (int) mayfly_container_leader(c));
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%u %u", &inside, &first), 2);
        fclose(f);
        assert_int_equal(inside, 0);
        return first;
}

static void attributes_are_the_same(void **state)
{
        struct vfs_ns_cap_data capability = { .magic_etc = VFS_CAP_REVISION_3 | VFS_CAP_FLAGS_EFFECTIVE,
                                              .data = { { .permitted = 1U << 10 } } },
                               seen = { 0 };
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        char path[128], text[16] = "";

        (void) state;
        free(output_of(c, "cp /bin/busybox /tmp/program"));
        if (geteuid() == 0) { /* busybox cannot */
                path_of(c, "/tmp/program", path);
                capability.rootid = first_id(c);
                assert_int_equal(setxattr(path, "security.capability", &capability, XATTR_CAPS_SZ_3, 0), 0);
                assert_int_equal(setxattr(path, "user.colour", "blue", 4, 0), 0);
        }
        works(mayfly_container_halt(c, fresh()));
        struct mayfly_snapshot *snapshot = take(c);
        unsigned first = 0;
        mayfly_container_free(c);
        c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .snapshot = snapshot));
        struct mayfly_container *second =
                start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .snapshot = snapshot));
        if (geteuid() == 0) {
                struct mayfly_container *both[] = { c, second };
                for (unsigned i = 0; i < 2; i++) {
                        assert_int_not_equal(first_id(both[i]), first);
                        first = first_id(both[i]);
                        path_of(both[i], "/tmp/program", path);
                        assert_int_equal(getxattr(path, "security.capability", &seen, sizeof(seen)), XATTR_CAPS_SZ_3);
                        assert_int_equal(seen.rootid, first);
                        assert_int_equal(seen.data[0].permitted, 1U << 10);
                        assert_int_equal(getxattr(path, "user.colour", text, sizeof(text)), 4);
                        assert_memory_equal(text, "blue", 4);
                }
        }
        assert_int_equal(sh(c, "cmp /tmp/program /bin/busybox"), 0);
        mayfly_container_free(second);
        mayfly_container_free(c);
        mayfly_snapshot_free(snapshot);
}

/* --- at work ---------------------------------------------------------------------------------------------------- */

/* A container goes on after it, and its snapshot stays as it was. */
static void a_pause_is_enough(void **state)
{
        /* One file is always as new as the other, or one line ahead. */
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox,
                            .argv = APP("while :; do echo x >> /tmp/first; echo x >> /tmp/second; done")));

        (void) state;
        assert_int_equal(sh(c, "until [ -s /tmp/second ]; do :; done; touch /tmp/early"), 0);
        works(mayfly_container_pause(c, fresh()));
        struct mayfly_snapshot *snapshot = take(c);
        works(mayfly_container_resume(c, fresh()));
        assert_int_equal(
                sh(c, "touch /tmp/late; a=$(wc -l < /tmp/first); until [ $(wc -l < /tmp/first) -gt $a ]; do :; done"),
                0);
        struct mayfly_container *other =
                start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .snapshot = snapshot));
        prints_as(other, NULL, "ls /tmp; echo $(($(wc -l < /tmp/first) - $(wc -l < /tmp/second))) | tr 1 0",
                  "early\nfirst\nsecond\n0\n");
        mayfly_container_free(other);
        mayfly_container_free(c);
        mayfly_snapshot_free(snapshot);
}

struct starter {
        pthread_t thread;
        const struct mayfly_snapshot *snapshot;
        struct mayfly_container *container;
        struct mayfly_error err;
};

static void *start_from(void *userdata)
{
        struct starter *starter = userdata;

        starter->err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        for (unsigned i = 0; i < 3 && !starter->err.code; i++) {
                starter->container = mayfly_container_free(starter->container);
                (void) mayfly_container_start(
                        &starter->container,
                        MAYFLY_SPEC(.image = busybox, .idle = 1, .volumes = OWN, .snapshot = starter->snapshot),
                        &starter->err);
        }
        return NULL;
}

static void threads_begin_from_one(void **state)
{
        struct mayfly_snapshot *snapshot = make(1, NULL);
        struct starter starters[4] = { 0 };

        (void) state;
        for (unsigned i = 0; i < 4; i++) {
                starters[i].snapshot = snapshot;
                assert_int_equal(pthread_create(&starters[i].thread, NULL, start_from, &starters[i]), 0);
        }
        for (unsigned i = 0; i < 4; i++) {
                pthread_join(starters[i].thread, NULL);
                if (starters[i].err.code)
                        fail_msg("%s", starters[i].err.message);
                prints_as(starters[i].container, NULL, "cat /own/file", "data\n");
                mayfly_container_free(starters[i].container);
        }
        mayfly_snapshot_free(snapshot);
}

/* What each round does: files that only this one has, that are written again, removed, replaced and made where another was. */
#define ROUND                                                                                                       \
        "set -e; cd /own; n=%u; echo $n >> n; echo $n >> /tmp/n; touch $n; rm -f $((n-1)); rm -rf /etc/d$((n-2)); " \
        "mkdir -p /etc/d$n/sub; echo $n > /etc/d$n/sub/file; ln /etc/d$n/sub/file /etc/d$n/hard; "                  \
        "rm -f /etc/d$((n-1))/hard; rm -rf turns; [ $((n%%2)) = 0 ] || mkdir turns; ln -sf $n link; "               \
        "case $((n%%3)) in 0) rm -rf dir; mkdir dir;; 1) chmod 750 dir; touch dir/$n;; *) rm -f dir/*; esac; "      \
        "[ $n != 5 ] || { rm /bin/uname; rm -rf /var; mkdir /var; touch /var/mine; }"
#define STATE                                                                           \
        "{ find /etc /own /tmp /var -type d -exec stat -c '%n %u %g %a' {} +; "         \
        "find /etc /own /tmp /var ! -type d -exec stat -c '%n %F %u %g %a %s' {} +; } " \
        "| grep -v /etc/hosts | sort; ls -d /bin/uname 2>&1 || :; "                     \
        "cat /own/n /tmp/n /etc/d*/sub/file; readlink /own/link"

/* Any number of snapshots can lie on each other, whether new containers begin from them or one goes back. */
static void snapshots_of_snapshots(void **state)
{
        struct mayfly_snapshot *snapshot = NULL, *next = NULL;
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .volumes = OWN));
        char line[1024];

        (void) state;
        free(output_of(c, "mkdir /own/dir"));
        for (unsigned i = 1; i <= 50; i++) {
                int is_looked_at = i % 8 == 1 || i == 50; /* with each ninth, all are merged */
                snprintf(line, sizeof(line), ROUND, i);
                free(output_of(c, line));
                char *before = is_looked_at ? output_of(c, STATE) : NULL;
                works(mayfly_container_pause(c, fresh()));
                next = take(c);
                mayfly_snapshot_free(snapshot);
                snapshot = next;
                works(mayfly_container_reset(c, fresh()));
                char *after = is_looked_at ? output_of(c, STATE) : NULL;
                if (is_looked_at)
                        assert_string_equal(after, before);
                free(after);
                free(before);
        }
        mayfly_container_free(c);
        c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .volumes = OWN, .snapshot = snapshot));
        prints_as(c, NULL,
                  "cmp /own/n /tmp/n; wc -l < /tmp/n; ls /own; ls /etc -d /etc/d*; ls /var; ls /bin/uname 2>&1 | wc -l",
                  "50\n50\ndir\nlink\nn\n/etc\n/etc/d49\n/etc/d50\nmine\n1\n");
        mayfly_snapshot_free(snapshot);
        mayfly_container_free(c);
}

/* --- going back ------------------------------------------------------------------------------------------------- */

static void a_reset_forgets(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = serving, .argv = APP("rm -f /tmp/up; exec serve tcp:127.0.0.1:6379"),
                            .volumes = OWN, .publish = MAYFLY_PORTS({ .port = 6379 })));
        struct mayfly_address before = MAYFLY_ADDRESS_INIT;

        (void) state;
        address_of(c, "6379/tcp", &before);
        free(output_of(c, "echo migrated > /own/schema; echo migrated > /schema"));
        works(mayfly_container_pause(c, fresh()));
        struct mayfly_snapshot *snapshot = take(c);
        works(mayfly_container_resume(c, fresh()));
        mayfly_snapshot_free(snapshot); /* the container has it */
        for (unsigned i = 0; i < 5; i++) {
                free(output_of(c, "echo row > /own/row; echo row >> /schema; rm /own/schema"));
                if (i == 2)
                        works(mayfly_container_pause(c, fresh()));
                if (i == 3)
                        works(mayfly_container_halt(c, fresh()));
                works(mayfly_container_reset(c, fresh()));
                prints_as(c, NULL, "cat /own/schema /schema; ls /own", "migrated\nmigrated\nschema\n");
                int fd = reach_address(before.sockaddr, before.sockaddr_size, SOCK_STREAM);
                assert_true(fd >= 0);
                echoes(fd, "hello");
                close(fd);
        }
        works(mayfly_container_stop(c, fresh()));
        is_error(mayfly_container_reset(c, fresh()), -EINVAL, "has no snapshot to go back to");
        mayfly_container_free(c);
}

/* With a snapshot in the spec, that is what a reset goes back to; a later one takes its place. */
static void a_reset_knows_where_to(void **state)
{
        struct mayfly_snapshot *snapshot = make(1, NULL);
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .volumes = OWN, .snapshot = snapshot));

        (void) state;
        free(output_of(c, "rm /own/file"));
        works(mayfly_container_reset(c, fresh()));
        free(output_of(c, "cat /own/file; echo more > /own/more"));
        works(mayfly_container_halt(c, fresh()));
        mayfly_snapshot_free(take(c));
        works(mayfly_container_start_again(c, fresh()));
        free(output_of(c, "rm /own/more"));
        works(mayfly_container_reset(c, fresh()));
        prints_as(c, NULL, "cat /own/more /own/file", "more\ndata\n");
        mayfly_snapshot_free(snapshot);
        mayfly_container_free(c);
}

static void what_cannot_be_is_said(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        struct mayfly_snapshot *snapshot = NULL;

        (void) state;
        is_error(mayfly_container_snapshot(c, &snapshot, fresh()), -EBUSY, "runs, and its files may change meanwhile");
        is_error(mayfly_container_reset(c, fresh()), -EINVAL, "has no snapshot to go back to");
        assert_int_equal(sh(c, "true"), 0); /* and it lives */
        works(mayfly_container_halt(c, fresh()));
        snapshot = take(c);
        start_fails(MAYFLY_SPEC(.image = serving, .idle = 1, .snapshot = snapshot), -EINVAL,
                    "a snapshot is for containers of its own image");
        works(mayfly_container_stop(c, fresh()));
        struct mayfly_snapshot *none = NULL;
        is_error(mayfly_container_snapshot(c, &none, fresh()), -ESRCH, "it was stopped");
        assert_null(none);
        mayfly_container_free(c);
        mayfly_snapshot_free(snapshot);
}

/* A tree may be as deep as paths are long, however few descriptors the program may have. */
static void deep_trees_are_copied(void **state)
{
#define DEEP "p=d; i=1; while [ $i -lt 1900 ]; do p=$p/d; i=$((i+1)); done; cd /tmp; "
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        struct mayfly_snapshot *snapshot = NULL, *none = NULL;
        struct rlimit limit;

        (void) state;
        free(output_of(c, DEEP "mkdir -p $p; echo bottom > $p/file; chmod 710 d/d; mkdir d/d/e; echo x > d/d/e/x"));
        works(mayfly_container_pause(c, fresh()));
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        const struct rlimit few = { count_descriptors() + 100, limit.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        int r = mayfly_container_snapshot(c, &snapshot, fresh());
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        works(r);
        works(mayfly_container_resume(c, fresh()));
        free(output_of(c, DEEP "cd $p; mkdir -p $p"));
        works(mayfly_container_pause(c, fresh()));
        is_error(mayfly_container_snapshot(c, &none, fresh()), -ENAMETOOLONG, "are paths of more than 4095 bytes");
        assert_null(none);
        mayfly_container_free(c);
        c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .snapshot = snapshot));
        prints_as(c, NULL, DEEP "cat $p/file d/d/e/x; stat -c %a d/d d", "bottom\nx\n710\n755\n");
        mayfly_container_free(c);
        mayfly_snapshot_free(snapshot);
}

/* Nothing is left but what handles keep. */
static void all_is_freed(void **state)
{
        unsigned before = count_descriptors();

        (void) state;
        struct mayfly_snapshot *snapshot = make(1, NULL);
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .snapshot = snapshot));
        for (unsigned i = 0; i < 3; i++)
                works(mayfly_container_reset(c, fresh()));
        mayfly_container_free(c);
        mayfly_snapshot_free(snapshot);
        assert_int_equal(count_descriptors(), before);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(files_are_the_same),     cmocka_unit_test(attributes_are_the_same),
                cmocka_unit_test(a_pause_is_enough),      cmocka_unit_test(threads_begin_from_one),
                cmocka_unit_test(snapshots_of_snapshots), cmocka_unit_test(a_reset_forgets),
                cmocka_unit_test(a_reset_knows_where_to), cmocka_unit_test(what_cannot_be_is_said),
                cmocka_unit_test(deep_trees_are_copied),  cmocka_unit_test(all_is_freed),
        };

        busybox = test_image("busybox");
        serving = serving_image("snapshots");
        return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
