/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli/declaration-keys.h"
#include "cli/run.h"
#include "util/error.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/strv.h"

#define REFERENCE_MAX 65536U

/* A container while it is read: words that the spec has in another form are kept until all are there. */
struct reading {
        struct declared declared;
        const char *image_file;
        const char *const *publish, *const *host_ports, *const *volumes, *const *tmpfs, *const *capabilities,
                                                                                                *const *after;
};

#define FIELD(name_, take_, field)                                                  \
        {                                                                           \
                .name = name_, .take = take_, .at = offsetof(struct reading, field) \
        }
#define SPEC(name_, take_, field) FIELD(name_, take_, declared.spec.field)

static int take_engine(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        return reader_word(reader, place, value, run_engines, MAYFLY_ENGINE_SYSTEMD, to);
}

static int take_network_mode(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        return reader_word(reader, place, value, run_network_modes, MAYFLY_NETWORK_PRIVATE, to);
}

static int take_userns(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        return reader_word(reader, place, value, run_namespaces, MAYFLY_USERNS_PRIVATE, to);
}

/* One name, or a list of them. */
static int take_after(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        const char **list;

        if (!json_is_string(value))
                return reader_texts(reader, place, value, to);
        list = reader_memory(reader, 2, sizeof(*list));
        *(const char *const **) to = list;
        return reader_text(reader, place, value, &list[0]);
}

#define FILE_FIELD(name_, take_, field)                                                 \
        {                                                                               \
                .name = name_, .take = take_, .at = offsetof(struct mayfly_file, field) \
        }

static int take_file(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        static const struct reader_key keys[] = {
                { .name = "path", .take = reader_text, .at = offsetof(struct mayfly_file, path), .is_required = 1 },
                FILE_FIELD("text", reader_content, text),
                FILE_FIELD("source", reader_path, source),
                FILE_FIELD("mode", reader_mode, mode),
                FILE_FIELD("uid", reader_id, uid),
                FILE_FIELD("gid", reader_id, gid),
                { .name = NULL },
        };
        const struct mayfly_file *file = to;

        int r = reader_object(reader, place, value, keys, to);
        if (r == 0 && !file->text == !file->source)
                return reader_bad(reader, place, "it has %s of \"text\" and \"source\"; give one of them",
                                  file->text ? "both" : "none");
        return r;
}

static int take_files(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        return reader_array(reader, place, value, take_file, sizeof(struct mayfly_file), to);
}

static const struct reader_key keys[] = {
        SPEC("image", reader_text, image),
        FIELD("image_file", reader_path, image_file),
        SPEC("argv", reader_texts, argv),
        SPEC("entrypoint", reader_texts, entrypoint),
        SPEC("env", reader_env, env),
        SPEC("user", reader_text, user),
        SPEC("cwd", reader_text, cwd),
        FIELD("publish", reader_texts, publish),
        FIELD("host_ports", reader_texts, host_ports),
        FIELD("volumes", reader_texts, volumes),
        FIELD("tmpfs", reader_texts, tmpfs),
        FIELD("networks", reader_texts, declared.networks),
        SPEC("aliases", reader_texts, aliases),
        FIELD("after", take_after, after),
        SPEC("wait", declaration_take_wait, wait),
        SPEC("wait_timeout", reader_duration, start_timeout_ms),
        SPEC("files", take_files, files),
        SPEC("labels", reader_pairs, labels),
        SPEC("memory", reader_bytes, memory_max),
        SPEC("pids_limit", reader_number, tasks_max),
        SPEC("read_only", reader_flag, read_only),
        SPEC("hostname", reader_text, hostname),
        SPEC("shm_size", reader_bytes, shm_size),
        SPEC("scratch_size", reader_bytes, scratch_size),
        SPEC("log_size", reader_bytes, log_size),
        SPEC("ulimits", reader_texts, ulimits),
        SPEC("sysctls", reader_texts, sysctls),
        SPEC("devices", reader_texts, devices),
        SPEC("extra_hosts", reader_texts, extra_hosts),
        FIELD("capabilities", reader_texts, capabilities),
        SPEC("boot", reader_flag, boot),
        SPEC("idle", reader_flag, idle),
        SPEC("engine", take_engine, engine),
        SPEC("network", take_network_mode, network),
        SPEC("userns", take_userns, userns),
        SPEC("stop_signal", reader_signal, stop_signal),
        SPEC("stop_timeout", reader_duration, stop_timeout_ms),
        SPEC("command_timeout", reader_duration, command_timeout_ms),
        SPEC("separate_streams", reader_flag, separate_streams),
        SPEC("strict_isolators", reader_flag, strict_isolators),
        SPEC("metadata_url", reader_text, metadata_url),
        FIELD("snapshot_after", reader_texts, declared.snapshot_after),
        { .name = NULL },
};

static const char *join(const struct reader *reader, const char *const *names)
{
        size_t size = 1;

        for (size_t i = 0; names && names[i]; i++)
                size += strlen(names[i]) + 1;
        if (size == 1)
                return NULL;
        char *all = reader_memory(reader, size, 1), *end = all;
        for (size_t i = 0; names[i]; i++)
                end += sprintf(end, "%s%s", i ? "," : "", names[i]);
        return all;
}

/* Reads the reference that stands in a file, such as one that a build has made. */
static int read_image_file(const struct reader *reader, const struct place *place, struct reading *reading)
{
        const struct place key = { .above = place, .name = "image_file" };
        mf_cleanup(mf_freep) char *text = NULL;
        size_t size;

        int r = mf_read_file_at(AT_FDCWD, reading->image_file, REFERENCE_MAX, &text, &size);
        if (r < 0)
                return reader_bad(reader, &key, "%s: %s; build the image", reading->image_file, strerrordesc_np(-r));
        text[strcspn(text, "\n")] = '\0';
        reading->declared.spec.image = mf_arena_string(reader->memory, text);
        return 0;
}

static int take_image(const struct reader *reader, const struct place *place, struct reading *reading)
{
        const char *image = reading->declared.spec.image;

        if (!image == !reading->image_file)
                return reader_bad(reader, place, "it has %s of \"image\" and \"image_file\"; give one of them",
                                  image ? "both" : "none");
        return image ? 0 : read_image_file(reader, place, reading);
}

/* Puts what was kept into the spec. */
static int finish(const struct reader *reader, const struct place *place, struct reading *reading)
{
        struct mayfly_spec *spec = &reading->declared.spec;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct place key = { .above = place };

        if (run_take_ports(reader->memory, reading->publish, &spec->publish, &err) < 0)
                key.name = "publish";
        else if (run_take_host_ports(reader->memory, reading->host_ports, &spec->host_ports, &err) < 0)
                key.name = "host_ports";
        else if (run_take_volumes(reader->memory, reader->directory, reading->volumes, reading->tmpfs, &spec->volumes,
                                  &err) < 0)
                key.name = "volumes";
        if (key.name)
                return reader_bad(reader, &key, "%s", err.message);
        for (size_t i = 0; reading->after && reading->after[i]; i++) {
                const struct place after = { .above = place, .name = "after" };
                if (strchr(reading->after[i], ','))
                        return reader_bad(reader, &after,
                                          "\"%s\" is no name of a container; write each name in quotes "
                                          "of its own",
                                          reading->after[i]);
        }
        run_take_capabilities(reader->memory, reading->capabilities, &spec->capabilities);
        spec->after = join(reader, reading->after);
        return 0;
}

int declaration_take_container(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        struct declared *declared = to;
        struct reading reading = { .declared = { .name = declared->name, .spec = MAYFLY_SPEC_INIT } };

        reading.declared.spec.name = declared->name;
        reading.declared.spec.max_runtime_s = UINT32_MAX; /* the keeper ends it */
        int r = reader_object(reader, place, value, keys, &reading);
        if (r == 0)
                r = take_image(reader, place, &reading);
        if (r == 0)
                r = finish(reader, place, &reading);
        if (r == 0)
                *declared = reading.declared;
        return r;
}
