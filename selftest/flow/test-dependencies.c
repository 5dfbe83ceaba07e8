/* SPDX-License-Identifier: MIT */

/* Images that depend on others, which are found by discovery, over https. What they look like when put together is for
 * store/test-render. */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image/dependencies.h"
#include "image/open.h"
#include "named.h"

#define PAGE_OF_ALL "/?ac-discovery=1"

static struct faulty_server *tls;
static char ca[300];
static int in_files; /* where images are, in place of the server */

struct made {
        char name[64], id[136], path[128]; /* where it is served */
        const struct piece *archive;
};

static int begin(void **state)
{
        static const char page[] = TAG("localhost", "https://localhost/i/{name}.{ext}");

        in_files = 0;
        setup(state);
        tls = start_tls(ca);
        world.options.ca_file = ca;
        snprintf(world.mirrors, sizeof(world.mirrors), "https://localhost/ https://127.0.0.1:%d/", faulty_port(tls));
        faulty_add(tls, &(struct faulty_path){ .path = PAGE_OF_ALL, .body = page, .size = strlen(page) });
        return 0;
}

static int end(void **state)
{
        faulty_stop(tls);
        return teardown(state);
}

#define test(f) cmocka_unit_test_setup_teardown(f, begin, end)

static void put(const char *path, const struct piece *piece)
{
        faulty_add(tls, &(struct faulty_path){ .path = path, .body = piece->data, .size = piece->size });
}

/* `name` in the manifest, whose rest follows; served where discovery finds it. */
__attribute__((format(printf, 3, 4))) static void make(struct made *ret, const char *name, const char *rest, ...)
{
        static char manifest[200000];
        struct tar tar = { 0 };
        va_list args;

        int n = snprintf(manifest, sizeof(manifest),
                         "{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"%s\"", name);
        va_start(args, rest);
        n += vsnprintf(manifest + n, sizeof(manifest) - (size_t) n, rest, args);
        va_end(args);
        n += snprintf(manifest + n, sizeof(manifest) - (size_t) n, "}");
        assert_true((size_t) n < sizeof(manifest));
        tar_add(&tar, "manifest", '0', 0644, NULL, manifest, (size_t) n);
        tar_add(&tar, "rootfs/", '5', 0755, NULL, NULL, 0);
        tar_add(&tar, "rootfs/file", '0', 0644, NULL, name, strlen(name));
        tar_end(&tar);
        snprintf(ret->name, sizeof(ret->name), "%s", name);
        snprintf(ret->path, sizeof(ret->path), "/i/%s.aci", name);
        image_id(tar.data, tar.size, ret->id);
        if (in_files) {
                char path[300];
                snprintf(path, sizeof(path), "%s/%s.aci", world.directory, name);
                write_file(path, tar.data, tar.size);
        } else {
                ret->archive = serve("/unused", tar.data, tar.size);
                put(ret->path, ret->archive);
        }
        tar_free(&tar);
}

#define ON "{\"imageName\":\"%s\",\"imageID\":\"%s\"}"
#define OF(made) (made)->name, (made)->id
#define DEPENDENCIES(list) ",\"dependencies\":[" list "]"

static int open_made(const struct made *made, struct mayfly_image **ret)
{
        struct mayfly_image *image = NULL;
        char reference[400];

        snprintf(reference, sizeof(reference), "aci:%s@%s", made->name, made->id);
        world.err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        int r = mayfly_image_open(&image, reference, &world.options, &world.err);
        assert_true((r == 0) == (image != NULL));
        assert_int_equal(count_entries(world.directory, "tmp"), 0);
        if (ret)
                *ret = image;
        else
                mayfly_image_close(image);
        return r;
}

static void opens(const struct made *made)
{
        if (open_made(made, NULL) < 0)
                fail_msg("%s: %s", made->name, world.err.message);
}

static void fails(const struct made *made, int code, const char *message)
{
        int r = open_made(made, NULL);

        if (r != code || world.err.code != code || !strstr(world.err.message, message) ||
            strpbrk(world.err.message, "\n\r"))
                fail_msg("%s: %d \"%s\", not %d \"%s\"", made->name, r, world.err.message, code, message);
}

/* --- resolution */

static void appc_rendering_1_all_that_an_image_depends_on_is_fetched_once(void **state)
{
        struct made a, b, c, d;
        struct mayfly_image *image;

        (void) state;
        make(&d, "localhost/d", ",\"app\":{\"exec\":[\"/d\"],\"user\":\"0\",\"group\":\"0\"}");
        make(&b, "localhost/b", DEPENDENCIES(ON), OF(&d));
        make(&c, "localhost/c", DEPENDENCIES(ON), OF(&d));
        make(&a, "localhost/a", DEPENDENCIES(ON "," ON), OF(&b), OF(&c));
        for (int again = 0; again < 2; again++) {
                if (open_made(&a, &image) < 0)
                        fail_msg("%s", world.err.message);
                assert_int_equal(mayfly_image_was_fetched(image), !again);
                /* D,B,D,C,A, of which the first D is laid over again by the second. */
                const struct made *const order[] = { &b, &d, &c, &a };
                const char *const *layers = mayfly_image_layers(image);
                for (size_t i = 0; i < 4; i++) {
                        assert_non_null(layers[i]);
                        assert_non_null(strstr(layers[i], order[i]->id));
                        assert_int_equal(faulty_count(tls, order[i]->path), 1);
                }
                assert_null(layers[4]);
                assert_string_equal(layers[3], mayfly_image_rootfs(image));
                assert_false(mf_image_config_has_app(image->config)); /* the app of a dependency is nobody's */
                mayfly_image_close(image);
        }
        assert_int_equal(count_entries(world.directory, "images"), 4);
        assert_int_equal(count_entries(world.directory, "layers"), 0);
}

static void appc_rendering_1_an_image_alone_is_its_only_layer(void **state)
{
        struct made a;
        struct mayfly_image *image;

        (void) state;
        make(&a, "localhost/a", DEPENDENCIES());
        assert_int_equal(open_made(&a, &image), 0);
        assert_string_equal(mayfly_image_layers(image)[0], mayfly_image_rootfs(image));
        assert_null(mayfly_image_layers(image)[1]);
        mayfly_image_close(image);
}

static void appc_rendering_1_what_was_removed_is_fetched_again(void **state)
{
        struct made a, b;
        struct mayfly_image *image;
        struct mayfly_gc_options gc = MAYFLY_GC_OPTIONS_INIT;
        struct mayfly_gc_result result = MAYFLY_GC_RESULT_INIT;

        (void) state;
        make(&b, "localhost/b", DEPENDENCIES());
        make(&a, "localhost/a", DEPENDENCIES(ON), OF(&b));
        assert_int_equal(open_made(&a, &image), 0);
        gc.store = world.directory;
        gc.all = 1;
        assert_int_equal(mayfly_store_gc(&result, &gc, NULL), 0);
        assert_int_equal(result.in_use, 2); /* with the image, what it depends on */
        assert_int_equal(result.removed, 0);
        mayfly_image_close(image);
        assert_int_equal(mayfly_store_gc(&result, &gc, NULL), 0);
        assert_int_equal(result.removed, 2);
        opens(&a);
        assert_int_equal(faulty_count(tls, b.path), 2);
}

static void appc_rendering_1_the_id_must_match(void **state)
{
        struct made a, b, other;

        (void) state;
        make(&b, "localhost/b", DEPENDENCIES());
        make(&other, "localhost/b", ",\"labels\":[{\"name\":\"version\",\"value\":\"2\"}]");
        make(&a, "localhost/a", DEPENDENCIES(ON), OF(&b));
        fails(&a, -EBADMSG, "a dependency of image localhost/a cannot be used: ");
        assert_non_null(strstr(world.err.message, "is not the pinned image: expected sha512-"));
        assert_int_equal(count_entries(world.directory, "images"), 1);
        put(b.path, b.archive);
        opens(&a);
}

static void appc_rendering_1_the_size_must_match(void **state)
{
#define SIZED "{\"imageName\":\"%s\",\"imageID\":\"%s\",\"size\":%zu}"
        struct made a, b;

        (void) state;
        make(&b, "localhost/b", DEPENDENCIES());
        make(&a, "localhost/a", DEPENDENCIES(SIZED), OF(&b), b.archive->size + 1);
        fails(&a, -EBADMSG, "bytes long, but the image that depends on it gives the size ");
        make(&a, "localhost/a", DEPENDENCIES(SIZED), OF(&b), b.archive->size - 1);
        fails(&a, -EBADMSG, "bytes long, but the image that depends on it gives the size ");
        static char much[1 << 20]; /* not read to its end, which might never come */
        faulty_add(tls, &(struct faulty_path){
                                .path = b.path, .body = much, .size = sizeof(much), .flags = FAULTY_CHUNKED });
        make(&a, "localhost/a", DEPENDENCIES(SIZED), OF(&b), b.archive->size);
        fails(&a, -EBADMSG, "is at least ");
        put(b.path, b.archive);
        opens(&a);
        /* What is stored has no size as served any more, but is what the ID says. */
        make(&a, "localhost/a", DEPENDENCIES(SIZED), OF(&b), b.archive->size + 1);
        opens(&a);
}

static void appc_rendering_1_name_and_labels_must_match(void **state)
{
#define LABELLED(name, value)                                                                       \
        ",\"dependencies\":[{\"imageName\":\"%s\",\"imageID\":\"%s\",\"labels\":[{\"name\":\"" name \
        "\",\"value\":\"" value "\"}]}]"
        struct made a, b;

        (void) state;
        make(&b, "localhost/b",
             ",\"labels\":[{\"name\":\"version\",\"value\":\"1\"},{\"name\":\"os\",\"value\":\"freebsd\"}]");
        make(&a, "localhost/a", DEPENDENCIES(ON), "localhost/other", b.id);
        put("/i/localhost/other.aci", b.archive);
        fails(&a, -EBADMSG, "expected localhost/other, but its manifest says localhost/b,version=1");
        make(&a, "localhost/a", LABELLED("version", "2"), OF(&b));
        fails(&a, -EBADMSG, "expected localhost/b,version=2, but its manifest says localhost/b,version=1");
        make(&a, "localhost/a", LABELLED("flavour", "sweet"), OF(&b));
        fails(&a, -EBADMSG, "expected localhost/b,flavour=sweet, but");
        make(&a, "localhost/a", LABELLED("version", "1"), OF(&b));
        opens(&a);
        make(&a, "localhost/a", DEPENDENCIES(ON), OF(&b)); /* what was not asked for may be anything */
        opens(&a);
        make(&a, "localhost/a", LABELLED("flavour", "sweet,sour"), OF(&b));
        fails(&a, -EINVAL, "one of these labels has a comma in its value");
}

static void appc_rendering_1_a_missing_one_is_named(void **state)
{
        struct made a, b, c;

        (void) state;
        make(&c, "localhost/c", DEPENDENCIES());
        make(&b, "localhost/b", DEPENDENCIES(ON), OF(&c));
        make(&a, "localhost/a", DEPENDENCIES(ON), OF(&b));
        faulty_add(tls, &(struct faulty_path){ .path = c.path, .status = 404 });
        fails(&a, -ECONNREFUSED, "a dependency of image localhost/b cannot be used: no image for localhost/c: ");
        assert_non_null(strstr(world.err.message, "/i/localhost/c.aci answers 404"));
}

static void appc_rendering_1_a_bad_one_is_told(void **state)
{
        struct made a, b;

        (void) state;
        make(&b, "localhost/b", ",\"app\":7");
        make(&a, "localhost/a", DEPENDENCIES(ON), OF(&b));
        fails(&a, -EBADMSG, "a dependency of image localhost/a cannot be used: ");
        assert_non_null(strstr(world.err.message, "image manifest: app: "));
        faulty_add(tls, &(struct faulty_path){ .path = b.path, .flags = FAULTY_GARBAGE });
        assert_true(open_made(&a, NULL) < 0);
        assert_int_equal(count_entries(world.directory, "images"), 1);
}

static void appc_rendering_1_one_without_an_id_is_not_pinned(void **state)
{
        struct made a, b;

        (void) state;
        make(&b, "localhost/b", DEPENDENCIES());
        make(&a, "localhost/a", DEPENDENCIES("{\"imageName\":\"localhost/b\"}"));
        fails(&a, -EINVAL,
              "image localhost/a depends on localhost/b without an imageID, so its content is "
              "not pinned; run `mayfly pin localhost/b`, put");
        make(&a, "localhost/a", DEPENDENCIES(ON), b.name, "sha512-0123456789abcdef");
        fails(&a, -EINVAL, "by a shortened imageID");
        make(&a, "localhost/a", DEPENDENCIES(ON), b.name, "sha512-...");
        fails(&a, -EINVAL, "by a shortened imageID");
        assert_int_equal(faulty_count(tls, b.path), 0);
}

static void appc_rendering_1_a_circle_is_told(void **state)
{
#define VERSION(v) ",\"labels\":[{\"name\":\"version\",\"value\":\"" v "\"}]"
        struct made older, b, c, a;

        (void) state;
        make(&older, "localhost/a", VERSION("1"));
        make(&c, "localhost/c", DEPENDENCIES(ON), OF(&older));
        make(&b, "localhost/b", DEPENDENCIES(ON), OF(&c));
        opens(&b);
        make(&a, "localhost/a", VERSION("1") DEPENDENCIES(ON), OF(&b));
        fails(&a, -ELOOP,
              "form a cycle: localhost/a,version=1 -> localhost/b -> localhost/c -> localhost/a,version=1; ");
        make(&a, "localhost/a", VERSION("2") DEPENDENCIES(ON), OF(&b)); /* a later version made from an earlier one */
        opens(&a);
        make(&older, "localhost/a", VERSION("2")); /* not at the top */
        make(&b, "localhost/b", DEPENDENCIES(ON), OF(&older));
        opens(&b);
        make(&a, "localhost/a", VERSION("2") DEPENDENCIES(ON), OF(&b));
        make(&c, "localhost/top", DEPENDENCIES(ON), OF(&a));
        fails(&c, -ELOOP, "cycle: localhost/a,version=2 -> localhost/b -> localhost/a,version=2; ");
}

static void appc_rendering_1_there_is_a_limit(void **state)
{
        static char list[180000];
        struct made a, b[MF_DEPENDENCIES_MAX + 1];
        char directory[300];
        size_t n = 0;

        (void) state;
        in_files = 1;
        snprintf(directory, sizeof(directory), "%.250s/localhost", world.directory);
        assert_int_equal(mkdir(directory, 0700), 0);
        snprintf(world.mirrors, sizeof(world.mirrors), "localhost/ file://%.300s/{name}.aci", world.directory);
        for (unsigned i = 0; i <= MF_DEPENDENCIES_MAX; i++) {
                char name[32];
                snprintf(name, sizeof(name), "localhost/b%u", i);
                if (i == 0)
                        make(&b[i], name, DEPENDENCIES());
                else
                        make(&b[i], name, DEPENDENCIES(ON), OF(&b[i - 1]));
        }
        opens(&b[MF_DEPENDENCIES_MAX]); /* one on the other, as deep as can be */
        make(&a, "localhost/a", DEPENDENCIES(ON), OF(&b[MF_DEPENDENCIES_MAX]));
        fails(&a, -E2BIG, "more than 127 direct and indirect dependencies");
        for (unsigned i = 0; i <= MF_DEPENDENCY_EDGES_MAX; i++)
                n += (size_t) snprintf(list + n, sizeof(list) - n, "%s" ON, i ? "," : "", OF(&b[0]));
        make(&a, "localhost/a", ",\"dependencies\":[%s]", list);
        fails(&a, -E2BIG, "list more than 1000 dependencies");
        /* Each way through it is another one: 2 to the power of 20, of which but 41 count. */
        make(&b[0], "localhost/b0", DEPENDENCIES());
        make(&b[1], "localhost/b1", DEPENDENCIES());
        for (unsigned i = 2; i < 42; i++) {
                char name[32];
                unsigned below = i / 2 * 2 - 2;
                snprintf(name, sizeof(name), "localhost/b%u", i);
                make(&b[i], name, DEPENDENCIES(ON "," ON), OF(&b[below]), OF(&b[below + 1]));
        }
        struct mayfly_image *image;
        assert_int_equal(open_made(&b[41], &image), 0);
        for (n = 0; mayfly_image_layers(image)[n];)
                n++;
        assert_int_equal(n, 41);
        mayfly_image_close(image);
        /* With a whitelist of its own on each, every one counts. */
        for (unsigned i = 2; i < 42; i++) {
                char name[32];
                unsigned below = i / 2 * 2 - 2;
                snprintf(name, sizeof(name), "localhost/b%u", i);
                make(&b[i], name, DEPENDENCIES(ON "," ON) ",\"pathWhitelist\":[\"/%u\"]", OF(&b[below]),
                     OF(&b[below + 1]), i);
        }
        fails(&b[41], -E2BIG, "has more than 200 layers");
        assert_int_equal(count_entries(world.directory, "layers"), 0);
}

/* --- fetching */

struct seen {
        pthread_t thread;
        char reference[8][400];
        size_t n, n_at_first_done, done, others;
        size_t cancel_at;
};

static int on_progress(const struct mayfly_progress *progress, void *userdata)
{
        struct seen *seen = userdata;
        size_t i = 0;

        seen->others += !pthread_equal(pthread_self(), seen->thread);
        if (strstr(progress->reference, "localhost/a@"))
                return 0;
        while (i < seen->n && strcmp(seen->reference[i], progress->reference) != 0)
                i++;
        assert_true(i < 8);
        if (i == seen->n)
                snprintf(seen->reference[seen->n++], sizeof(seen->reference[0]), "%s", progress->reference);
        if (progress->phase == MAYFLY_PROGRESS_DONE && seen->done++ == 0)
                seen->n_at_first_done = seen->n;
        return seen->cancel_at && seen->n >= seen->cancel_at;
}

static void make_slow(struct made *b, size_t n, struct made *a)
{
        for (size_t i = 0; i < n; i++) {
                char name[32];
                snprintf(name, sizeof(name), "localhost/b%zu", i);
                make(&b[i], name, DEPENDENCIES());
                faulty_add(tls, &(struct faulty_path){ .path = b[i].path,
                                                       .body = b[i].archive->data,
                                                       .size = b[i].archive->size,
                                                       .chunk = 512,
                                                       .delay_ms = 60 });
        }
        make(a, "localhost/a", DEPENDENCIES(ON "," ON "," ON), OF(&b[0]), OF(&b[1]), OF(&b[2]));
}

static void several_are_fetched_at_the_same_time(void **state)
{
        struct seen seen = { .thread = pthread_self() };
        struct made a, b[3];

        (void) state;
        make_slow(b, 3, &a);
        world.options.progress = on_progress;
        world.options.progress_userdata = &seen;
        opens(&a);
        assert_int_equal(seen.others, 0); /* in our thread, as ever */
        assert_int_equal(seen.n, 3);
        assert_int_equal(seen.done, 3);
        assert_int_equal(seen.n_at_first_done, 3);
}

static void fetching_them_can_be_cancelled(void **state)
{
        struct seen seen = { .thread = pthread_self(), .cancel_at = 2 };
        struct made a, b[3];

        (void) state;
        make_slow(b, 3, &a);
        for (size_t i = 0; i < 3; i++)
                faulty_add(tls, &(struct faulty_path){ .path = b[i].path, .flags = FAULTY_SILENT });
        world.options.stall_timeout_ms = 60000;
        world.options.progress = on_progress;
        world.options.progress_userdata = &seen;
        fails(&a, -ECANCELED, "cancelled");
        assert_int_equal(count_entries(world.directory, "images"), 1);
}

static void one_that_fails_ends_the_others(void **state)
{
        struct made a, b[3];

        (void) state;
        make_slow(b, 3, &a);
        faulty_add(tls, &(struct faulty_path){ .path = b[0].path, .flags = FAULTY_SILENT });
        faulty_add(tls, &(struct faulty_path){ .path = b[1].path, .status = 404 });
        faulty_add(tls, &(struct faulty_path){ .path = b[2].path, .flags = FAULTY_SILENT });
        world.options.stall_timeout_ms = 60000;
        fails(&a, -ECONNREFUSED, "no image for localhost/b1");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                test(appc_rendering_1_all_that_an_image_depends_on_is_fetched_once),
                test(appc_rendering_1_an_image_alone_is_its_only_layer),
                test(appc_rendering_1_what_was_removed_is_fetched_again),
                test(appc_rendering_1_the_id_must_match),
                test(appc_rendering_1_the_size_must_match),
                test(appc_rendering_1_name_and_labels_must_match),
                test(appc_rendering_1_a_missing_one_is_named),
                test(appc_rendering_1_a_bad_one_is_told),
                test(appc_rendering_1_one_without_an_id_is_not_pinned),
                test(appc_rendering_1_a_circle_is_told),
                test(appc_rendering_1_there_is_a_limit),
                test(several_are_fetched_at_the_same_time),
                test(fetching_them_can_be_cancelled),
                test(one_that_fails_ends_the_others),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
