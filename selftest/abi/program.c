/* SPDX-License-Identifier: MIT */

/* usage: program first|grown DIRECTORY [IMAGE]
 *
 * Uses each public struct, with the library of this release or of one whose structs have grown. It is built with the
 * headers of both, too. DIRECTORY is empty. With an IMAGE it starts a container; that needs root. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mayfly/mayfly.h>

#include "guard.h"

static char directory[512], store[600], reference[2048];

static void write_file(const char *name, const char *text)
{
        char path[1200];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        FILE *f = fopen(path, "we");
        check(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* --- error --------------------------------------------------------------------------------------------------------- */

static void use_errors(void)
{
        struct mayfly_image *image = NULL;
        GUARDED(mayfly_error) e = { .it = MAYFLY_ERROR_INIT };

        GUARD(e);
        check(mayfly_image_open(&image, "no-reference", NULL, &e.it) == -EINVAL && e.it.code == -EINVAL);
        check(e.it.stage == MAYFLY_STAGE_REFERENCE && e.it.message[0]);
        CHECK_GUARD(e);
        CHECK_ADDED_NULL(e.it);
        memset(&e.it, 0, sizeof(e.it)); /* as from { 0 } */
        check(mayfly_image_open(&image, "no-reference", NULL, &e.it) == -EINVAL && e.it.code == -EINVAL);
        CHECK_GUARD(e);
        const size_t wrong[] = { 1, sizeof(size_t), 4096, 4111, (size_t) 1 << 20, (size_t) -1 };
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                memset(&e.it, 0, sizeof(e.it));
                e.it.size = wrong[i];
                check(mayfly_image_open(&image, "no-reference", NULL, &e.it) == -EINVAL);
                check(e.it.code == 0 && e.it.message[0] == '\0');
        }
        check(strcmp(mayfly_stage_name(MAYFLY_STAGE_ARCHIVE), "archive") == 0);
}

/* --- images -------------------------------------------------------------------------------------------------------- */

static const char manifest[] =
        "{\"acKind\": \"ImageManifest\", \"acVersion\": \"0.8.11\", \"name\": \"example.com/abi\","
        " \"labels\": [{\"name\": \"os\", \"value\": \"linux\"}, {\"name\": \"arch\", \"value\": \"amd64\"}],"
        " \"app\": {\"exec\": [\"/app\"], \"user\": \"0\", \"group\": \"0\","
        " \"mountPoints\": [{\"name\": \"data\", \"path\": \"/data\", \"readOnly\": true}],"
        " \"ports\": [{\"name\": \"web\", \"protocol\": \"tcp\", \"port\": 80}],"
        " \"isolators\": [{\"name\": \"resource/memory\", \"value\": {\"limit\": \"1G\"}}]}%s}";

static void build_and_pin(void)
{
        char rootfs[600], image[600], json[600], text[2048];
        GUARDED(mayfly_build_options) options = { .it = MAYFLY_BUILD_OPTIONS_INIT };
        struct mayfly_pin *pin = NULL;

        snprintf(rootfs, sizeof(rootfs), "%s/rootfs", directory);
        snprintf(image, sizeof(image), "%s/abi.aci", directory);
        snprintf(json, sizeof(json), "%s/manifest", directory);
        snprintf(text, sizeof(text), manifest, "");
        check(mkdir(rootfs, 0755) == 0);
        write_file("rootfs/app", "#!/bin/sh\n");
        write_file("manifest", text);
        GUARD(options);
        options.it.manifest = json;
        options.it.compression = MAYFLY_COMPRESSION_NONE;
        check(mayfly_image_build(&pin, rootfs, image, &options.it, &err) == 0);
        CHECK_GUARD(options);
        CHECK_MADE(pin, mayfly_pin);
        check(strcmp(pin->name, "example.com/abi") == 0 && pin->archive_size > 0 && !pin->user_id);
        snprintf(reference, sizeof(reference), "%s", pin->reference);
        check(!mayfly_pin_free(pin));
        SET(options.it);
        CHECK_SET(mayfly_image_build(NULL, rootfs, image, &options.it, &err), 0, "the build options",
                  mayfly_build_options);
}

static int reports;

static int on_progress(const struct mayfly_progress *progress, void *userdata)
{
        CHECK_MADE(progress, mayfly_progress);
        check(userdata == directory && progress->reference);
        reports++;
        return 0;
}

static void open_image(void)
{
        GUARDED(mayfly_image_options) options = { .it = MAYFLY_IMAGE_OPTIONS_INIT };
        struct mayfly_image *image = NULL;
        struct mayfly_pin *pin = NULL;

        GUARD(options);
        options.it.store = store;
        options.it.progress = on_progress;
        options.it.progress_userdata = directory;
        SET(options.it);
        CHECK_SET(mayfly_image_pin(&pin, reference, &options.it, &err), 0, "the image options", mayfly_image_options);
        mayfly_pin_free(pin);
#ifdef MAYFLY_GROWN
        options.it.added_ = NULL;
#endif
        check(mayfly_image_open(&image, reference, &options.it, &err) == 0 && reports > 0);
        CHECK_GUARD(options);
        const struct mayfly_isolator *const *isolators = mayfly_image_isolators(image);
        CHECK_MADE(isolators[0], mayfly_isolator);
        check(strcmp(isolators[0]->name, "resource/memory") == 0 && !isolators[1]);
        check(mayfly_image_was_fetched(image) == 1);
        check(!mayfly_image_close(image));
}

static void inspect(void)
{
        struct mayfly_inspection *inspection = NULL;
        char path[600], text[2048];

        snprintf(text, sizeof(text), manifest,
                 ", \"dependencies\": [{\"imageName\": \"example.com/base\", \"size\": 12}]");
        write_file("depending", text);
        snprintf(path, sizeof(path), "%s/depending", directory);
        check(mayfly_inspect_file(&inspection, path, MAYFLY_KIND_MANIFEST, &err) == 0);
        CHECK_MADE(inspection, mayfly_inspection);
        check(strcmp(inspection->name, "example.com/abi") == 0 && !inspection->id);
        CHECK_MADE(inspection->mounts[0], mayfly_manifest_mount);
        check(strcmp(inspection->mounts[0]->path, "/data") == 0 && !inspection->mounts[1]);
        CHECK_MADE(inspection->ports[0], mayfly_manifest_port);
        check(inspection->ports[0]->port == 80 && !inspection->ports[1]);
        CHECK_MADE(inspection->dependencies[0], mayfly_manifest_dependency);
        check(inspection->dependencies[0]->image_size == 12 && !inspection->dependencies[0]->id);
        CHECK_MADE(inspection->isolators[0], mayfly_manifest_isolator);
        check(strcmp(inspection->isolators[0]->name, "resource/memory") == 0 && !inspection->isolators[1]);
        check(!mayfly_inspection_free(inspection));
}

/* --- the store ----------------------------------------------------------------------------------------------------- */

static int on_report(const struct mayfly_store_report *report, void *userdata)
{
        CHECK_MADE(report, mayfly_store_report);
        check(userdata == store && report->path);
        reports++;
        return 0;
}

static void list(void)
{
        struct mayfly_stored_image **images = NULL;

        check(mayfly_store_list(&images, store, &err) == 0);
        CHECK_MADE(images[0], mayfly_stored_image);
        check(strcmp(images[0]->name, "example.com/abi") == 0 && !images[1] && !images[0]->signer);
        check(!mayfly_store_list_free(images));
}

static void verify(void)
{
        GUARDED(mayfly_verify_options) options = { .it = MAYFLY_VERIFY_OPTIONS_INIT };
        GUARDED(mayfly_verify_result) result = { .it = MAYFLY_VERIFY_RESULT_INIT };

        GUARD(options);
        GUARD(result);
        options.it.store = store;
        options.it.report = on_report;
        options.it.userdata = store;
        reports = 0;
        SET(result.it);
        check(mayfly_store_verify(&result.it, &options.it, &err) == 0 && result.it.images == 1 && reports == 1);
        CHECK_ADDED_NULL(result.it);
        CHECK_GUARD(options);
        CHECK_GUARD(result);
        SET(options.it);
        CHECK_SET(mayfly_store_verify(NULL, &options.it, &err), 0, "the verify options", mayfly_verify_options);
        result.it.size = 3;
        check(mayfly_store_verify(&result.it, NULL, &err) == -EINVAL);
        check(strstr(err.message, "MAYFLY_VERIFY_RESULT_INIT"));
        clear_error();
}

static void collect(void)
{
        GUARDED(mayfly_gc_options) options = { .it = MAYFLY_GC_OPTIONS_INIT };
        GUARDED(mayfly_gc_result) result = { .it = MAYFLY_GC_RESULT_INIT };

        GUARD(options);
        GUARD(result);
        options.it.store = store;
        options.it.report = on_report;
        options.it.userdata = store;
        options.it.dry_run = 1;
        SET(options.it);
        CHECK_SET(mayfly_store_gc(NULL, &options.it, &err), 0, "the gc options", mayfly_gc_options);
#ifdef MAYFLY_GROWN
        options.it.added_ = NULL;
#endif
        reports = 0;
        options.it.dry_run = 0;
        options.it.all = 1;
        SET(result.it);
        check(mayfly_store_gc(&result.it, &options.it, &err) == 0 && result.it.removed == 1 && reports > 0);
        CHECK_ADDED_NULL(result.it);
        CHECK_GUARD(options);
        CHECK_GUARD(result);
        result.it.size = (size_t) -1;
        check(mayfly_store_gc(&result.it, NULL, &err) == -EINVAL);
        check(strstr(err.message, "MAYFLY_GC_RESULT_INIT"));
        clear_error();
}

/* --- trust --------------------------------------------------------------------------------------------------------- */

static const char armored_key[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n"
                                  "mDMEawo8GRYJKwYBBAHaRw8BAQdA4dz6hsQu6GB0wrgdQENGJhq+WDIekRLFR1h5\n"
                                  "PVp4nqa0FUFiaSA8YWJpQGV4YW1wbGUuY29tPoiQBBMWCAA4FiEEVQQddopptprp\n"
                                  "4g08OXUfcM6+KeUFAmsKPBkCGwMFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQ\n"
                                  "OXUfcM6+KeXuYwD9ElHNasqgzVdEFaBzg5uGWFg15+kAzRfphapg3Krhlp8A/0cu\n"
                                  "H4EL+9ZcQEC0MLLDQHhQNbxMpOxQ3ZczZSn1mhIE\n=m51d\n"
                                  "-----END PGP PUBLIC KEY BLOCK-----\n";

static int on_key(const struct mayfly_key *key, void *userdata)
{
        CHECK_MADE(key, mayfly_key);
        check(userdata == directory && strcmp(key->user_id, "Abi <abi@example.com>") == 0 && !key->problem);
        reports++;
        return 1;
}

static int on_listed_key(const struct mayfly_key *key, void *userdata)
{
        return on_key(key, userdata) - 1;
}

static void trust(void)
{
        GUARDED(mayfly_trust_options) options = { .it = MAYFLY_TRUST_OPTIONS_INIT };
        struct mayfly_image_options image = MAYFLY_IMAGE_OPTIONS_INIT;
        char keys[600], source[600];

        snprintf(keys, sizeof(keys), "%s/keys", directory);
        snprintf(source, sizeof(source), "%s/key.asc", directory);
        write_file("key.asc", armored_key);
        image.store = store;
        image.trusted_keys = keys;
        GUARD(options);
        options.it.root = 1;
        options.it.source = source;
        options.it.key = on_key;
        options.it.userdata = directory;
        options.it.image = &image;
        reports = 0;
        check(mayfly_trust_add(&options.it, &err) == 1 && reports == 1);
        options.it.key = on_listed_key;
        options.it.source = NULL;
        check(mayfly_trust_list(&options.it, &err) == 0 && reports == 2);
        CHECK_GUARD(options);
        SET(options.it);
        CHECK_SET(mayfly_trust_list(&options.it, &err), 0, "the trust options", mayfly_trust_options);
}

/* --- containers ---------------------------------------------------------------------------------------------------- */

/* What fails before root is needed: in the spec itself, or in its engine, which is looked at last. */
static void start_nothing(void)
{
        struct mayfly_container *container = NULL;
        GUARDED(mayfly_spec) spec = { .it = MAYFLY_SPEC_INIT };
        struct mayfly_volume volumes[4] = { MAYFLY_VOLUME_INIT };
        struct mayfly_publish ports[3] = { MAYFLY_PUBLISH_INIT };
        struct mayfly_host_port host_ports[3] = { MAYFLY_HOST_PORT_INIT };

        GUARD(spec);
        spec.it.image = reference;
        spec.it.engine = (enum mayfly_engine) 9;
        spec.it.volumes = volumes;
        volumes[1].path = "/cache";
        volumes[2] = (struct mayfly_volume) MAYFLY_VOLUME_INIT;
        volumes[2].path = "/data";
        struct mayfly_wait waits[4] = { MAYFLY_WAIT_INIT };
        waits[1].log = "ready";
        waits[2] = (struct mayfly_wait) MAYFLY_WAIT_INIT;
        waits[2].file = "/ready";
        spec.it.wait = waits;
        check(mayfly_container_start(&container, &spec.it, &err) == -EINVAL && strstr(err.message, "engine 9"));
        CHECK_GUARD(spec);
        clear_error();
        SET(volumes[2]);
        CHECK_SET(mayfly_container_start(&container, &spec.it, &err), -EINVAL, "the spec's volumes", mayfly_volume);
        spec.it.volumes = NULL;
        spec.it.publish = ports;
        ports[1].port = 80;
        SET(ports[1]);
        CHECK_SET(mayfly_container_start(&container, &spec.it, &err), -EINVAL, "the spec's publish", mayfly_publish);
        spec.it.publish = NULL;
        spec.it.host_ports = host_ports;
        host_ports[1].port = 80;
        SET(host_ports[1]);
        CHECK_SET(mayfly_container_start(&container, &spec.it, &err), -EINVAL, "the spec's host_ports",
                  mayfly_host_port);
        spec.it.host_ports = NULL;
        struct mayfly_file files[3] = { MAYFLY_FILE_INIT };
        files[1].path = "/etc/conf";
        files[1].text = "conf";
        SET(files[1]);
        spec.it.files = files;
        CHECK_SET(mayfly_container_start(&container, &spec.it, &err), -EINVAL, "the spec's files", mayfly_file);
        spec.it.files = NULL;
        SET(waits[2]);
        CHECK_SET(mayfly_container_start(&container, &spec.it, &err), -EINVAL, "the wait", mayfly_wait);
        SET(spec.it);
        CHECK_SET(mayfly_container_start(&container, &spec.it, &err), -EINVAL, "the spec", mayfly_spec);
}

static void start_wrong(void)
{
        const size_t wrong[] = { 0, 1, sizeof(size_t), 99, (size_t) 1 << 20, (size_t) -1, (size_t) -8 };
        struct mayfly_container *container = NULL;
        struct mayfly_spec spec = MAYFLY_SPEC_INIT;
        struct mayfly_volume volumes[3] = { MAYFLY_VOLUME_INIT };

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                spec.size = wrong[i];
                check(mayfly_container_start(&container, &spec, &err) == -EINVAL);
                check(strstr(err.message, "the spec: the size is") && strstr(err.message, "MAYFLY_SPEC_INIT"));
                clear_error();
        }
        spec = (struct mayfly_spec) MAYFLY_SPEC_INIT;
        spec.image = reference;
        spec.volumes = volumes;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                volumes[0].size = wrong[i];
                check(mayfly_container_start(&container, &spec, &err) == -EINVAL);
                check(strstr(err.message, "the spec's volumes: the size is"));
                clear_error();
        }
        volumes[0] = (struct mayfly_volume) MAYFLY_VOLUME_INIT;
        volumes[1].size = 8;
        check(mayfly_container_start(&container, &spec, &err) == -EINVAL && strstr(err.message, "entry 1"));
        clear_error();
        volumes[0].path = "/cache"; /* no first element */
        check(mayfly_container_start(&container, &spec, &err) == -EINVAL && strstr(err.message, "first element"));
        clear_error();
}

static void fail_links(struct mayfly_container *container)
{
        GUARDED(mayfly_link) link = { .it = MAYFLY_LINK_INIT };
        GUARDED(mayfly_link_direction) down = { .it = MAYFLY_LINK_DIRECTION_INIT };

        GUARD(link);
        link.it.latency_ms = 1;
        link.it.down = &down.it;
        check(mayfly_link_set(container, "80", &link.it, &err) == 0);
        SET(down.it);
        CHECK_SET(mayfly_link_set(container, "80", &link.it, &err), 0, "a direction of the link",
                  mayfly_link_direction);
        link.it.down = NULL;
        SET(link.it);
        CHECK_SET(mayfly_link_set(container, "80", &link.it, &err), 0, "the link", mayfly_link);
        link.it.size = 4;
        check(mayfly_link_set(container, "80", &link.it, &err) == -EINVAL);
        clear_error();
        check(mayfly_link_set(container, "80", MAYFLY_LINK(.stopped = 1, .up = MAYFLY_LINK_DIRECTION(.cut_after = 1)),
                              &err) == 0);
        CHECK_GUARD(link);
}

static void live(struct mayfly_container *container)
{
        GUARDED(mayfly_limits) limits = { .it = MAYFLY_LIMITS_INIT };
        GUARDED(mayfly_stats) stats = { .it = MAYFLY_STATS_INIT };

        GUARD(limits);
        GUARD(stats);
        SET(stats.it);
        check(mayfly_container_stats(container, &stats.it, &err) == 0 && stats.it.state == MAYFLY_STATE_RUNNING);
        CHECK_ADDED_NULL(stats.it);
        CHECK_GUARD(stats);
        stats.it.size = 4;
        check(mayfly_container_stats(container, &stats.it, &err) == -EINVAL);
        clear_error();
        SET(limits.it);
        CHECK_SET(mayfly_container_set_limits(container, &limits.it, &err), 0, "the limits", mayfly_limits);
        limits.it.size = 4;
        check(mayfly_container_set_limits(container, &limits.it, &err) == -EINVAL);
        clear_error();
        CHECK_GUARD(limits);
}

/* Puts a file, looks at it and gets it. */
static void use_files(struct mayfly_container *container)
{
        GUARDED(mayfly_file) file = { .it = MAYFLY_FILE_INIT };
        GUARDED(mayfly_get_options) options = { .it = MAYFLY_GET_OPTIONS_INIT };
        struct mayfly_file_info *info = NULL, **list = NULL;
        char target[600];

        GUARD(file);
        GUARD(options);
        snprintf(target, sizeof(target), "%s/got", directory);
        file.it.path = "/cache/put";
        file.it.text = "text";
        check(mayfly_container_put(container, &file.it, &err) == 0);
        check(mayfly_container_get(container, "/cache/put", target, &options.it, &err) == 0);
        check(mayfly_container_stat(container, "/etc/conf", &info, &err) == 0 && info->bytes == 4);
        CHECK_MADE(info, mayfly_file_info);
        check(!mayfly_file_info_free(info));
        check(mayfly_container_list(container, "/cache", &list, &err) == 0 && list[0] && list[1] && !list[2]);
        CHECK_MADE(list[0], mayfly_file_info);
        check(!mayfly_file_list_free(list));
        CHECK_GUARD(file);
        CHECK_GUARD(options);
        SET(file.it);
        CHECK_SET(mayfly_container_put(container, &file.it, &err), 0, "the file", mayfly_file);
        SET(options.it);
        CHECK_SET(mayfly_container_get(container, "/cache/put", target, &options.it, &err), 0, "the options",
                  mayfly_get_options);
        check(remove(target) == 0);
}

/* Checks what a container fills, each with garbage in the field that the library may not know. */
static void ask(struct mayfly_container *container)
{
        GUARDED(mayfly_port) port = { .it = MAYFLY_PORT_INIT };
        GUARDED(mayfly_timings) timings = { .it = MAYFLY_TIMINGS_INIT };
        GUARDED(mayfly_address) address = { .it = MAYFLY_ADDRESS_INIT };

        GUARD(address);
        SET(address.it);
        check(mayfly_container_address(container, "5300/udp", &address.it, &err) == 0 && address.it.port > 0);
        CHECK_ADDED_NULL(address.it);
        CHECK_GUARD(address);
        address.it.size = 4;
        check(mayfly_container_address(container, "5300/udp", &address.it, &err) == -EINVAL);
        clear_error();
        GUARD(port);
        GUARD(timings);
        SET(port.it);
        SET(timings.it);
        check(mayfly_container_port(container, "dns", &port.it, &err) == 0 && port.it.port == 5300);
        check(mayfly_container_timings(container, &timings.it, &err) == 0 && timings.it.boot_us > 0);
        CHECK_ADDED_NULL(port.it);
        CHECK_ADDED_NULL(timings.it);
        CHECK_GUARD(port);
        CHECK_GUARD(timings);
        port.it.size = timings.it.size = 4;
        check(mayfly_container_port(container, "dns", &port.it, &err) == -EINVAL);
        clear_error();
        check(mayfly_container_timings(container, &timings.it, &err) == -EINVAL);
        clear_error();
        for (const struct mayfly_isolator *const *i = mayfly_container_isolators(container); *i; i++)
                CHECK_MADE(*i, mayfly_isolator);
}

static void run(struct mayfly_container *container)
{
        const char *const argv[] = { "/bin/sh", "-c", "echo hello; exit 3", NULL };
        GUARDED(mayfly_command) command = { .it = MAYFLY_COMMAND_INIT };
        struct mayfly_result *result = NULL;

        GUARD(command);
        command.it.argv = argv;
        check(mayfly_container_run(container, &command.it, &result, &err) == 0);
        CHECK_GUARD(command);
        CHECK_MADE(result, mayfly_result);
        CHECK_MADE(result->exit, mayfly_exit);
        check(result->exit->exited && result->exit->status == 3 && strcmp(result->out, "hello\n") == 0);
        check(!mayfly_result_free(result));
        result = NULL;
        SET(command.it);
        CHECK_SET(mayfly_container_run(container, &command.it, &result, &err), 0, "the command", mayfly_command);
        mayfly_result_free(result);
        command.it.size = 4;
        check(mayfly_container_run(container, &command.it, &result, &err) == -EINVAL);
        clear_error();
}

static int take_line(const struct mayfly_log_line *line, void *userdata)
{
        CHECK_MADE(line, mayfly_log_line);
        check(userdata == directory && strcmp(line->text, "the app") == 0);
        return 7;
}

static void read_log(struct mayfly_container *container)
{
        struct mayfly_log *log = NULL;

        check(mayfly_container_log_follow(container, NULL, 30000, take_line, directory, &err) == 7);
        check(mayfly_container_log_read(container, 0, &log, &err) == 0);
        CHECK_MADE(log, mayfly_log);
        check(log->n_lines == 1 && log->lines[0]->end == log->next);
        CHECK_MADE(log->lines[0], mayfly_log_line);
        check(!mayfly_log_free(log));
}

static void stop(struct mayfly_container *container)
{
        GUARDED(mayfly_stop_result) result = { .it = MAYFLY_STOP_RESULT_INIT };
        GUARDED(mayfly_exit) end = { .it = MAYFLY_EXIT_INIT };

        GUARD(result);
        GUARD(end);
        SET(result.it);
        SET(end.it);
        check(mayfly_container_stop(container, &err) == 0);
        check(mayfly_container_stop_result(container, &result.it, &err) == 0 && result.it.elapsed_us > 0);
        check(mayfly_container_wait(container, 0, &end.it, &err) == 0);
        CHECK_ADDED_NULL(result.it);
        CHECK_ADDED_NULL(end.it);
        CHECK_GUARD(result);
        CHECK_GUARD(end);
        end.it.size = 0;
        check(mayfly_container_wait(container, 0, &end.it, &err) == -EINVAL);
        clear_error();
}

static int on_ready(struct mayfly_container *container, void *userdata)
{
        check(container && userdata == directory);
        return 0;
}

static void use_container(const char *image)
{
        const char *const app[] = { "/bin/sh", "-c", "echo the app; exec sleep 1000", NULL };
        struct mayfly_container *container = NULL;
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_spec spec = MAYFLY_SPEC_INIT;

        options.progress = on_progress;
        options.progress_userdata = directory;
        spec.image = image;
        spec.image_options = &options;
        spec.entrypoint = app;
        spec.volumes = MAYFLY_VOLUMES({ .path = "/cache", .mode = 0700 }, MAYFLY_VOLUME(.path = "/more"));
        spec.publish = MAYFLY_PORTS({ .port = 5300, .protocol = "udp" }, MAYFLY_PUBLISH(.port = 80));
        spec.host_ports = MAYFLY_HOST_PORTS({ .port = 5300, .protocol = "udp" }, MAYFLY_HOST_PORT(.port = 80));
        spec.files =
                MAYFLY_FILES({ .path = "/etc/conf", .text = "conf" }, MAYFLY_FILE(.path = "/cache/x/y", .text = ""));
        spec.ulimits = MAYFLY_STRINGS("nofile=100:200");
        spec.labels = MAYFLY_STRINGS("a=b");
        spec.shm_size = 1 << 20;
        spec.hostname = "host";
        spec.on_ready = on_ready;
        spec.life_userdata = directory;
        /* Nothing listens on these ports, which are what is waited for without it. */
        spec.wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("the app"), MAYFLY_WAIT_LOG_TEXT("app"));
        check(mayfly_container_start(&container, &spec, &err) == 0);
        ask(container);
        use_files(container);
        fail_links(container);
        live(container);
        run(container);
        read_log(container);
        stop(container);
        check(!mayfly_container_free(container));
}

int main(int argc, char **argv)
{
        check(argc >= 3);
        library_is_grown = strcmp(argv[1], "grown") == 0;
        snprintf(directory, sizeof(directory), "%s", argv[2]);
        snprintf(store, sizeof(store), "%s/store", directory);
        if (argc > 3) {
                use_container(argv[3]);
                return 0;
        }
        use_errors();
        build_and_pin();
        open_image();
        inspect();
        list();
        verify();
        collect();
        trust();
        start_nothing();
        start_wrong();
        return 0;
}
