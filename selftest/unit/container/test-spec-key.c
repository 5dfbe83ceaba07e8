/* SPDX-License-Identifier: MIT */

/* Which specs are the same, so that a spare of the one is a container of the other. */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <mayfly/mayfly.h>

#include "container/container.h"
#include "container/spec-key.h"

static struct mf_buffer key_of(const struct mayfly_spec *spec)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *container = NULL;
        struct mf_buffer key = { 0 };

        if (mf_container_new(&container, spec, &err) < 0 || mf_spec_keep(container, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(mf_spec_key(container, &key), 0);
        mayfly_container_free(container);
        return key;
}

static int is_same(const struct mayfly_spec *one, const struct mayfly_spec *other)
{
        struct mf_buffer a = key_of(one), b = key_of(other);
        int r = a.size == b.size && memcmp(a.data, b.data, a.size) == 0;

        mf_buffer_clear(&a);
        mf_buffer_clear(&b);
        return r;
}

/* A change of what lies behind a pointer of the spec, or of a field of it. */
#define DIFFERS(...) assert_false(is_same(MAYFLY_SPEC(.image = "aci:x"), MAYFLY_SPEC(.image = "aci:x", __VA_ARGS__)))
#define FIRST_AND_SECOND(field, first, second)                                         \
        do {                                                                           \
                DIFFERS(.field = first);                                               \
                assert_false(is_same(MAYFLY_SPEC(.image = "aci:x", .field = first),    \
                                     MAYFLY_SPEC(.image = "aci:x", .field = second))); \
        } while (0)

static void each_field_counts(void **state)
{
        (void) state;
        assert_false(is_same(MAYFLY_SPEC(.image = "aci:x"), MAYFLY_SPEC(.image = "aci:y")));
        DIFFERS(.idle = 1);
        FIRST_AND_SECOND(entrypoint, MAYFLY_STRINGS("a", "b"), MAYFLY_STRINGS("a b"));
        FIRST_AND_SECOND(argv, MAYFLY_STRINGS("a", ""), MAYFLY_STRINGS("a"));
        FIRST_AND_SECOND(env, MAYFLY_STRINGS("A=1"), MAYFLY_STRINGS("A=2"));
        FIRST_AND_SECOND(capabilities, MAYFLY_STRINGS("CAP_NET_ADMIN"), MAYFLY_STRINGS("CAP_SYS_TIME"));
        FIRST_AND_SECOND(user, "a", "b");
        FIRST_AND_SECOND(cwd, "/a", "/b");
        FIRST_AND_SECOND(name, "a", "");
        FIRST_AND_SECOND(metadata_url, "a", "b");
        DIFFERS(.engine = MAYFLY_ENGINE_DIRECT);
        DIFFERS(.stop_signal = 2);
        DIFFERS(.stop_timeout_ms = 1);
        DIFFERS(.start_timeout_ms = 1);
        DIFFERS(.max_runtime_s = 1);
        DIFFERS(.scratch_size = 1);
        DIFFERS(.log_size = 4096);
        DIFFERS(.memory_max = 1);
        DIFFERS(.tasks_max = 1);
        DIFFERS(.strict_isolators = 1);
        DIFFERS(.userns = MAYFLY_USERNS_HOST);
        DIFFERS(.userns_ids = 1U << 17);
        DIFFERS(.separate_streams = 1);
        DIFFERS(.command_timeout_ms = 1);
        DIFFERS(.keep_uid = 1);
        DIFFERS(.keep_gid = 1);
        FIRST_AND_SECOND(ulimits, MAYFLY_STRINGS("core=0"), MAYFLY_STRINGS("core=1"));
        FIRST_AND_SECOND(sysctls, MAYFLY_STRINGS("net.core.somaxconn=1"), MAYFLY_STRINGS("net.core.somaxconn=2"));
        FIRST_AND_SECOND(extra_hosts, MAYFLY_STRINGS("db:10.0.0.1"), MAYFLY_STRINGS("db:10.0.0.2"));
        FIRST_AND_SECOND(devices, MAYFLY_STRINGS("/dev/fuse"), MAYFLY_STRINGS("/dev/kvm"));
        FIRST_AND_SECOND(labels, MAYFLY_STRINGS("a=1"), MAYFLY_STRINGS("a=2"));
        FIRST_AND_SECOND(hostname, "a", "b");
        DIFFERS(.shm_size = 1);
        DIFFERS(.read_only = 1);
        DIFFERS(.keep_files = 1);
        DIFFERS(.boot = 1);
}

static void each_field_of_a_list_counts(void **state)
{
        (void) state;
#define VOLUME(...) MAYFLY_VOLUMES({ .path = "/v", __VA_ARGS__ })
        FIRST_AND_SECOND(volumes, VOLUME(.mode = 0700), VOLUME(.mode = 0770));
        FIRST_AND_SECOND(volumes, VOLUME(.uid = 1), VOLUME(.gid = 1));
        FIRST_AND_SECOND(volumes, VOLUME(.read_only = 1), MAYFLY_VOLUMES({ .name = "/v" }));
#define PORT(...) MAYFLY_PORTS({ .port = 7, __VA_ARGS__ })
        FIRST_AND_SECOND(publish, PORT(.name = "a"), PORT(.name = "b"));
        FIRST_AND_SECOND(publish, PORT(.activate = 1), PORT(.protocol = "udp"));
        FIRST_AND_SECOND(publish, MAYFLY_PORTS({ .path = "/a" }), MAYFLY_PORTS({ .path = "/b" }));
#define FILE_(...) MAYFLY_FILES({ .path = "/f", __VA_ARGS__ })
        FIRST_AND_SECOND(files, FILE_(.text = "a"), FILE_(.text = "b"));
        FIRST_AND_SECOND(files, FILE_(.data = "a\0b", .data_size = 3), FILE_(.data = "a\0c", .data_size = 3));
        FIRST_AND_SECOND(files, FILE_(.text = "a", .mode = 0600), FILE_(.text = "a", .uid = 1));
        FIRST_AND_SECOND(files, FILE_(.text = "a", .gid = 1), FILE_(.text = "a", .keep_owners = 1));
        DIFFERS(.wait = MAYFLY_WAIT_NONE);
#define WAIT(...) MAYFLY_WAIT({ __VA_ARGS__ })
        FIRST_AND_SECOND(wait, WAIT(.log = "a"), WAIT(.log_text = "a"));
        FIRST_AND_SECOND(wait, WAIT(.port = "7"), WAIT(.unix_socket = "7"));
        FIRST_AND_SECOND(wait, WAIT(.http = "/"), WAIT(.https = "/"));
        FIRST_AND_SECOND(wait, WAIT(.command = MAYFLY_STRINGS("a")), WAIT(.command = MAYFLY_STRINGS("b")));
        FIRST_AND_SECOND(wait, WAIT(.file = "/a"), WAIT(.file = "/a", .timeout_ms = 1));
        FIRST_AND_SECOND(wait, WAIT(.notify = 1), WAIT(.healthy = 1));
        FIRST_AND_SECOND(wait, WAIT(.exit = 1), WAIT(.exit = 1, .exit_status = 1));
        FIRST_AND_SECOND(wait, WAIT(.all = WAIT(.file = "/a")), WAIT(.any = WAIT(.file = "/a")));
        FIRST_AND_SECOND(wait, WAIT(.all = WAIT(.file = "/a")), WAIT(.all = WAIT(.file = "/b")));
}

static int ignore(const struct mayfly_progress *progress, void *userdata)
{
        (void) progress;
        (void) userdata;
        return 0;
}

static void image_options_and_surroundings_count(void **state)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        const struct mayfly_spec *spec = MAYFLY_SPEC(.image = "aci:x", .image_options = &options);

        (void) state;
        assert_true(is_same(spec, MAYFLY_SPEC(.image = "aci:x"))); /* all are defaults */
        options.progress = ignore;
        assert_true(is_same(spec, MAYFLY_SPEC(.image = "aci:x")));
        options.signatures = MAYFLY_SIGNATURES_REQUIRED;
        DIFFERS(.image_options = &options);
        options = (struct mayfly_image_options) MAYFLY_IMAGE_OPTIONS_INIT;
        options.fetch = MAYFLY_FETCH_NEVER;
        DIFFERS(.image_options = &options);
        options = (struct mayfly_image_options) MAYFLY_IMAGE_OPTIONS_INIT;
        options.store = "/elsewhere";
        DIFFERS(.image_options = &options);

        struct mf_buffer before = key_of(MAYFLY_SPEC(.image = "aci:x"));
        setenv("MAYFLY_ENGINE", "none", 1);
        struct mf_buffer after = key_of(MAYFLY_SPEC(.image = "aci:x"));
        assert_true(before.size != after.size || memcmp(before.data, after.data, before.size) != 0);
        unsetenv("MAYFLY_ENGINE");
        mf_buffer_clear(&before);
        mf_buffer_clear(&after);
}

static void it_does_not_matter_where_they_are(void **state)
{
        char word[] = "sleep", data[] = "data";
        const char *const argv[] = { word, "1", NULL };

        (void) state;
        assert_true(is_same(MAYFLY_SPEC(.image = "aci:x", .argv = argv,
                                        .files = MAYFLY_FILES({ .path = "/f", .data = data, .data_size = 4 }),
                                        .wait = MAYFLY_WAIT(MAYFLY_WAIT_FILE("/x")), .spare = 1),
                            MAYFLY_SPEC(.image = "aci:x", .argv = MAYFLY_STRINGS("sleep", "1"),
                                        .files = MAYFLY_FILES({ .path = "/f", .data = "data", .data_size = 4 }),
                                        .wait = MAYFLY_WAIT(MAYFLY_WAIT_FILE("/x")), .spare = 2)));
}

/* If one of these fails, a struct has a new field: let mf_spec_key() add it, or mf_spec_check_spare() refuse it, and name it here. */
static void no_field_was_forgotten(void **state)
{
        (void) state;
#define IS_LAST(type, field) \
        assert_true(sizeof(type) - offsetof(type, field) - sizeof(((type *) 0)->field) < sizeof(void *))
        IS_LAST(struct mayfly_spec, life_userdata); /* mf_spec_check_spare() refuses it and the three before it */
        IS_LAST(struct mayfly_volume, gid);
        IS_LAST(struct mayfly_publish, activate);
        IS_LAST(struct mayfly_host_port, protocol);
        IS_LAST(struct mayfly_file, keep_owners);
        IS_LAST(struct mayfly_wait, healthy);
        IS_LAST(struct mayfly_image_options, fetch);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_field_counts),
                cmocka_unit_test(each_field_of_a_list_counts),
                cmocka_unit_test(image_options_and_surroundings_count),
                cmocka_unit_test(it_does_not_matter_where_they_are),
                cmocka_unit_test(no_field_was_forgotten),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
