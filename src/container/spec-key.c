/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/spec-key.h"

#include <errno.h>
#include <mayfly/wait.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container/container.h"
#include "util/error.h"
#include "util/macro.h"

/* Which containers may be ahead of their time without anybody noticing, and which specs are the same. A new field of a public struct is to
 * be put into the key, or to be refused; selftest/unit/container/test-spec-key.c fails until that is decided. */

#define SPARES_MAX 16U

/* --- what cannot have a spare ----------------------------------------------------------------------------------- */

static int has_callback(const struct mayfly_wait *list)
{
        for (const struct mayfly_wait *wait = list ? list + 1 : NULL; wait && wait->size; wait++)
                if (wait->callback || has_callback(wait->all) || has_callback(wait->any))
                        return 1;
        return 0;
}

/* Why a container of the spec cannot be started before it is asked for, or NULL. */
static const char *fault_of(const struct mayfly_container *container)
{
        const struct mayfly_spec *spec = &container->spec;

        for (const struct mayfly_volume *volume = container->volumes; volume->size; volume++)
                if (volume->source || volume->tmpfs)
                        return volume->source ? "a volume with a source, which two containers would use at once"
                                              : "a volume with a tmpfs, which two containers would use at once";
        for (const struct mayfly_file *file = container->files; file->size; file++)
                if (file->source)
                        return "files with a source, which could change before the spare is used; use text or data";
        for (const struct mayfly_publish *publish = container->publish; publish->size; publish++)
                if (publish->host_port)
                        return "publish with a host_port, which only one container can have";
        if (container->host_ports[0].size)
                return "host_ports, so that the spare would connect to a test that it is not for";
        if (spec->networks && spec->networks[0])
                return "networks, whose members would see the spare";
        if (spec->network == MAYFLY_NETWORK_HOST)
                return "MAYFLY_NETWORK_HOST, where two containers would listen on the same ports";
        if (has_callback(spec->wait))
                return "a wait with a callback, which would be called while another test runs";
        if (spec->before_start || spec->on_ready || spec->before_stop)
                return "before_start, on_ready or before_stop, which would be called while another test runs";
        return spec->after ? "after, and mayfly_containers_start() uses no spares" : NULL;
}

int mf_spec_check_spare(const struct mayfly_container *container, struct mayfly_error *err)
{
        if (container->spec.spare > SPARES_MAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "spare is %u; a spec can have up to %u spares",
                                container->spec.spare, SPARES_MAX);
        const char *fault = container->spec.spare ? fault_of(container) : NULL;
        return fault ? mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the spec has both spare and %s; remove one of them",
                                fault)
                     : 0;
}

/* --- what makes them the same ----------------------------------------------------------------------------------- */

struct key {
        struct mf_buffer *buffer;
        int result;
};

static void add(struct key *key, const void *data, size_t size)
{
        if (key->result == 0)
                key->result = mf_buffer_add(key->buffer, data, size);
}

#define ADD(key, field) add(key, &(field), sizeof(field))

/* With the NUL at its end, and a byte before it that tells an empty string from none. */
static void add_text(struct key *key, const char *text)
{
        add(key, text ? "t" : "n", 1);
        if (text)
                add(key, text, strlen(text) + 1);
}

static void add_texts(struct key *key, const char *const *texts)
{
        add(key, texts ? "l" : "n", 1);
        for (; texts && *texts; texts++)
                add_text(key, *texts);
        add(key, "e", 1);
}

static void add_waits(struct key *key, const struct mayfly_wait *list)
{
        add(key, list ? "w" : "n", 1);
        for (const struct mayfly_wait *wait = list ? list + 1 : NULL; wait && wait->size; wait++) {
                const char *const texts[] = { wait->log,           wait->log_text,  wait->port,
                                              wait->unix_socket,   wait->http,      wait->https,
                                              wait->http_status,   wait->http_body, wait->http_user,
                                              wait->http_password, wait->http_host, wait->http_ca_file,
                                              wait->file };
                for (size_t i = 0; i < MF_ELEMENTSOF(texts); i++)
                        add_text(key, texts[i]);
                add_texts(key, wait->http_headers);
                add_texts(key, wait->command);
                ADD(key, wait->timeout_ms);
                ADD(key, wait->log_count);
                ADD(key, wait->log_stream);
                ADD(key, wait->log_from);
                ADD(key, wait->http_insecure);
                ADD(key, wait->notify);
                ADD(key, wait->exit);
                ADD(key, wait->exit_status);
                ADD(key, wait->healthy);
                add_waits(key, wait->all);
                add_waits(key, wait->any);
        }
        add(key, "e", 1);
}

static void add_volumes(struct key *key, const struct mayfly_volume *volume)
{
        for (; volume->size; volume++) {
                add_text(key, volume->name);
                add_text(key, volume->path);
                ADD(key, volume->read_only);
                ADD(key, volume->mode);
                ADD(key, volume->uid);
                ADD(key, volume->gid);
        }
        add(key, "e", 1);
}

static void add_ports(struct key *key, const struct mayfly_publish *publish)
{
        for (; publish->size; publish++) {
                add_text(key, publish->name);
                add_text(key, publish->protocol);
                add_text(key, publish->path);
                ADD(key, publish->port);
                ADD(key, publish->activate);
        }
        add(key, "e", 1);
}

static void add_files(struct key *key, const struct mayfly_file *file)
{
        for (; file->size; file++) {
                add_text(key, file->path);
                add_text(key, file->text);
                ADD(key, file->data_size);
                if (file->data)
                        add(key, file->data, file->data_size);
                ADD(key, file->mode);
                ADD(key, file->uid);
                ADD(key, file->gid);
                ADD(key, file->keep_owners);
        }
        add(key, "e", 1);
}

/* Progress is reported of no spare. */
static void add_image_options(struct key *key, const struct mayfly_image_options *options)
{
        add_text(key, options->store);
        add_text(key, options->ca_file);
        add_text(key, options->mirrors);
        add_text(key, options->trusted_keys);
        ADD(key, options->allow_http);
        ADD(key, options->retries);
        ADD(key, options->stall_timeout_ms);
        ADD(key, options->connect_timeout_ms);
        ADD(key, options->max_unpacked);
        ADD(key, options->max_entries);
        ADD(key, options->signatures);
        ADD(key, options->store_max_bytes);
        ADD(key, options->store_max_age_s);
        ADD(key, options->fetch);
}

/* What else a start heeds, and a program may change between two tests. */
static void add_surroundings(struct key *key)
{
        static const char *const names[] = { "MAYFLY_ENGINE",     "MAYFLY_FETCH", "MAYFLY_LIBEXEC",
                                             "MAYFLY_SIGNATURES", "MAYFLY_STORE", "MAYFLY_TRUSTED_KEYS" };
        const uid_t uid = geteuid();
        const gid_t gid = getegid();

        for (size_t i = 0; i < MF_ELEMENTSOF(names); i++)
                add_text(key, secure_getenv(names[i]));
        ADD(key, uid);
        ADD(key, gid);
}

static void add_numbers(struct key *key, const struct mayfly_spec *spec)
{
        ADD(key, spec->idle);
        ADD(key, spec->engine);
        ADD(key, spec->network);
        ADD(key, spec->stop_signal);
        ADD(key, spec->stop_timeout_ms);
        ADD(key, spec->start_timeout_ms);
        ADD(key, spec->max_runtime_s);
        ADD(key, spec->scratch_size);
        ADD(key, spec->log_size);
        ADD(key, spec->memory_max);
        ADD(key, spec->tasks_max);
        ADD(key, spec->strict_isolators);
        ADD(key, spec->userns);
        ADD(key, spec->userns_ids);
        ADD(key, spec->separate_streams);
        ADD(key, spec->command_timeout_ms);
        ADD(key, spec->keep_uid);
        ADD(key, spec->keep_gid);
        ADD(key, spec->shm_size);
        ADD(key, spec->read_only);
        ADD(key, spec->keep_files);
        ADD(key, spec->boot);
        ADD(key, spec->snapshot); /* a spare holds it, so that no other gets the same address */
}

int mf_spec_key(const struct mayfly_container *container, struct mf_buffer *ret)
{
        const struct mayfly_spec *spec = &container->spec;
        const char *const texts[] = {
                spec->image, spec->name, spec->user, spec->cwd, spec->metadata_url, spec->hostname
        };
        const char *const *const lists[] = { spec->entrypoint,   spec->argv,    spec->env,
                                             spec->capabilities, spec->ulimits, spec->sysctls,
                                             spec->extra_hosts,  spec->devices, spec->labels };
        struct key key = { .buffer = ret };

        for (size_t i = 0; i < MF_ELEMENTSOF(texts); i++)
                add_text(&key, texts[i]);
        for (size_t i = 0; i < MF_ELEMENTSOF(lists); i++)
                add_texts(&key, lists[i]);
        add_numbers(&key, spec);
        add_volumes(&key, container->volumes);
        add_ports(&key, container->publish);
        add_files(&key, container->files);
        add_waits(&key, spec->wait);
        add_image_options(&key, &container->image_options);
        add_surroundings(&key);
        return key.result;
}
