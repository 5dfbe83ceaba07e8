/* SPDX-License-Identifier: MIT */

/* A tree of files as a stream: what one end sends the other makes, and a stream that was cut off or forged makes nothing. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/cmocka-versions.h"
#include "tree/receive.h"
#include "tree/record.h"
#include "tree/send.h"
#include "util/dir-names.h"
#include "util/error.h"
#include "util/fs.h"
#include "util/strv.h"

static char work[] = "/tmp/test-receive.XXXXXX";
static int work_fd;

static int wait_for(void *userdata, int fd, short events)
{
        (void) userdata;
        return poll(&(struct pollfd){ .fd = fd, .events = events }, 1, -1) < 0 ? -errno : 0;
}

/* A stream whose peer has written `size` bytes, and nothing after them. */
static struct mf_stream stream_of(const void *bytes, size_t size)
{
        struct mf_stream stream = { .wait = wait_for };
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(send(pair[1], bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL), size);
        close(pair[1]);
        stream.fd = pair[0];
        assert_int_equal(mf_stream_open(&stream), 0);
        return stream;
}

static void close_stream(struct mf_stream *stream)
{
        mf_stream_clear(stream);
        close(stream->fd);
}

/* Receives from these bytes into "target" of the working directory. */
static int receive(const void *bytes, size_t size, struct mayfly_error *err)
{
        const struct mf_tree_target target = { .into = -1,
                                               .parent = work_fd,
                                               .name = "target",
                                               .label = "target",
                                               .where = "",
                                               .uid = (uid_t) -1,
                                               .gid = (gid_t) -1 };
        struct mf_stream stream = stream_of(bytes, size);

        int r = mf_tree_receive(&stream, &target, err);
        close_stream(&stream);
        return r;
}

/* The working directory must have these names, which are separated by blanks. */
static void has(const char *expected)
{
        char **names = NULL, all[256] = "";

        assert_int_equal(mf_dir_names(work_fd, &names), 0);
        for (char **name = names; *name; name++) {
                strcat(all, *all ? " " : "");
                strcat(all, *name);
        }
        assert_string_equal(all, expected);
        mf_strv_free(names);
}

/* --- what is sent is what is made ----------------------------------------------------------------------------- */

static void make_tree(void)
{
        char line[512];

        snprintf(line, sizeof(line),
                 "cd %s && mkdir -p source/dir/below && cd source && echo content >file && ln file dir/link && ln -s "
                 "../file dir/below/s && "
                 "mkfifo fifo && truncate -s 1M dir/sparse && printf end >>dir/sparse && chmod 711 dir && chmod 400 "
                 "file",
                 work);
        assert_int_equal(system(line), 0);
}

/* Sends the tree "source". Returns the bytes. */
static size_t send_tree(char bytes[65536])
{
        struct mf_stream stream = { .wait = wait_for };
        int pair[2], fd = openat(work_fd, "source", O_PATH | O_CLOEXEC);
        int proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
        const struct mf_tree_source source = { .fd = fd, .proc = proc, .label = "source", .where = "" };

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        stream.fd = pair[0];
        assert_int_equal(mf_stream_open(&stream), 0);
        assert_int_equal(mf_tree_send(&stream, &source, NULL), 0);
        ssize_t n = recv(pair[1], bytes, 65536, 0);
        assert_true(n > 0 && n < 65536);
        close_stream(&stream);
        close(pair[1]);
        close(fd);
        close(proc);
        return (size_t) n;
}

static void a_tree_arrives(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char bytes[65536], line[256];

        (void) state;
        make_tree();
        size_t size = send_tree(bytes);
        assert_true(size < 8192); /* the hole is not in it */
        if (receive(bytes, size, &err) < 0)
                fail_msg("%s", err.message);
        has("source target");
        snprintf(line, sizeof(line),
                 "cd %s && diff -r --no-dereference -x fifo source target && test -p target/fifo && test target/file "
                 "-ef target/dir/link && "
                 "test $(stat -c %%a target/dir target/file | tr -d '\\n') = 711400",
                 work);
        assert_int_equal(system(line), 0);
        assert_int_equal(receive(bytes, size, &err), -EEXIST);
        assert_int_equal(mf_remove_tree(work_fd, "target"), 0);
        assert_int_equal(mf_remove_tree(work_fd, "source"), 0);
}

/* Cut off at every byte, it leaves nothing. */
static void a_part_of_a_tree_makes_nothing(void **state)
{
        char bytes[65536];

        (void) state;
        make_tree();
        size_t size = send_tree(bytes);
        for (size_t i = 0; i < size; i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                assert_int_equal(receive(bytes, i, &err), -EPIPE);
                assert_int_equal(err.code, 0);
                has("source");
        }
        assert_int_equal(mf_remove_tree(work_fd, "source"), 0);
}

/* With any byte changed, whatever it makes is below its own name. */
static void a_changed_tree_stays_in_place(void **state)
{
        char bytes[65536];
        unsigned n_malformed = 0;

        (void) state;
        make_tree();
        size_t size = send_tree(bytes);
        for (size_t i = 0; i < size; i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                bytes[i] ^= (char) 0x81;
                int r = receive(bytes, size, &err);
                bytes[i] ^= (char) 0x81;
                n_malformed += r == -EPROTO;
                has(r == 0 ? "source target" : "source");
                assert_int_equal(mf_remove_tree(work_fd, "target"), 0);
        }
        assert_true(n_malformed > 10);
        assert_int_equal(mf_remove_tree(work_fd, "source"), 0);
}

/* --- what no sender writes ------------------------------------------------------------------------------------ */

struct forged {
        const char *what;
        struct mf_tree_record record;
        const char *rest; /* what follows the record */
        size_t rest_size;
};

#define RECORD(t, name, ...) { .type = MF_TREE_##t, .name_size = sizeof(name) - 1, __VA_ARGS__ }, name
#define NAMED(text, t, name, ...)                                    \
        {                                                            \
                text, RECORD(t, name, __VA_ARGS__), sizeof(name) - 1 \
        }

static void forged_records_are_refused(void **state)
{
        static const struct forged forged[] = {
                NAMED("a name that leads up", FILE, ".."),
                NAMED("the directory itself", FILE, "."),
                NAMED("a path", FILE, "a/b"),
                NAMED("a path from the root", DIRECTORY, "/etc"),
                NAMED("a NUL in the name", FILE, "a\0b"),
                NAMED("no name", FILE, ""),
                NAMED("no name of a directory", DIRECTORY, ""),
                NAMED("a link to no file", HARD_LINK, "a", .link = 1),
                NAMED("a link without a number", HARD_LINK, "a"),
                NAMED("a symbolic link without a target", SYMLINK, "a"),
                NAMED("a target of a file", FILE, "a", .target_size = 1),
                NAMED("a time that is none", FIFO, "a", .mtime_ns = 1000000000),
                NAMED("too many attributes", FIFO, "a", .xattrs_size = MF_TREE_XATTRS_MAX + 1),
                { "too long a name", { .type = MF_TREE_FILE, .name_size = NAME_MAX + 1 }, "a", 1 },
                { "a type that is none", { .type = MF_TREE_FIFO + 1, .name_size = 1 }, "a", 1 },
                { "no type", { .type = 0, .name_size = 1 }, "a", 1 },
        };
        const struct mf_tree_record top = { .type = MF_TREE_DIRECTORY, .mode = 0700 };

        (void) state;
        for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                char bytes[1024];
                size_t size = 0;
                memcpy(bytes, &top, sizeof(top));
                size += sizeof(top);
                memcpy(bytes + size, &forged[i].record, sizeof(forged[i].record));
                size += sizeof(forged[i].record);
                memcpy(bytes + size, forged[i].rest, forged[i].rest_size);
                size += forged[i].rest_size;
                int r = receive(bytes, size, &err);
                if (r != -EPROTO || err.code != -EPROTO || !strstr(err.message, "is not mayfly's"))
                        fail_msg("%s: %d, \"%s\"", forged[i].what, r, err.message);
                has("");
        }
}

/* One file with two chunks. */
static int receive_chunks(struct mf_tree_chunk first, struct mf_tree_chunk second)
{
        const struct mf_tree_record record = { .type = MF_TREE_FILE, .mode = 0600 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char bytes[256];
        size_t size = 0;

        memcpy(bytes, &record, sizeof(record));
        size += sizeof(record);
        memcpy(bytes + size, &first, sizeof(first));
        size += sizeof(first);
        memcpy(bytes + size, "xx", 2);
        size += 2;
        memcpy(bytes + size, &second, sizeof(second));
        size += sizeof(second);
        int r = receive(bytes, size, &err);
        assert_int_equal(mf_remove_tree(work_fd, "target"), 0);
        has("");
        return r;
}

static void forged_data_is_refused(void **state)
{
        (void) state;
        assert_int_equal(receive_chunks((struct mf_tree_chunk){ 0, 2 }, (struct mf_tree_chunk){ 0, 0 }), 0);
        assert_int_equal(receive_chunks((struct mf_tree_chunk){ 0, 2 }, (struct mf_tree_chunk){ 1, 2 }), -EPROTO);
        assert_int_equal(receive_chunks((struct mf_tree_chunk){ 0, 2 }, (struct mf_tree_chunk){ UINT64_MAX, 2 }),
                         -EPROTO);
        assert_int_equal(receive_chunks((struct mf_tree_chunk){ 0, 2 }, (struct mf_tree_chunk){ 8, UINT64_MAX }),
                         -EPROTO);
}

static void attributes_are_bounded(void **state)
{
        struct mf_buffer xattrs = { 0 };
        const char *name;
        const void *value;
        size_t at = 0, size;

        (void) state;
        assert_int_equal(mf_tree_xattr_add(&xattrs, "user.a", "1", 1), 0);
        assert_int_equal(mf_tree_xattr_add(&xattrs, "user.b", NULL, 0), 0);
        assert_int_equal(mf_tree_xattr_add(&xattrs, "user.c", "", MF_TREE_XATTRS_MAX), -E2BIG);
        assert_int_equal(mf_tree_xattr_next(&xattrs, &at, &name, &value, &size), 1);
        assert_string_equal(name, "user.a");
        assert_int_equal(size, 1);
        assert_int_equal(mf_tree_xattr_next(&xattrs, &at, &name, &value, &size), 1);
        assert_string_equal(name, "user.b");
        assert_int_equal(size, 0);
        assert_int_equal(mf_tree_xattr_next(&xattrs, &at, &name, &value, &size), 0);
        xattrs.size--; /* the last name has no end */
        at = 0;
        assert_int_equal(mf_tree_xattr_next(&xattrs, &at, &name, &value, &size), 1);
        assert_int_equal(mf_tree_xattr_next(&xattrs, &at, &name, &value, &size), -EPROTO);
        mf_buffer_clear(&xattrs);
}

/* --- into memory ---------------------------------------------------------------------------------------------- */

static void a_file_is_read_into_memory(void **state)
{
        char bytes[1024], *data = NULL;
        struct mf_stream stream = { .wait = wait_for };
        size_t size = 0;
        int pair[2];

        (void) state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        stream.fd = pair[0];
        assert_int_equal(mf_stream_open(&stream), 0);
        assert_int_equal(mf_tree_send_data(&stream, "a\0b", 3, 0600), 0);
        ssize_t n = recv(pair[1], bytes, sizeof(bytes), 0);
        close_stream(&stream);
        close(pair[1]);
        for (size_t max = 0; max < 5; max++) {
                stream = stream_of(bytes, (size_t) n);
                int r = mf_tree_receive_data(&stream, max, &data, &size);
                close_stream(&stream);
                assert_int_equal(r, max < 3 ? -EFBIG : 0);
                if (r == 0) {
                        assert_int_equal(size, 3);
                        assert_memory_equal(data, "a\0b", 4);
                        free(data);
                }
        }
}

static int make_work(void **state)
{
        (void) state;
        if (!mkdtemp(work))
                return -1;
        work_fd = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return work_fd < 0;
}

static int remove_work(void **state)
{
        (void) state;
        close(work_fd);
        return rmdir(work);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_tree_arrives),
                cmocka_unit_test(a_part_of_a_tree_makes_nothing),
                cmocka_unit_test(a_changed_tree_stays_in_place),
                cmocka_unit_test(forged_records_are_refused),
                cmocka_unit_test(forged_data_is_refused),
                cmocka_unit_test(attributes_are_bounded),
                cmocka_unit_test(a_file_is_read_into_memory),
        };

        return cmocka_run_group_tests(tests, make_work, remove_work);
}
