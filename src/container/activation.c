/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/activation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/container.h"
#include "container/ports.h"
#include "image/open.h"
#include "protocol/exec-block.h"
#include "util/error.h"
#include "util/macro.h"

#define SOCKETS_MAX 1000U

/* Adds one socket: one that is published, or one that mayfly-init opens. On the host's network only this machine is to reach the
 * latter. */
static int add(const struct mayfly_container *container, const struct mf_port_name *port, const char *name,
               struct mf_exec_block *block, struct mf_activation *ret, struct mayfly_error *err)
{
        const struct mf_link *link = mf_link_activated(container, port);
        const char *address = container->spec.network == MAYFLY_NETWORK_HOST ? "127.0.0.1" : "::";
        mf_cleanup(mf_freep) char *word = NULL;

        if (link && ret->n == MF_ACTIVATED_MAX)
                return mf_error(err, -E2BIG, MAYFLY_STAGE_SPEC,
                                "the spec has more than %u ports with activate; publish some without it",
                                MF_ACTIVATED_MAX);
        if (link) {
                ret->fds[ret->n++] = link->fds[0];
                address = MF_EXEC_PASSED;
        }
        if (asprintf(&word, "%s %u %s %s", port->kind == MF_FORWARD_UDP ? "udp" : "tcp", port->port, address, name) <
            0) {
                word = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_START);
        }
        mf_exec_block_add(block, MF_EXEC_SOCKET, word);
        return 0;
}

/* Adds the sockets of a port that the image says is socket-activated. *n counts them. */
static int add_image_port(const struct mayfly_container *container, const struct mf_port *port, unsigned *n,
                          struct mf_exec_block *block, struct mf_activation *ret, struct mayfly_error *err)
{
        const char *image = container->image->config->name;
        int is_udp = strcmp(port->protocol, "udp") == 0, r = 0;

        if (!is_udp && strcmp(port->protocol, "tcp") != 0)
                return mf_error(err, -EPROTONOSUPPORT, MAYFLY_STAGE_MANIFEST,
                                "the port \"%s\" of image %s is socket-activated, but its protocol is \"%.60s\"; "
                                "mayfly makes sockets of tcp and udp",
                                port->name, image, port->protocol);
        *n += port->count;
        if (*n > SOCKETS_MAX)
                return mf_error(err, -E2BIG, MAYFLY_STAGE_MANIFEST,
                                "image %s has more than %u socket-activated ports; an app gets one descriptor each",
                                image, SOCKETS_MAX);
        for (unsigned i = 0; r == 0 && i < port->count; i++) {
                const struct mf_port_name name = { .kind = is_udp ? MF_FORWARD_UDP : MF_FORWARD_TCP,
                                                   .port = port->port + i };
                r = add(container, &name, port->name, block, ret, err);
        }
        return r;
}

static int is_of_image(const struct mayfly_container *container, const struct mf_port_name *name)
{
        const struct mf_image_config *config = container->image->config;

        for (size_t i = 0; i < config->n_ports; i++) {
                const struct mf_port *port = &config->ports[i];
                int is_udp = strcmp(port->protocol, "udp") == 0;
                if (port->socket_activated && is_udp == (name->kind == MF_FORWARD_UDP) && name->port >= port->port &&
                    name->port - port->port < port->count)
                        return 1;
        }
        return 0;
}

int mf_activation_add(const struct mayfly_container *container, struct mf_exec_block *block, struct mf_activation *ret,
                      struct mayfly_error *err)
{
        const struct mf_image_config *config = container->image->config;
        unsigned n = 0;
        char number[16];
        int r = 0;

        for (size_t i = 0; r == 0 && i < config->n_ports; i++)
                if (config->ports[i].socket_activated)
                        r = add_image_port(container, &config->ports[i], &n, block, ret, err);
        for (size_t i = 0; r == 0 && i < container->links.n; i++) {
                const struct mf_link *link = container->links.list[i];
                if (!link->is_activated || is_of_image(container, &link->inside))
                        continue;
                snprintf(number, sizeof(number), "%u", link->inside.port);
                r = add(container, &link->inside, link->name ? link->name : number, block, ret, err);
        }
        return r;
}

void mf_notify_add(const struct mayfly_container *container, struct mf_exec_block *block)
{
        char variable[128] = "NOTIFY_SOCKET=", *name = variable + strlen(variable);

        snprintf(name, sizeof(variable) - strlen(variable), "@mayfly/%s/notify", container->machine);
        mf_exec_block_add(block, MF_EXEC_NOTIFY, name);
        mf_exec_block_add(block, MF_EXEC_ENV, variable);
}
