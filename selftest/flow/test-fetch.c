/* SPDX-License-Identifier: MIT */

/* From a reference to an image in the store, over a real HTTP server that misbehaves and from archives that lie. */

#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <mayfly/mayfly.h>

#include "support/server.h"
#include "support/support.h"

/* What the server serves, as it should be; the faults below serve the same bytes. */
struct file {
        struct file *next;
        size_t size;
        char path[80];
        char data[];
};

static struct {
        struct faulty_server *server;
        struct file *files; /* freed when the server has stopped; the newest of a name counts */
        char *store;        /* a new one for each test */
        char id[136];       /* of big.aci and its compressed likes */
} world;

#define BIG (3U << 20)

static void serve(const char *name, const void *data, size_t size)
{
        struct file *file = malloc(sizeof(*file) + size);

        file->next = world.files;
        file->size = size;
        snprintf(file->path, sizeof(file->path), "/%s", name);
        memcpy(file->data, data, size);
        world.files = file;
        faulty_add(world.server, &(struct faulty_path){ .path = file->path, .body = file->data, .size = size });
}

/* At `fault.path`, big.gzip with a fault. */
static void misbehave(struct faulty_path fault)
{
        const struct file *file = world.files;

        while (strcmp(file->path, "/big.gzip") != 0)
                file = file->next;
        fault.body = file->data;
        fault.size = file->size;
        if (fault.flags & FAULTY_CUT)
                fault.cut = file->size / 3; /* so that a second cut is one, too */
        if (fault.delay_ms)
                fault.chunk = file->size / 10;
        faulty_add(world.server, &fault);
}

#define MISBEHAVE(...) misbehave((struct faulty_path){ __VA_ARGS__ })

static void build_images(void)
{
        static const char *const programs[] = { "gzip", "bzip2", "xz" };
        struct tar tar = { 0 };
        char name[64], *noise = malloc(BIG);

        for (size_t i = 0; i < BIG; i++)
                noise[i] = (char) rand(); /* NOLINT: anything that does not compress will do */
        tar_add_basics(&tar);
        tar_add(&tar, "rootfs/deep/er/noise", '0', 0640, NULL, noise, BIG);
        tar_add(&tar, "rootfs/bin/", '5', 0755, NULL, NULL, 0);
        tar_add(&tar, "rootfs/bin/tool", '0', 04755, NULL, "#!", 2);
        tar_add(&tar, "rootfs/bin/again", '1', 0, "rootfs/bin/tool", NULL, 0);
        tar_add(&tar, "rootfs/bin/link", '2', 0777, "/etc/passwd", NULL, 0);
        tar_end(&tar);
        free(noise);
        image_id(tar.data, tar.size, world.id);
        serve("big.aci", tar.data, tar.size);
        for (size_t i = 0; i < 3; i++) {
                size_t size;
                char *data = compress_with(programs[i], tar.data, tar.size, &size);
                snprintf(name, sizeof(name), "big.%s", programs[i]);
                serve(name, data, size);
                data = realloc(data, size + 5);
                memcpy(data + size, "extra", 5);
                snprintf(name, sizeof(name), "trailing.%s", programs[i]);
                serve(name, data, size + 5);
                data[size / 2] ^= 1;
                snprintf(name, sizeof(name), "tampered.%s", programs[i]);
                serve(name, data, size);
                snprintf(name, sizeof(name), "truncated.%s", programs[i]);
                serve(name, data, size / 3);
                free(data);
        }
        tar.data[tar.size / 2] ^= 1;
        serve("tampered.aci", tar.data, tar.size);
        tar_free(&tar);
}

static int set_up_world(void **state)
{
        (void) state;
        world.server = faulty_start();
        build_images();
        return 0;
}

static int tear_down_world(void **state)
{
        (void) state;
        faulty_stop(world.server);
        for (struct file *next; world.files; world.files = next) {
                next = world.files->next;
                free(world.files);
        }
        return 0;
}

static int set_up(void **state)
{
        (void) state;
        world.store = make_directory();
        return 0;
}

static int tear_down(void **state)
{
        (void) state;
        remove_directory(world.store);
        return 0;
}

static int fetch_with(const char *path, const char *id, struct mayfly_image_options *options, struct mayfly_image **ret,
                      struct mayfly_error *err)
{
        char reference[1024];

        options->store = world.store;
        snprintf(reference, sizeof(reference), "aci:http://127.0.0.1:%d/%s@%s", faulty_port(world.server), path, id);
        return mayfly_image_open(ret, reference, options, err);
}

static void assert_store_is_empty(void)
{
        assert_int_equal(count_entries(world.store, "images"), 0);
        assert_int_equal(count_entries(world.store, "tmp"), 0);
}

static void succeeds(const char *path)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        options.stall_timeout_ms = 3000;
        if (fetch_with(path, world.id, &options, &image, &err) < 0)
                fail_msg("%s: %s", path, err.message);
        assert_int_equal(mayfly_image_was_fetched(image), 1);
        assert_string_equal(mayfly_image_name(image), "example.com/test");
        assert_string_equal(mayfly_image_id(image), world.id);
        assert_int_equal(count_entries(world.store, "images"), 1);
        assert_int_equal(count_entries(world.store, "tmp"), 0);
        mayfly_image_close(image);
        remove_directory(world.store);
        world.store = make_directory();
}

static void fails(const char *path, const char *id, unsigned retries, enum mayfly_stage stage, const char *message)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        options.retries = retries;
        options.stall_timeout_ms = 700;
        assert_true(fetch_with(path, id, &options, &image, &err) < 0);
        assert_null(image);
        if (err.stage != stage || !strstr(err.message, message))
                fail_msg("%s gives [%s] \"%s\", not \"%s\"", path, mayfly_stage_name(err.stage), err.message, message);
        assert_store_is_empty();
}

static void appc_archive_1_every_compression_works(void **state)
{
        (void) state;
        succeeds("big.aci");
        succeeds("big.gzip");
        succeeds("big.bzip2");
        succeeds("big.xz");
}

static void network_faults_are_survived(void **state)
{
        (void) state;
        MISBEHAVE(.path = "/noranges", .flags = FAULTY_CUT | FAULTY_NO_RANGES | FAULTY_NO_ETAG, .times = 1);
        succeeds("noranges");
        MISBEHAVE(.path = "/nolength", .flags = FAULTY_CLOSE_ENDS);
        succeeds("nolength");
        MISBEHAVE(.path = "/slow", .delay_ms = 50);
        succeeds("slow");
        MISBEHAVE(.path = "/cut", .flags = FAULTY_CUT, .times = 1);
        succeeds("cut");
        assert_non_null(strstr(faulty_head(world.server, "/cut", 1), "\r\nRange: bytes=")); /* not begun anew */
        MISBEHAVE(.path = "/500", .status = 500, .times = 2);
        succeeds("500");
        assert_int_equal(faulty_count(world.server, "/500"), 3);
        MISBEHAVE(.path = "/503", .status = 503, .retry_after = "1", .times = 1);
        succeeds("503");
        MISBEHAVE(.path = "/redirect/1", .status = 302, .location = "/redirect/2");
        MISBEHAVE(.path = "/redirect/2", .status = 307, .location = "/big.gzip");
        succeeds("redirect/1");
        MISBEHAVE(.path = "/badrange", .flags = FAULTY_CUT, .range_off = 5, .times = 2);
        succeeds("badrange");
        assert_int_equal(faulty_count(world.server, "/badrange"), 3);
}

static void network_faults_that_stay_are_named(void **state)
{
        (void) state;
        fails("none.aci", world.id, UINT32_MAX, MAYFLY_STAGE_HTTP, "answers 404 (no such image)");
        MISBEHAVE(.path = "/status/410", .status = 410);
        fails("status/410", world.id, 2, MAYFLY_STAGE_HTTP, "answers 410");
        MISBEHAVE(.path = "/status/403", .status = 403);
        fails("status/403", world.id, 2, MAYFLY_STAGE_HTTP, "answers 403 (access denied)");
        MISBEHAVE(.path = "/status/500", .status = 500);
        fails("status/500", world.id, 1, MAYFLY_STAGE_HTTP,
              "answers 500 (server error); try again later (tried 2 times)");
        MISBEHAVE(.path = "/cutalways", .flags = FAULTY_CUT);
        fails("cutalways", world.id, UINT32_MAX, MAYFLY_STAGE_HTTP, "was cut off after");
        MISBEHAVE(.path = "/long", .length_off = 1000);
        fails("long", world.id, UINT32_MAX, MAYFLY_STAGE_HTTP, "was cut off after");
        MISBEHAVE(.path = "/loop", .status = 302, .location = "/loop");
        fails("loop", world.id, 2, MAYFLY_STAGE_HTTP, "redirects more than 10 times");
        MISBEHAVE(.path = "/tofile", .status = 302, .location = "file:///etc/hostname");
        fails("tofile", world.id, 2, MAYFLY_STAGE_HTTP, "which is not https");
        MISBEHAVE(.path = "/toname", .status = 302, .location = "http://mayfly.invalid/big.aci");
        fails("toname", world.id, 2, MAYFLY_STAGE_HTTP, "redirects to http://mayfly.invalid/");
        MISBEHAVE(.path = "/stall", .flags = FAULTY_SILENT);
        fails("stall", world.id, UINT32_MAX, MAYFLY_STAGE_HTTP, "sent nothing for stall_timeout_ms = 700");
        MISBEHAVE(.path = "/garbage", .flags = FAULTY_GARBAGE);
        fails("garbage", world.id, UINT32_MAX, MAYFLY_STAGE_HTTP, "127.0.0.1");
        MISBEHAVE(.path = "/short", .length_off = -100);
        fails("short", world.id, UINT32_MAX, MAYFLY_STAGE_ARCHIVE, "truncated");
}

static void appc_archive_3_wrong_bytes_are_refused(void **state)
{
        char other[136], message[512];

        (void) state;
        memcpy(other, world.id, sizeof(other));
        other[20] = other[20] == '0' ? '1' : '0';
        snprintf(message, sizeof(message), "expected %s, actual %s", other, world.id);
        fails("big.gzip", other, 2, MAYFLY_STAGE_DIGEST, message);
        fails("big.aci", other, 2, MAYFLY_STAGE_DIGEST, message);
        snprintf(message, sizeof(message), "expected %s, actual sha512-", world.id);
        fails("tampered.aci", world.id, 2, MAYFLY_STAGE_DIGEST, message);
        snprintf(message, sizeof(message), "the pin could not be checked (expected %s)", world.id);
        fails("tampered.bzip2", world.id, 2, MAYFLY_STAGE_ARCHIVE, message);
        fails("tampered.xz", world.id, 2, MAYFLY_STAGE_ARCHIVE, message);
        fails("truncated.gzip", world.id, 2, MAYFLY_STAGE_ARCHIVE, message);
        fails("trailing.gzip", world.id, 2, MAYFLY_STAGE_ARCHIVE, "has 5 bytes after the end of its compressed stream");
        fails("trailing.bzip2", world.id, 2, MAYFLY_STAGE_ARCHIVE, "bytes after the end of its compressed stream");
        fails("trailing.xz", world.id, 2, MAYFLY_STAGE_ARCHIVE, "the pin could not be checked");
}

/* A message is one for a public log, whichever stage it is from. */
static void passwords_are_not_shown(void **state)
{
        static const struct {
                const char *path, *told;
                int known;
        } cases[] = {
                { "big.gzip", "is not the pinned image", 0 },
                { "trailing.gzip", "after the end of its compressed stream", 1 },
                { "none.aci", "answers 404", 1 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
                struct mayfly_image *image = NULL;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                char reference[1024], shown[128], id[136];

                memcpy(id, world.id, sizeof(id));
                if (!cases[i].known)
                        id[20] = id[20] == '0' ? '1' : '0';
                options.store = world.store;
                snprintf(reference, sizeof(reference), "aci:http://me:s3cret@127.0.0.1:%d/%s@%s",
                         faulty_port(world.server), cases[i].path, id);
                snprintf(shown, sizeof(shown), "http://me:***@127.0.0.1:%d/%s", faulty_port(world.server),
                         cases[i].path);
                assert_true(mayfly_image_open(&image, reference, &options, &err) < 0);
                if (strstr(err.message, "s3cret") || !strstr(err.message, shown) || !strstr(err.message, cases[i].told))
                        fail_msg("%s gives \"%s\"", reference, err.message);
        }
}

static void limits_hold(void **state)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        options.max_unpacked = 100000;
        assert_int_equal(fetch_with("big.gzip", world.id, &options, &image, &err), -EFBIG);
        assert_non_null(strstr(err.message, "max_unpacked = 100000"));
        err.code = 0;
        options.max_unpacked = 0;
        options.max_entries = 2;
        assert_int_equal(fetch_with("big.gzip", world.id, &options, &image, &err), -EFBIG);
        assert_non_null(strstr(err.message, "max_entries = 2"));
        assert_store_is_empty();
}

/* One entry can have a thousand directories above it that have none. */
static void directories_without_entries_count(void **state)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct tar tar = { 0 };
        char id[136], name[256] = "rootfs/";

        (void) state;
        for (size_t i = strlen(name); i < 80; i += 2)
                memcpy(name + i, "d/", 3);
        strcat(name, "f");
        tar_add_basics(&tar);
        tar_add(&tar, name, '0', 0644, NULL, "x", 1);
        tar_end(&tar);
        image_id(tar.data, tar.size, id);
        serve("deep.aci", tar.data, tar.size);
        options.max_entries = 30;
        assert_int_equal(fetch_with("deep.aci", id, &options, &image, &err), -EFBIG);
        assert_non_null(strstr(err.message, "max_entries = 30"));
        assert_store_is_empty();
        options.max_entries = 50;
        err.code = 0;
        assert_int_equal(fetch_with("deep.aci", id, &options, &image, &err), 0);
        mayfly_image_close(image);
        tar_free(&tar);
}

static int cancel(const struct mayfly_progress *progress, void *userdata)
{
        *(uint64_t *) userdata = progress->bytes_done;
        return 1;
}

static void progress_can_cancel(void **state)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        uint64_t seen = UINT64_MAX;

        (void) state;
        options.progress = cancel;
        options.progress_userdata = &seen;
        MISBEHAVE(.path = "/slow", .delay_ms = 50);
        assert_int_equal(fetch_with("slow", world.id, &options, &image, &err), -ECANCELED);
        assert_true(seen < BIG);
        assert_store_is_empty();
}

static void appc_archive_4_contents_are_kept(void **state)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image = NULL;
        char path[1024], link[64] = "";
        struct stat st, again;

        (void) state;
        assert_int_equal(fetch_with("big.gzip", world.id, &options, &image, NULL), 0);
        snprintf(path, sizeof(path), "%s/bin/tool", mayfly_image_rootfs(image));
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 04755);
        assert_int_equal(st.st_mtime, 1000000000);
        snprintf(path, sizeof(path), "%s/bin/again", mayfly_image_rootfs(image));
        assert_int_equal(lstat(path, &again), 0);
        assert_int_equal(st.st_ino, again.st_ino);
        snprintf(path, sizeof(path), "%s/bin/link", mayfly_image_rootfs(image));
        assert_int_equal(readlink(path, link, sizeof(link) - 1), 11);
        assert_string_equal(link, "/etc/passwd");
        snprintf(path, sizeof(path), "%s/deep", mayfly_image_rootfs(image));
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
        snprintf(path, sizeof(path), "%s/bin", mayfly_image_rootfs(image));
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_mtime, 1000000000);
        mayfly_image_close(image);
}

static void many_processes_fetch_once(void **state)
{
        enum { N = 12 };
        char reference[512];
        pid_t pids[N];

        (void) state;
        snprintf(reference, sizeof(reference), "aci:http://127.0.0.1:%d/once@%s", faulty_port(world.server), world.id);
        MISBEHAVE(.path = "/once", .delay_ms = 50);
        for (size_t i = 0; i < N; i++) {
                pids[i] = fork();
                assert_true(pids[i] >= 0);
                if (pids[i] == 0) { /* a program of its own: this one has the server's threads */
                        execl("/proc/self/exe", "test-fetch", "open", reference, world.store, (char *) NULL);
                        _exit(127);
                }
        }
        for (size_t i = 0; i < N; i++) {
                int status;
                assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
                assert_int_equal(status, 0);
        }
        assert_int_equal(faulty_count(world.server, "/once"), 1);
}

/* --- hostile archives ----------------------------------------------------------------------------------------- */

static void entry_fails(const char *name, char type, const char *link, const char *message)
{
        struct tar tar = { 0 };
        char id[136];

        tar_add_basics(&tar);
        tar_add(&tar, "rootfs/out", '2', 0777, "/tmp", NULL, 0);
        tar_add(&tar, "rootfs/up", '2', 0777, "..", NULL, 0);
        tar_add(&tar, "rootfs/file", '0', 0644, NULL, "x", 1);
        tar_add(&tar, name, type, 0755, link, type == '0' ? "evil" : NULL, type == '0' ? 4 : 0);
        tar_end(&tar);
        image_id(tar.data, tar.size, id);
        serve("hostile.aci", tar.data, tar.size);
        fails("hostile.aci", id, UINT32_MAX, MAYFLY_STAGE_ARCHIVE, message);
        tar_free(&tar);
}

static void appc_archive_2_hostile_entries_are_refused(void **state)
{
        (void) state;
        entry_fails("/etc/evil", '0', NULL, "has an absolute name");
        entry_fails("../evil", '0', NULL, "has \"..\" in its name");
        entry_fails("rootfs/../../evil", '0', NULL, "has \"..\" in its name");
        entry_fails("rootfs/a/../b", '0', NULL, "has \"..\" in its name");
        entry_fails("evil", '0', NULL, "is neither \"manifest\" nor under \"rootfs\"");
        entry_fails("rootfs2/evil", '0', NULL, "is neither");
        entry_fails("rootfs", '2', "/etc", "must be a directory");
        entry_fails("rootfs", '5', NULL, "is there twice");
        entry_fails("./rootfs/", '5', NULL, "is there twice");
        entry_fails("manifest", '0', NULL, "is there twice");
        entry_fails("manifest", '2', "/etc/passwd", "must be a regular file");
        entry_fails("rootfs/file", '0', NULL, "is there twice");
        entry_fails("rootfs//./file", '0', NULL, "is there twice");
        entry_fails("rootfs/file", '5', NULL, "is there twice");
        entry_fails("rootfs/out/evil", '0', NULL, "lies beyond a symbolic link");
        entry_fails("rootfs/up/evil", '0', NULL, "lies beyond a symbolic link");
        entry_fails("rootfs/out", '5', NULL, "is there twice");
        entry_fails("rootfs/file/evil", '0', NULL, "lies below an entry that is not a directory");
        entry_fails("rootfs/h", '1', "/etc/passwd", "hard link to a target outside rootfs");
        entry_fails("rootfs/h", '1', "manifest", "hard link to a target outside rootfs");
        entry_fails("rootfs/h", '1', "rootfs/../../x", "hard link to a target outside rootfs");
        entry_fails("rootfs/h", '1', "rootfs/none",
                    "is a hard link to a target that is not a file before it in the archive");
        entry_fails("rootfs/h", '1', "rootfs/out/passwd",
                    "is a hard link to a target that is not a file before it in the archive");
        assert_int_equal(access("/tmp/evil", F_OK), -1);
}

static void archives_that_are_none_are_refused(void **state)
{
        static const struct {
                const char *data, *message;
                size_t size;
        } cases[] = {
                { "", "is neither a tar", 0 },
                { "hello", "is neither a tar", 5 },
                { "\x28\xb5\x2f\xfd....", "zstd-compressed", 8 },
                { "PK\x03\x04....", "a zip archive", 8 },
                { "<html>", "a web page", 6 },
                { "\x1f\x8b\x08junk", "decompressed", 7 },
        };
        struct tar tar = { 0 };
        char id[136];

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                serve("hostile.aci", cases[i].data, cases[i].size);
                fails("hostile.aci", world.id, UINT32_MAX, MAYFLY_STAGE_ARCHIVE, cases[i].message);
        }
        tar_add(&tar, "rootfs/", '5', 0755, NULL, NULL, 0);
        tar_end(&tar);
        image_id(tar.data, tar.size, id);
        serve("hostile.aci", tar.data, tar.size);
        fails("hostile.aci", id, UINT32_MAX, MAYFLY_STAGE_ARCHIVE, "has no manifest");
        tar_free(&tar);
        tar_add(&tar, "rootfs/", '5', 0755, NULL, NULL, 0);
        tar_add(&tar, "manifest", '0', 0644, NULL, "{}", 2); /* last, as it may be */
        tar_end(&tar);
        image_id(tar.data, tar.size, id);
        serve("hostile.aci", tar.data, tar.size);
        fails("hostile.aci", id, UINT32_MAX, MAYFLY_STAGE_MANIFEST, "acKind: is missing");
        tar_free(&tar);
}

static void bad_stores_and_options_are_refused(void **state)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char reference[1024];

        (void) state;
        snprintf(reference, sizeof(reference), "aci:http://127.0.0.1:%d/big.aci@%s", faulty_port(world.server),
                 world.id);
        options.store = "relative";
        assert_int_equal(mayfly_image_open(&image, reference, &options, &err), -EINVAL);
        assert_non_null(strstr(err.message, "must be an absolute path"));
        err.code = 0;
        options.store = "/proc/nowhere";
        assert_true(mayfly_image_open(&image, reference, &options, &err) < 0);
        assert_non_null(strstr(err.message, "/proc/nowhere"));
        err.code = 0;
        options.size = 0;
        assert_int_equal(mayfly_image_open(&image, reference, &options, &err), -EINVAL);
        assert_non_null(strstr(err.message, "MAYFLY_IMAGE_OPTIONS_INIT"));
}

/* One of many_processes_fetch_once(). */
static int open_image(const char *reference, const char *store)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        options.store = store;
        int r = mayfly_image_open(&image, reference, &options, &err);
        if (r < 0)
                fprintf(stderr, "%s\n", err.message);
        mayfly_image_close(image);
        return r < 0;
}

int main(int argc, char **argv)
{
        if (argc == 4 && strcmp(argv[1], "open") == 0)
                return open_image(argv[2], argv[3]);

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(appc_archive_1_every_compression_works),
                TEST(network_faults_are_survived),
                TEST(network_faults_that_stay_are_named),
                TEST(appc_archive_3_wrong_bytes_are_refused),
                TEST(passwords_are_not_shown),
                TEST(limits_hold),
                TEST(directories_without_entries_count),
                TEST(progress_can_cancel),
                TEST(appc_archive_4_contents_are_kept),
                TEST(many_processes_fetch_once),
                TEST(appc_archive_2_hostile_entries_are_refused),
                TEST(archives_that_are_none_are_refused),
                TEST(bad_stores_and_options_are_refused),
        };

        return cmocka_run_group_tests(tests, set_up_world, tear_down_world);
}
