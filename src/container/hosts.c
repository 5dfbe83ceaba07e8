/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "container/network.h"
#include "util/buffer.h"
#include "util/macro.h"

/* /etc/hosts of containers on networks. What mayfly-launch wrote at the beginning stays; a line for each address of each member follows. */

static int add_line(struct mf_buffer *text, const char *address, const char *names)
{
        int r = mf_buffer_add(text, address, strlen(address));

        if (r == 0)
                r = mf_buffer_add(text, "\t", 1);
        if (r == 0)
                r = mf_buffer_add(text, names, strlen(names));
        return r < 0 ? r : mf_buffer_add(text, "\n", 1);
}

static int add_member(struct mf_buffer *text, const struct mf_member *member)
{
        struct mf_addresses addresses;

        mf_network_addresses(member->network->number, member->number, &addresses);
        int r = add_line(text, addresses.ipv4, member->of->names);
        if (r == 0 && member->has_ipv6)
                r = add_line(text, addresses.ipv6, member->of->names);
        return r;
}

static int compose(const struct mf_membership *membership, struct mf_buffer *text)
{
        int r = 0;

        for (size_t i = 0; i < membership->n_members; i++) {
                const struct mf_member *own = &membership->members[i];
                for (unsigned n = 1; r == 0 && own->number && n <= MF_MEMBERS_MAX; n++)
                        if (own->network->members[n] && own->network->members[n]->is_attached)
                                r = add_member(text, own->network->members[n]);
        }
        return r;
}

/* Writes in the file's place, because a process inside may have it open. Where it gets shorter, empty lines cover the rest until it
 * is cut. */
static int write_file(struct mf_membership *membership)
{
        mf_cleanup(mf_buffer_clear) struct mf_buffer text = { 0 };

        int r = compose(membership, &text);
        off_t end = membership->own_end + (off_t) text.size;
        while (r == 0 && membership->own_end + (off_t) text.size < membership->file_end)
                r = mf_buffer_add(&text, "\n", 1);
        if (r < 0 || text.size == 0)
                return r;
        ssize_t n = pwrite(membership->hosts, text.data, text.size, membership->own_end);
        if (n < 0 || ftruncate(membership->hosts, end) < 0)
                return -errno;
        membership->file_end = end;
        return n == (ssize_t) text.size ? 0 : -ENOSPC;
}

int mf_hosts_write(const struct mayfly_network *network, const struct mf_membership *own)
{
        int r = 0;

        for (unsigned i = 1; i <= MF_MEMBERS_MAX; i++) {
                const struct mf_member *member = network->members[i];
                if (!member || member->of->hosts < 0)
                        continue;
                int written = write_file(member->of);
                if (member->of == own)
                        r = written;
        }
        return r;
}
