/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "launch/launch.h"

/* The arguments of mayfly-launch, which the library writes in src/container/start.c. */

static uint64_t number(const char *text)
{
        return text ? strtoull(text, NULL, 10) : 0;
}

/* One that says more of the volume that the last --volume began. */
static int parse_volume(int c, struct launch_options *ret)
{
        struct launch_volume *volume = ret->n_volumes > 0 ? &ret->volumes[ret->n_volumes - 1] : NULL;

        if (c == 'v') {
                ret->volumes[ret->n_volumes++] = (struct launch_volume){ .target = optarg, .shared = -1, .fd = -1 };
                return 0;
        }
        if (!volume)
                return -EINVAL;
        if (c == 'S')
                volume->source = optarg;
        else if (c == 'H')
                volume->has_ids = 1;
        else if (c == 'h')
                volume->shared = (int) number(optarg);
        else if (c == 'R')
                volume->read_only = 1;
        else if (c == 'o')
                volume->owner = optarg;
        else
                return -EINVAL;
        return 0;
}

/* One of those that may be repeated and are no volume. */
static int parse_repeated(int c, struct launch_options *ret)
{
        if (c == 'e')
                ret->devices[ret->n_devices++] = (struct launch_device){ optarg, optarg };
        else if (c == 'E' && ret->n_devices > 0)
                ret->devices[ret->n_devices - 1].target = optarg;
        else if (c == 'L')
                ret->ulimits[ret->n_ulimits++] = optarg;
        else if (c == 'A')
                ret->extra_hosts[ret->n_extra_hosts++] = optarg;
        else
                return c == 'b' ? 0 : parse_volume(c, ret); /* a label is for others to read */
        return 0;
}

static int parse_number(int c, struct launch_options *ret)
{
        uint64_t value = number(optarg);

        if (c == 'M')
                ret->memory_max = value;
        else if (c == 't')
                ret->tasks_max = (unsigned) value;
        else if (c == 'D')
                ret->default_memory = value;
        else if (c == 'T')
                ret->default_tasks = (unsigned) value;
        else if (c == '1')
                ret->image_memory = value;
        else if (c == '2')
                ret->image_memory_low = value;
        else if (c == '3')
                ret->image_cpu = value;
        else if (c == '4')
                ret->image_cpu_weight = value;
        else if (c == 'u')
                ret->ids = (uint32_t) value;
        else if (c == 'N')
                ret->n_ids = (uint32_t) value;
        else if (c == 'k')
                ret->kept.uid = (uint32_t) value;
        else if (c == 'K')
                ret->kept.gid = (uint32_t) value;
        else
                return parse_repeated(c, ret);
        return 0;
}

static int parse_option(int c, struct launch_options *ret)
{
        switch (c) {
        case 'm':
                ret->machine = optarg;
                return 0;
        case 'd':
                ret->hostname = optarg;
                return 0;
        case 'i':
                ret->init = optarg;
                return 0;
        case 'f':
                ret->forward = optarg;
                return 0;
        case 'l':
                ret->layers[ret->n_layers++] = optarg;
                return 0;
        case 's':
                ret->scratch_size = number(optarg);
                return 0;
        case 'c':
                ret->capabilities[ret->n_capabilities++] = optarg;
                return 0;
        case 'r':
                ret->registered = 1;
                return 0;
        case 'U':
                ret->in_unit = 1;
                return 0;
        case 'n':
                ret->host_network = 1;
                return 0;
        case 'I':
                ret->boot = 1;
                return 0;
        case 'w':
                ret->on_networks = 1;
                return 0;
        case 'a':
                ret->host_address = optarg;
                return 0;
        case 'O':
                ret->oom_score_adj = atoi(optarg);
                return 0;
        case 'x':
                ret->is_users = 1;
                return 0;
        case '?':
                return -EINVAL;
        default:
                return parse_number(c, ret);
        }
}

/* clang-format off */
static const struct option known[] = {
        { "machine", required_argument, NULL, 'm' },
        { "hostname", required_argument, NULL, 'd' },
        { "init", required_argument, NULL, 'i' },
        { "forward", required_argument, NULL, 'f' },
        { "layer", required_argument, NULL, 'l' },
        { "scratch", required_argument, NULL, 's' },
        { "memory", required_argument, NULL, 'M' },
        { "tasks", required_argument, NULL, 't' },
        { "default-memory", required_argument, NULL, 'D' },
        { "default-tasks", required_argument, NULL, 'T' },
        { "image-memory", required_argument, NULL, '1' },
        { "image-memory-low", required_argument, NULL, '2' },
        { "image-cpu", required_argument, NULL, '3' },
        { "image-cpu-weight", required_argument, NULL, '4' },
        { "capability", required_argument, NULL, 'c' },
        { "unit", no_argument, NULL, 'U' },
        { "register", no_argument, NULL, 'r' },
        { "host-network", no_argument, NULL, 'n' },
        { "boot", no_argument, NULL, 'I' },
        { "networks", no_argument, NULL, 'w' },
        { "host-address", required_argument, NULL, 'a' },
        { "ids", required_argument, NULL, 'u' },
        { "id-count", required_argument, NULL, 'N' },
        { "user", no_argument, NULL, 'x' },
        { "keep-uid", required_argument, NULL, 'k' },
        { "keep-gid", required_argument, NULL, 'K' },
        { "oom-score-adj", required_argument, NULL, 'O' },
        { "volume", required_argument, NULL, 'v' },
        { "source", required_argument, NULL, 'S' },
        { "shared", required_argument, NULL, 'h' },
        { "has-ids", no_argument, NULL, 'H' },
        { "read-only", no_argument, NULL, 'R' },
        { "owner", required_argument, NULL, 'o' },
        { "device", required_argument, NULL, 'e' },
        { "device-target", required_argument, NULL, 'E' },
        { "ulimit", required_argument, NULL, 'L' },
        { "extra-host", required_argument, NULL, 'A' },
        { "label", required_argument, NULL, 'b' },
        { NULL, 0, NULL, 0 },
};
/* clang-format on */

int launch_options_parse(int argc, char **argv, struct launch_options *ret)
{
        int c, r = 0;

        ret->layers = calloc((size_t) argc, sizeof(char *));
        ret->volumes = calloc((size_t) argc, sizeof(*ret->volumes));
        ret->capabilities = calloc((size_t) argc, sizeof(char *));
        ret->devices = calloc((size_t) argc, sizeof(*ret->devices));
        ret->ulimits = calloc((size_t) argc, sizeof(char *));
        ret->extra_hosts = calloc((size_t) argc, sizeof(char *));
        if (!ret->layers || !ret->volumes || !ret->capabilities || !ret->devices || !ret->ulimits || !ret->extra_hosts)
                return -ENOMEM;
        while (r == 0 && (c = getopt_long(argc, argv, "", known, NULL)) >= 0)
                r = parse_option(c, ret);
        if (r < 0 || !ret->machine || !ret->init || ret->n_layers == 0 || optind != argc)
                return launch_error(-EINVAL, "this program is for libmayfly to start");
        return 0;
}
