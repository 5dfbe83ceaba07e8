/* SPDX-License-Identifier: MIT */

/* Layouts and archives on this machine: what their reading has to end. */

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

#include "oci/digest.h"
#include "oci/local.h"
#include "util/buffer.h"
#include "util/strv.h"

static char directory[] = "/tmp/mayfly-local-XXXXXX";

/* Counts how often it is asked, and says yes at the last time. */
struct patience {
        int asked, last;
};

static int is_cancelled(void *userdata)
{
        struct patience *patience = userdata;

        return ++patience->asked >= patience->last;
}

static void write_file(const char *name, const char *text)
{
        char path[200];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static void run(const char *format)
{
        char command[400];

        snprintf(command, sizeof(command), format, directory);
        assert_int_equal(system(command), 0);
}

/* Writes a document as a blob, and sets `entry` to what an index says of it. */
static void add_blob(const char *text, const char *type, char entry[300])
{
        const struct mf_buffer bytes = { .data = (char *) text, .size = strlen(text) };
        char digest[MF_ID_LENGTH + 1], name[200];

        assert_int_equal(mf_oci_digest(&bytes, "sha256", digest, NULL), 0);
        snprintf(name, sizeof(name), "layout/blobs/sha256/%s", digest + 7);
        write_file(name, text);
        snprintf(entry, 300, "{\"mediaType\":\"application/vnd.oci.image.%s.v1+json\",\"digest\":\"%s\",\"size\":%zu}",
                 type, digest, strlen(text));
}

#define INDEX "{\"schemaVersion\":2,\"manifests\":[%s,%s]}"

/* A layout whose index leads to an index that has the same manifest twice, and this twice. */
static int make_layout(void **state)
{
        static const char manifest[] = "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/"
                                       "vnd.oci.image.config.v1+json\",\"digest\":"
                                       "\"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\","
                                       "\"size\":5},\"layers\":[]}";
        char entry[300], text[1000];

        (void) state;
        if (!mkdtemp(directory))
                return -1;
        run("mkdir -p %s/layout/blobs/sha256");
        add_blob(manifest, "manifest", entry);
        snprintf(text, sizeof(text), INDEX, entry, entry);
        add_blob(text, "index", entry);
        snprintf(text, sizeof(text), INDEX, entry, entry);
        write_file("layout/index.json", text);
        write_file("layout/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
        run("cd %s && tar -cf - -C layout . | gzip >archive.tar.gz");
        return 0;
}

static int remove_layout(void **state)
{
        (void) state;
        run("rm -r %s");
        return 0;
}

static struct mf_oci_source *open_layout(void)
{
        const struct mf_spool_limits limits = { .max_unpacked = UINT64_MAX };
        struct mf_oci_source *source = NULL;
        char path[100];

        snprintf(path, sizeof(path), "%s/layout", directory);
        assert_int_equal(mf_oci_local_open(&source, path, &limits, NULL), 0);
        return source;
}

static void a_list_of_nested_indexes_can_be_cancelled(void **state)
{
        struct mf_oci_source *source = open_layout();
        struct patience patience = { .last = 1000 };
        char **list = NULL;
        size_t n = 0;

        (void) state;
        assert_int_equal(mf_oci_local_list(source, &list, is_cancelled, &patience, NULL), 0);
        while (list[n])
                n++;
        assert_int_equal(n, 4);
        const int asked = patience.asked;
        assert_int_equal(asked, 6); /* once for each document */
        mf_strv_free(list);
        for (int last = 1; last <= asked; last++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                patience = (struct patience){ .last = last };
                assert_int_equal(mf_oci_local_list(source, &list, is_cancelled, &patience, &err), -ECANCELED);
                assert_non_null(strstr(err.message, "was cancelled"));
        }
        mf_oci_source_free(source);
}

static void a_search_in_nested_indexes_can_be_cancelled(void **state)
{
        static const char config[] = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
        struct mf_oci_source *source = open_layout();
        struct patience patience = { .last = 5 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_buffer text = { 0 };
        char *type = NULL;

        (void) state;
        assert_int_equal(source->type->get_manifest(source, config, &text, &type, is_cancelled, &patience, &err),
                         -ECANCELED);
        assert_non_null(strstr(err.message, "/layout was cancelled"));
        mf_oci_source_free(source);
}

static void the_copy_of_a_compressed_archive_can_be_cancelled(void **state)
{
        struct patience patience = { .last = 1 };
        struct mf_spool_limits limits = { UINT64_MAX, is_cancelled, &patience };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_oci_source *source = NULL;
        char path[100];

        (void) state;
        snprintf(path, sizeof(path), "%s/archive.tar.gz", directory);
        assert_int_equal(mf_oci_local_open(&source, path, &limits, &err), -ECANCELED);
        assert_non_null(strstr(err.message, "/archive.tar.gz was cancelled"));
        patience.last = 1000;
        assert_int_equal(mf_oci_local_open(&source, path, &limits, NULL), 0);
        mf_oci_source_free(source);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_list_of_nested_indexes_can_be_cancelled),
                cmocka_unit_test(a_search_in_nested_indexes_can_be_cancelled),
                cmocka_unit_test(the_copy_of_a_compressed_archive_can_be_cancelled),
        };

        return cmocka_run_group_tests(tests, make_layout, remove_layout);
}
