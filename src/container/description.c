/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/description.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/container.h"
#include "image/open.h"
#include "protocol/pack.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/strv.h"

#define SIZE_MAX_OF_DESCRIPTION (16L << 20)
#define LINKS_MAX 65536U

static const struct mf_field container_fields[] = {
        MF_FIELD(struct mayfly_container, owner),       MF_FIELD(struct mayfly_container, is_given),
        MF_FIELD(struct mayfly_container, ids.base),    MF_FIELD(struct mayfly_container, ids.size),
        MF_FIELD(struct mayfly_container, log_begin),   MF_FIELD(struct mayfly_container, reports.expects_app),
        MF_FIELD(struct mayfly_container, with_notify), MF_FIELD(struct mayfly_container, reports.expects_notify),
        MF_FIELD(struct mayfly_container, granted),
};
static const struct mf_field spec_fields[] = {
        MF_FIELD(struct mayfly_spec, idle),
        MF_FIELD(struct mayfly_spec, network),
        MF_FIELD(struct mayfly_spec, stop_signal),
        MF_FIELD(struct mayfly_spec, stop_timeout_ms),
        MF_FIELD(struct mayfly_spec, start_timeout_ms),
        MF_FIELD(struct mayfly_spec, command_timeout_ms),
};
/* Who the app is, and where it runs. */
static const struct mf_field app_fields[] = {
        MF_FIELD(struct mf_image_config, user),
        MF_FIELD(struct mf_image_config, group),
        MF_FIELD(struct mf_image_config, cwd),
        MF_FIELD(struct mf_image_config, only_groups),
        MF_FIELD(struct mf_image_config, isolation.has_capabilities),
        MF_FIELD(struct mf_image_config, isolation.capabilities),
        MF_FIELD(struct mf_image_config, isolation.no_new_privs),
};
static const struct mf_field log_fields[] = {
        MF_FIELD(struct mf_log, capacity),
        MF_FIELD(struct mf_log, n_entries),
        MF_FIELD(struct mf_log, separate),
};
static const struct mf_field port_fields[] = {
        MF_FIELD(struct mf_port, name),  MF_FIELD(struct mf_port, protocol),         MF_FIELD(struct mf_port, port),
        MF_FIELD(struct mf_port, count), MF_FIELD(struct mf_port, socket_activated),
};
static const struct mf_field link_fields[] = {
        MF_FIELD(struct mf_link, link),
        MF_FIELD(struct mf_link, is_host_port),
        MF_FIELD(struct mf_link, is_activated),
        MF_FIELD(struct mf_link, inside.kind),
        MF_FIELD(struct mf_link, inside.port),
        MF_FIELD(struct mf_link, inside.path),
        MF_FIELD(struct mf_link, name),
        MF_FIELD(struct mf_link, sockaddr.sin_family),
        MF_FIELD(struct mf_link, sockaddr.sin_port),
        MF_FIELD(struct mf_link, sockaddr.sin_addr.s_addr),
};

#define FIELDS(list) (&(const struct mf_fields){ list, MF_ELEMENTSOF(list) })

/* --- writing ---------------------------------------------------------------------------------------------------- */

static void pack_image(struct mf_pack *pack, const struct mayfly_image *image)
{
        const struct mf_image_config *config = image->config;

        mf_pack_string(pack, image->id);
        mf_pack_string(pack, config->name);
        mf_pack_strings(pack, (const char *const *) config->labels);
        mf_pack_strings(pack, (const char *const *) config->post_stop);
        mf_pack_number(pack, config->n_ports);
        for (size_t i = 0; i < config->n_ports; i++)
                mf_pack_fields(pack, FIELDS(port_fields), &config->ports[i]);
}

/* What commands as the app need. The spec's user and directory are the app's. */
static void pack_app(struct mf_pack *pack, const struct mayfly_spec *spec, const struct mf_image_config *config)
{
        mf_cleanup(mf_freep) char *user = spec->user ? mf_user_name(spec->user) : NULL;
        struct mf_image_config app = *config;

        if (spec->user) {
                app.user = user ? user : (char *) (uintptr_t) spec->user; /* one that is not found */
                app.group = (char *) (uintptr_t) mf_user_group(spec->user);
                app.only_groups = 0;
                app.n_extra_groups = 0;
        }
        if (spec->cwd)
                app.cwd = (char *) (uintptr_t) spec->cwd;
        mf_pack_fields(pack, FIELDS(app_fields), &app);
        mf_pack_number(pack, app.n_extra_groups);
        for (size_t i = 0; i < app.n_extra_groups; i++)
                mf_pack_number(pack, app.extra_groups[i]);
        mf_pack_strings(pack, (const char *const *) app.entrypoint);
        mf_pack_strings(pack, (const char *const *) app.argv);
}

static void pack_links(struct mf_pack *pack, const struct mf_links *links)
{
        mf_pack_number(pack, links->n);
        for (size_t i = 0; i < links->n; i++) {
                mf_pack_fields(pack, FIELDS(link_fields), links->list[i]);
                mf_pack_string(pack, links->list[i]->text);
                mf_pack_string(pack, links->list[i]->host);
        }
}

int mf_description_write(const struct mayfly_container *container, int *ret)
{
        mf_cleanup(mf_closep) int fd = memfd_create("mayfly-description", MFD_CLOEXEC);
        mf_cleanup(mf_pack_clear) struct mf_pack pack = { 0 };

        if (fd < 0)
                return -errno;
        mf_pack_string(&pack, container->machine);
        mf_pack_number(&pack, container->engine_type->id);
        mf_pack_fields(&pack, FIELDS(container_fields), container);
        mf_pack_fields(&pack, FIELDS(spec_fields), &container->spec);
        mf_pack_fields(&pack, FIELDS(log_fields), &container->log);
        mf_pack_strings(&pack, (const char *const *) container->env);
        pack_image(&pack, container->image);
        pack_app(&pack, &container->spec, container->image->config);
        pack_links(&pack, &container->links);
        if (pack.failed)
                return -ENOMEM;
        int r = mf_write_full(fd, pack.bytes.data, pack.bytes.size);
        if (r == 0)
                *ret = mf_take_fd(&fd);
        return r;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

/* Copies the strings among the fields, which are in the block so far. Returns 0 or -ENOMEM. */
static int own_strings(const struct mf_fields *fields, void *object)
{
        int r = 0;

        for (size_t i = 0; i < fields->n; i++) {
                char **string = (char **) (void *) ((char *) object + fields->field[i].offset);
                if (!fields->field[i].is_string || !*string)
                        continue;
                *string = strdup(*string); /* or NULL, so that the block's is freed by nobody */
                if (!*string)
                        r = -ENOMEM;
        }
        return r;
}

/* Reads a list, allocated with its strings. Returns 0 or -ENOMEM. */
static int unpack_list(struct mf_unpack *unpack, char ***ret)
{
        mf_cleanup(mf_freep) const char **strings = mf_unpack_strings(unpack);
        size_t n = mf_strv_length(strings);
        char **list = calloc(n + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        *ret = list;
        for (size_t i = 0; i < n; i++)
                if (!(list[i] = strdup(strings[i])))
                        return -ENOMEM;
        return 0;
}

static int unpack_ports(struct mf_unpack *unpack, struct mf_image_config *config)
{
        uint64_t n = mf_unpack_number(unpack);
        int r = 0;

        if (n > LINKS_MAX)
                return -EPROTO;
        config->ports = calloc((size_t) n + 1, sizeof(*config->ports));
        if (!config->ports)
                return -ENOMEM;
        for (; r == 0 && config->n_ports < n; config->n_ports++) {
                mf_unpack_fields(unpack, FIELDS(port_fields), &config->ports[config->n_ports]);
                r = own_strings(FIELDS(port_fields), &config->ports[config->n_ports]);
        }
        return r;
}

/* Reads a list that is NULL when it has nothing. Returns 0 or -ENOMEM. */
static int unpack_words(struct mf_unpack *unpack, char ***ret)
{
        int r = unpack_list(unpack, ret);

        if (r == 0 && !(*ret)[0]) {
                free((void *) *ret);
                *ret = NULL;
        }
        return r;
}

static int unpack_image(struct mf_unpack *unpack, struct mayfly_image *image)
{
        const char *id = mf_unpack_string(unpack), *name = mf_unpack_string(unpack);

        image->id = strdup(id ? id : "");
        image->config->name = strdup(name ? name : "");
        int r = image->id && image->config->name ? 0 : -ENOMEM;
        if (r == 0)
                r = unpack_list(unpack, &image->config->labels);
        if (r == 0)
                r = unpack_words(unpack, &image->config->post_stop);
        return r == 0 ? unpack_ports(unpack, image->config) : r;
}

static int unpack_app(struct mf_unpack *unpack, struct mf_image_config *config)
{
        mf_unpack_fields(unpack, FIELDS(app_fields), config);
        int r = own_strings(FIELDS(app_fields), config);
        const uint64_t n = mf_unpack_number(unpack);
        if (n > LINKS_MAX)
                return -EPROTO;
        config->extra_groups = calloc((size_t) n + 1, sizeof(*config->extra_groups));
        if (!config->extra_groups)
                return -ENOMEM;
        while (config->n_extra_groups < n)
                config->extra_groups[config->n_extra_groups++] = (uint32_t) mf_unpack_number(unpack);
        if (r == 0)
                r = unpack_words(unpack, &config->entrypoint);
        return r == 0 ? unpack_words(unpack, &config->argv) : r;
}

static int unpack_link(struct mf_unpack *unpack, struct mf_link *link)
{
        link->reserve = -1;
        mf_unpack_fields(unpack, FIELDS(link_fields), link);
        int r = own_strings(FIELDS(link_fields), link);
        const char *text = mf_unpack_string(unpack), *host = mf_unpack_string(unpack);
        snprintf(link->text, sizeof(link->text), "%s", text ? text : "");
        snprintf(link->host, sizeof(link->host), "%s", host ? host : "");
        return r;
}

static int unpack_links(struct mf_unpack *unpack, struct mf_links *links)
{
        uint64_t n = mf_unpack_number(unpack);
        int r = 0;

        if (n > LINKS_MAX)
                return -EPROTO;
        links->list = calloc((size_t) n + 1, sizeof(struct mf_link *));
        while (links->list && r == 0 && links->n < n) {
                struct mf_link *link = calloc(1, sizeof(*link));
                if (!link)
                        return -ENOMEM;
                links->list[links->n++] = link;
                r = unpack_link(unpack, link);
        }
        return links->list ? r : -ENOMEM;
}

static int unpack(struct mayfly_container *container, struct mf_unpack *unpack, int *log)
{
        const char *machine = mf_unpack_string(unpack);
        struct mf_log shape = MF_LOG_NONE;

        snprintf(container->machine, sizeof(container->machine), "%s", machine ? machine : "");
        container->engine_type =
                mf_unpack_number(unpack) == MAYFLY_ENGINE_SYSTEMD ? &mf_engine_systemd : &mf_engine_direct;
        mf_unpack_fields(unpack, FIELDS(container_fields), container);
        mf_unpack_fields(unpack, FIELDS(spec_fields), &container->spec);
        mf_unpack_fields(unpack, FIELDS(log_fields), &shape);
        int r = unpack->failed ? -EPROTO : mf_log_attach(&container->log, mf_take_fd(log), &shape);
        if (r == 0)
                r = unpack_list(unpack, &container->env);
        if (r == 0)
                r = unpack_image(unpack, container->image);
        if (r == 0)
                r = unpack_app(unpack, container->image->config);
        if (r == 0)
                r = unpack_links(unpack, &container->links);
        return r == 0 && unpack->failed ? -EPROTO : r;
}

int mf_description_read(struct mayfly_container *container, int memfd, int *log)
{
        mf_cleanup(mf_freep) char *block = NULL;
        struct stat st;

        if (fstat(memfd, &st) < 0)
                return -errno;
        if (st.st_size > SIZE_MAX_OF_DESCRIPTION)
                return -EPROTO;
        block = malloc((size_t) st.st_size + 1);
        if (!block)
                return -ENOMEM;
        ssize_t n = pread(memfd, block, (size_t) st.st_size, 0); /* others read it, too */
        if (n != st.st_size)
                return n < 0 ? -errno : -EPROTO;
        struct mf_unpack reader = { .at = block, .left = (size_t) n };
        return unpack(container, &reader, log);
}
