/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"

int setup(void **state)
{
        struct world *w = calloc(1, sizeof(*w));
        struct tar tar = { 0 };
        char path[600];
        static char zeros[128 << 10];

        w->directory = make_directory();
        tar_add_basics(&tar);
        tar_add(&tar, "rootfs/big", '0', 0644, NULL, zeros, sizeof(zeros));
        tar_end(&tar);
        image_id(tar.data, tar.size, w->id);
        snprintf(path, sizeof(path), "%s/image.aci", w->directory);
        write_file(path, tar.data, tar.size);
        tar_free(&tar);
        snprintf(w->store, sizeof(w->store), "%s/parent/store", w->directory);
        snprintf(w->reference, sizeof(w->reference), "aci:file://%s@%s", path, w->id);
        memcpy(w->wrong, w->reference, sizeof(w->wrong));
        char *last = &w->wrong[strlen(w->wrong) - 1];
        *last = *last == '0' ? '1' : '0';
        w->options = (struct mayfly_image_options) MAYFLY_IMAGE_OPTIONS_INIT;
        w->options.store = w->store;
        w->options.progress_userdata = w;
        w->held = -1;
        *state = w;
        return 0;
}

int teardown(void **state)
{
        struct world *w = *state;

        remove_directory(w->directory);
        free(w);
        return 0;
}

int open_image(struct world *w, struct mayfly_image **ret)
{
        w->err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        return mayfly_image_open(ret, w->reference, &w->options, &w->err);
}

int fetched(struct world *w)
{
        struct mayfly_image *image = NULL;

        int r = open_image(w, &image);
        if (r < 0) {
                assert_null(image);
                assert_true(w->err.code == r && w->err.message[0]);
                return r;
        }
        r = mayfly_image_was_fetched(image);
        assert_string_equal(mayfly_image_id(image), w->id);
        assert_string_equal(mayfly_image_name(image), "example.com/test");
        assert_int_equal(access(mayfly_image_rootfs(image), X_OK), 0);
        assert_null(mayfly_image_close(image));
        return r;
}

void assert_error(const struct world *w, const char *fragment)
{
        if (!strstr(w->err.message, fragment))
                fail_msg("\"%s\" lacks \"%s\"", w->err.message, fragment);
}

void assert_entries(const struct world *w, size_t images, size_t locks, size_t tmp)
{
        assert_int_equal(count_entries(w->store, "images"), images);
        assert_int_equal(count_entries(w->store, "locks"), locks);
        assert_int_equal(count_entries(w->store, "tmp"), tmp);
}
