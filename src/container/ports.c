/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/container.h"
#include "image/open.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/options.h"
#include "util/strv.h"

#define PORT_MAX 65535UL

void mf_link_clear(struct mf_link *link)
{
        for (size_t i = 0; i < link->n_fds; i++)
                mf_close(link->fds[i]);
        mf_close(link->reserve);
        free((char *) (uintptr_t) link->inside.path);
        free(link->name);
}

void mf_links_clear(struct mf_links *links)
{
        for (size_t i = 0; i < links->n; i++) {
                mf_link_clear(links->list[i]);
                free(links->list[i]);
        }
        free((void *) links->list);
        *links = (struct mf_links){ 0 };
}

const char *mf_port_show(const struct mf_port_name *name, char *ret, size_t size)
{
        if (name->kind == MF_FORWARD_UNIX)
                snprintf(ret, size, "unix:%s", name->path);
        else
                snprintf(ret, size, "%u/%s", name->port, name->kind == MF_FORWARD_UDP ? "udp" : "tcp");
        return ret;
}

/* --- how a port is named ---------------------------------------------------------------------------------------- */

static const struct mf_port *image_port(const struct mayfly_container *container, const char *name)
{
        const struct mf_image_config *config = container->image->config;

        for (size_t i = 0; i < config->n_ports; i++)
                if (strcmp(config->ports[i].name, name) == 0)
                        return &config->ports[i];
        return NULL;
}

/* Finds the protocol, which the name of a port has. Returns 0, or -EPROTONOSUPPORT. */
static int parse_protocol(const char *protocol, enum mf_forward_kind *ret)
{
        if (strcmp(protocol, "tcp") == 0)
                *ret = MF_FORWARD_TCP;
        else if (strcmp(protocol, "udp") == 0)
                *ret = MF_FORWARD_UDP;
        else
                return -EPROTONOSUPPORT;
        return 0;
}

static void list_add(char *list, size_t size, const char *name)
{
        size_t used = strlen(list);

        if (used < size)
                snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "", name);
}

/* Writes the names of ports that there are. */
static void list_names(const struct mayfly_container *container, char *image, char *published, size_t size)
{
        const struct mf_image_config *config = container->image->config;
        char text[160];

        image[0] = published[0] = '\0';
        for (size_t i = 0; i < config->n_ports; i++)
                list_add(image, size, config->ports[i].name);
        for (size_t i = 0; i < container->links.n; i++) {
                const struct mf_link *link = container->links.list[i];
                if (!link->is_host_port)
                        list_add(published, size,
                                 link->name ? link->name : mf_port_show(&link->inside, text, sizeof(text)));
        }
}

static int no_such_port(const struct mayfly_container *container, const char *text, struct mayfly_error *err)
{
        char image[300], published[300];

        list_names(container, image, published, sizeof(image));
        return mf_error(err, -ENOENT, MAYFLY_STAGE_NETWORK,
                        "container %s has no port \"%.100s\"; give a number such as \"6379/tcp\", \"unix:/PATH\", or a "
                        "name: image %s names %s%s, the spec publishes %s%s",
                        container->machine, text, container->image->config->name, *image ? "" : "none", image,
                        *published ? "" : "none", published);
}

/* "6379", "6379/tcp", "53/udp" */
static int parse_number(const struct mayfly_container *container, const char *text, struct mf_port_name *ret,
                        struct mayfly_error *err)
{
        char *end = NULL;
        unsigned long number = strtoul(text, &end, 10);

        if (text[0] < '0' || text[0] > '9' || (*end && *end != '/'))
                return no_such_port(container, text, err);
        if (number == 0 || number > PORT_MAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_NETWORK,
                                "the port \"%.100s\" has a number that is not between 1 and %lu", text, PORT_MAX);
        *ret = (struct mf_port_name){ .kind = MF_FORWARD_TCP, .port = (unsigned) number };
        if (*end && parse_protocol(end + 1, &ret->kind) < 0)
                return mf_error(err, -EPROTONOSUPPORT, MAYFLY_STAGE_NETWORK,
                                "the port \"%.100s\" has the protocol \"%.60s\"; mayfly knows tcp and udp", text,
                                end + 1);
        return 0;
}

int mf_port_parse(const struct mayfly_container *container, const char *text, struct mf_port_name *ret,
                  struct mayfly_error *err)
{
        if (!text || !*text)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_NETWORK,
                                "the port is %s; give one such as \"6379/tcp\", \"unix:/PATH\", or a name",
                                text ? "empty" : "NULL");
        if (strncmp(text, "unix:", 5) == 0) {
                if (text[5] != '/' || strlen(text + 5) >= MF_FORWARD_PATH_MAX)
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_NETWORK,
                                        "\"%.200s\" names no Unix socket; write \"unix:\" and an absolute path", text);
                *ret = (struct mf_port_name){ .kind = MF_FORWARD_UNIX, .path = text + 5 };
                return 0;
        }
        for (size_t i = 0; i < container->links.n; i++) {
                const struct mf_link *link = container->links.list[i];
                if (link->name && !link->is_host_port && strcmp(link->name, text) == 0) {
                        *ret = link->inside;
                        return 0;
                }
        }
        const struct mf_port *port = image_port(container, text);
        if (!port)
                return parse_number(container, text, ret, err);
        *ret = (struct mf_port_name){ .port = port->port };
        if (parse_protocol(port->protocol, &ret->kind) == 0)
                return 0;
        return mf_error(err, -EPROTONOSUPPORT, MAYFLY_STAGE_NETWORK,
                        "the port \"%s\" of image %s has the protocol \"%.60s\"; mayfly knows tcp and udp", port->name,
                        container->image->config->name, port->protocol);
}

int mf_port_is_same(const struct mf_port_name *a, const struct mf_port_name *b)
{
        if (a->kind != b->kind)
                return 0;
        return a->kind == MF_FORWARD_UNIX ? strcmp(a->path, b->path) == 0 : a->port == b->port;
}

const struct mf_link *mf_link_activated(const struct mayfly_container *container, const struct mf_port_name *name)
{
        for (size_t i = 0; i < container->links.n; i++)
                if (container->links.list[i]->is_activated && mf_port_is_same(&container->links.list[i]->inside, name))
                        return container->links.list[i];
        return NULL;
}

const struct mf_link *mf_link_find(const struct mayfly_container *container, const char *text, int *ret_code,
                                   struct mayfly_error *err)
{
        int is_host_port = text && strncmp(text, "host:", 5) == 0;
        char image[300], published[300], shown[200];
        struct mf_port_name name;

        *ret_code = mf_port_parse(container, is_host_port ? text + 5 : text, &name, err);
        if (*ret_code < 0)
                return NULL;
        for (size_t i = 0; i < container->links.n; i++) {
                const struct mf_link *link = container->links.list[i];
                if (link->is_host_port == is_host_port && mf_port_is_same(&link->inside, &name))
                        return link;
        }
        mf_port_show(&name, shown, sizeof(shown));
        if (is_host_port) {
                *ret_code =
                        mf_error(err, -ENOENT, MAYFLY_STAGE_NETWORK,
                                 "the port %s of the host is not open to container %s; add it to the spec's host_ports",
                                 shown, container->machine);
                return NULL;
        }
        list_names(container, image, published, sizeof(image));
        *ret_code = mf_error(err, -ENOENT, MAYFLY_STAGE_NETWORK,
                             "the port %s of container %s is not published; add it to the spec's publish, or call "
                             "mayfly_container_publish(). Published: %s%s",
                             shown, container->machine, *published ? "" : "none", published);
        return NULL;
}

/* --- public ----------------------------------------------------------------------------------------------------- */

MF_EXPORT int mayfly_container_address(const struct mayfly_container *container, const char *port,
                                       struct mayfly_address *ret, struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the address to fill", "MAYFLY_ADDRESS_INIT", struct mayfly_address, sockaddr_size);
        int code;

        if (!container || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_address() needs a container and a place for its result");
        int r = mf_result_check(ret, &kind, err);
        if (r < 0)
                return r;
        const struct mf_link *link = mf_link_find(container, port, &code, err);
        if (!link)
                return code;
        const struct mayfly_address all = { .text = link->text,
                                            .host = link->host,
                                            .port = ntohs(link->sockaddr.sin_port),
                                            .sockaddr = (const struct sockaddr *) &link->sockaddr,
                                            .sockaddr_size = sizeof(link->sockaddr) };
        mf_result_give(ret, &all, &kind);
        return 0;
}

MF_EXPORT int mayfly_container_port(const struct mayfly_container *container, const char *name, struct mayfly_port *ret,
                                    struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the port to fill", "MAYFLY_PORT_INIT", struct mayfly_port, socket_activated);
        char known[300], published[300];

        if (!container || !name || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_port() needs a container, a name and a place for its result");
        int r = mf_result_check(ret, &kind, err);
        if (r < 0)
                return r;
        const struct mf_port *port = image_port(container, name);
        if (port) {
                const struct mayfly_port all = { .name = port->name,
                                                 .protocol = port->protocol,
                                                 .port = port->port,
                                                 .count = port->count,
                                                 .socket_activated = port->socket_activated };
                mf_result_give(ret, &all, &kind);
                return 0;
        }
        list_names(container, known, published, sizeof(known));
        return mf_error(err, -ENOENT, MAYFLY_STAGE_SPEC, "image %s has no port \"%.100s\"; it has %s%s",
                        container->image->config->name, name, *known ? "only these: " : "none", known);
}

/* --- what an app must announce ---------------------------------------------------------------------------------- */

#define PREFIX "{mayfly:"

/* Appends what stands for the text between PREFIX and "}". */
static int expand_one(const struct mayfly_container *container, const char *text, struct mf_buffer *ret,
                      struct mayfly_error *err)
{
        int is_address = strncmp(text, "address:", 8) == 0, code = 0;
        char number[16];

        if (!is_address && strncmp(text, "port:", 5) != 0)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "a word of the spec has \"" PREFIX "%.100s}\"; write " PREFIX "port:PORT} or " PREFIX
                                "address:PORT}",
                                text);
        const struct mf_link *link = mf_link_find(container, text + (is_address ? 8 : 5), &code, err);
        if (!link)
                return code;
        snprintf(number, sizeof(number), "%u", (unsigned) ntohs(link->sockaddr.sin_port));
        const char *value = is_address ? link->text : number;
        return mf_buffer_add(ret, value, strlen(value)) < 0 ? mf_error_oom(err, MAYFLY_STAGE_SPEC) : 0;
}

static int expand_word(const struct mayfly_container *container, const char *word, char **ret, struct mayfly_error *err)
{
        struct mf_buffer buffer = { 0 };
        int r = 0;

        for (const char *next; r == 0 && (next = strstr(word, PREFIX));) {
                const char *end = strchr(next, '}');
                if (!end)
                        break;
                mf_cleanup(mf_freep) char *text =
                        strndup(next + strlen(PREFIX), (size_t) (end - next) - strlen(PREFIX));
                if (!text || mf_buffer_add(&buffer, word, (size_t) (next - word)) < 0)
                        r = mf_error_oom(err, MAYFLY_STAGE_SPEC);
                else
                        r = expand_one(container, text, &buffer, err);
                word = end + 1;
        }
        if (r == 0 && mf_buffer_add(&buffer, word, strlen(word) + 1) < 0)
                r = mf_error_oom(err, MAYFLY_STAGE_SPEC);
        if (r < 0) {
                mf_buffer_clear(&buffer);
                return r;
        }
        *ret = buffer.data;
        return 0;
}

/* Replaces a list of words of the spec, if one needs it, by a copy, which *ret owns. */
static int expand(const struct mayfly_container *container, const char *const **words, char ***ret,
                  struct mayfly_error *err)
{
        struct mf_strings strings = { 0 };
        int r = 0, is_needed = 0;

        for (const char *const *w = *words; w && *w; w++)
                is_needed |= strstr(*w, PREFIX) != NULL;
        for (const char *const *w = *words; r == 0 && is_needed && *w; w++) {
                char *word = NULL;
                r = expand_word(container, *w, &word, err);
                if (r == 0 && mf_strings_add(&strings, word) < 0)
                        r = mf_error_oom(err, MAYFLY_STAGE_SPEC);
        }
        *ret = strings.list;
        if (r == 0 && is_needed)
                *words = (const char *const *) (uintptr_t) strings.list;
        return r;
}

int mf_ports_expand(struct mayfly_container *container, struct mayfly_error *err)
{
        struct mayfly_spec *spec = &container->spec;

        if (container->has_lived) /* then it was done */
                return 0;
        int r = expand(container, &spec->env, &container->expanded[0], err);
        if (r == 0)
                r = expand(container, &spec->argv, &container->expanded[1], err);
        return r < 0 ? r : expand(container, &spec->entrypoint, &container->expanded[2], err);
}
