/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/run-options.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "container/names.h"
#include "protocol/exec-block.h"
#include "protocol/forward.h"
#include "util/error.h"
#include "util/escape.h"
#include "util/macro.h"
#include "util/strv.h"
#include "util/ulimit.h"

#define HOST_NAME_LENGTH_MAX 64U /* of the kernel */
#define LABELS_SIZE_MAX 16384U   /* with a NUL each: they are arguments of mayfly-launch */

static int refuse(struct mayfly_error *err, const char *field, const char *value, const char *why)
{
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "%s of the spec has \"%.200s\": %s", field, value, why);
}

/* Refuses a name that an earlier entry of the list has; it is what precedes `end`. */
static int check_once(const char *const *list, size_t i, const char *end, const char *field, struct mayfly_error *err)
{
        const size_t length = strcspn(list[i], end);

        for (size_t j = 0; j < i; j++)
                if (strcspn(list[j], end) == length && strncmp(list[i], list[j], length) == 0)
                        return refuse(err, field, list[i], "an earlier entry has that name; leave out one of them");
        return 0;
}

/* --- ulimits, sysctls ------------------------------------------------------------------------------------------- */

static int check_ulimits(const char *const *list, struct mayfly_error *err)
{
        struct mf_ulimit limit;
        int r = 0;

        for (size_t i = 0; r == 0 && list && list[i]; i++) {
                const char *fault = mf_ulimit_parse(list[i], &limit);
                r = fault ? refuse(err, "ulimits", list[i], fault) : check_once(list, i, "=", "ulimits", err);
        }
        return r;
}

/* Whether it can only lead to a file below /proc/sys: words of letters, digits, "_" and "-", with dots between them. */
static int is_sysctl_name(const char *name, size_t length)
{
        for (size_t i = 0; i < length; i++) {
                const unsigned char c = (unsigned char) name[i];
                if (c == '.' ? i == 0 || i + 1 == length || name[i + 1] == '.'
                             : !isascii(c) || (!isalnum(c) && c != '_' && c != '-'))
                        return 0;
        }
        return length > 0;
}

static int has_prefix(const char *text, const char *prefix)
{
        return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Whether each IPC or UTS namespace has a value of its own for it. */
static int is_of_namespace(const char *sysctl)
{
        static const char *const names[] = { "kernel.domainname=", "kernel.msgmax=", "kernel.msgmnb=",
                                             "kernel.msgmni=",     "kernel.sem=",    "kernel.shmall=",
                                             "kernel.shmmax=",     "kernel.shmmni=", "kernel.shm_rmid_forced=" };

        for (size_t i = 0; i < MF_ELEMENTSOF(names); i++)
                if (has_prefix(sysctl, names[i]))
                        return 1;
        return has_prefix(sysctl, "fs.mqueue.");
}

static const char *sysctl_fault(const struct mayfly_spec *spec, const char *sysctl)
{
        const size_t length = strcspn(sysctl, "=");

        if (!is_sysctl_name(sysctl, length))
                return "its name is not of the form net.core.somaxconn";
        if (!sysctl[length] || !sysctl[length + 1])
                return "it has no value; write NAME=VALUE";
        if (has_prefix(sysctl, "kernel.hostname="))
                return "set .hostname instead";
        if (has_prefix(sysctl, "net."))
                return spec->network == MAYFLY_NETWORK_HOST
                               ? "it would be the host's, whose network the container has; leave out "
                                 "MAYFLY_NETWORK_HOST, or set it on the host"
                               : NULL;
        return is_of_namespace(sysctl) ? NULL
                                       : "it is the whole host's; a container has of its own net.*, fs.mqueue.* and "
                                         "kernel.domainname, msgmax, msgmnb, msgmni, sem, shmall, shmmax, shmmni, "
                                         "shm_rmid_forced";
}

static int check_sysctls(const struct mayfly_spec *spec, struct mayfly_error *err)
{
        int r = 0;

        for (size_t i = 0; r == 0 && spec->sysctls && spec->sysctls[i]; i++) {
                const char *fault = sysctl_fault(spec, spec->sysctls[i]);
                r = fault ? refuse(err, "sysctls", spec->sysctls[i], fault)
                          : check_once(spec->sysctls, i, "=", "sysctls", err);
        }
        return r;
}

/* --- names ------------------------------------------------------------------------------------------------------ */

static int check_hostname(const char *hostname, struct mayfly_error *err)
{
        const char *fault = hostname ? mf_host_name_fault(hostname) : NULL;

        if (hostname && !fault && strlen(hostname) > HOST_NAME_LENGTH_MAX)
                fault = "it is longer than 64 characters";
        return fault ? mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "hostname of the spec is \"%.260s\": %s", hostname,
                                fault)
                     : 0;
}

const char *mf_host_address(enum mayfly_network_mode network)
{
        return network == MAYFLY_NETWORK_HOST ? "127.0.0.1" : MF_HOST_ADDRESS;
}

/* A line of /etc/hosts. */
struct host_line {
        char name[256], address[INET6_ADDRSTRLEN];
};

/* Reads "NAME:ADDRESS". Returns NULL, or what is wrong with it. */
static const char *parse_host(const struct mayfly_spec *spec, const char *text, struct host_line *ret)
{
        const size_t length = strcspn(text, ":=");
        unsigned char binary[sizeof(struct in6_addr)];

        if (!text[length])
                return "write NAME:ADDRESS";
        const char *address = text + length + 1;
        if (length >= sizeof(ret->name))
                return "its name is no host name: it is longer than 253 characters";
        memcpy(ret->name, text, length);
        ret->name[length] = '\0';
        const char *fault = mf_host_name_fault(ret->name);
        if (fault)
                return fault;
        const int is_gateway = strcmp(address, "host-gateway") == 0;
        if (is_gateway && !spec->host_ports->size)
                return "host-gateway is where host_ports are, and the spec has none; name the ports there";
        if (is_gateway)
                address = mf_host_address(spec->network);
        const int brackets = *address == '[' && address[strlen(address) - 1] == ']';
        const int n = snprintf(ret->address, sizeof(ret->address), "%.*s", (int) strlen(address) - 2 * brackets,
                               address + brackets);
        if (n < (int) sizeof(ret->address) &&
            (inet_pton(AF_INET, ret->address, binary) == 1 || inet_pton(AF_INET6, ret->address, binary) == 1))
                return NULL;
        return "its address is neither one of IPv4 nor of IPv6";
}

static int check_hosts(const struct mayfly_spec *spec, struct mayfly_error *err)
{
        struct host_line line;

        for (const char *const *host = spec->extra_hosts; host && *host; host++) {
                const char *fault = parse_host(spec, *host, &line);
                if (fault)
                        return refuse(err, "extra_hosts", *host, fault);
        }
        return 0;
}

static int is_utf8(const char *text)
{
        int32_t code = 0;

        while (*text && code >= 0)
                text += mf_utf8_next(text, &code);
        return code >= 0;
}

static int check_labels(const char *const *labels, struct mayfly_error *err)
{
        size_t size = 0;
        int r = 0;

        for (size_t i = 0; r == 0 && labels && labels[i]; i++) {
                size += strlen(labels[i]) + 1;
                if (size > LABELS_SIZE_MAX)
                        r = mf_error(err, -E2BIG, MAYFLY_STAGE_SPEC,
                                     "labels of the spec has \"%.60s...\": all labels together may have %u bytes; "
                                     "shorten them",
                                     labels[i], LABELS_SIZE_MAX);
                else if (labels[i][0] == '=' || !labels[i][0])
                        r = refuse(err, "labels", labels[i], "it has no name; write NAME=VALUE");
                else
                        r = is_utf8(labels[i]) ? check_once(labels, i, "=", "labels", err)
                                               : refuse(err, "labels", labels[i], "it is not UTF-8");
        }
        return r;
}

/* --- devices ---------------------------------------------------------------------------------------------------- */

/* Whether the path is below /dev, with nothing in it that could lead out, and in no other spelling than the plain one. */
static int is_in_dev(const char *path)
{
        if (!has_prefix(path, "/dev/"))
                return 0;
        for (const char *part = path + 1;; part++) {
                const size_t length = strcspn(part, "/");
                if (length == 0 || (part[0] == '.' && (length == 1 || (length == 2 && part[1] == '.'))))
                        return 0;
                part += length;
                if (!*part)
                        return 1;
        }
}

/* Whether the container has something there itself. */
static int is_taken(const char *target)
{
        static const char *const own[] = { "null", "zero", "full",  "random", "urandom", "tty",     "pts",    "ptmx",
                                           "shm",  "fd",   "stdin", "stdout", "stderr",  "console", "mqueue", "core" };

        for (size_t i = 0; i < MF_ELEMENTSOF(own); i++) {
                const size_t length = strlen(own[i]);
                const char *name = target + strlen("/dev/");
                if (strncmp(name, own[i], length) == 0 && (name[length] == '\0' || name[length] == '/'))
                        return 1;
        }
        return 0;
}

/* Splits "SOURCE[:TARGET]". Returns NULL, or what is wrong with it. */
static const char *parse_device(const char *text, char source[PATH_MAX], const char **ret_target)
{
        const size_t length = strcspn(text, ":");

        if (length >= PATH_MAX)
                return "its path is too long";
        memcpy(source, text, length);
        source[length] = '\0';
        *ret_target = text[length] ? text + length + 1 : source;
        if (strchr(*ret_target, ':'))
                return "permissions cannot be given; the node in the container has those of the host's";
        if (!is_in_dev(source) || !is_in_dev(*ret_target))
                return "write /dev/NAME, or /dev/NAME:/dev/NAME-IN-THE-CONTAINER";
        return is_taken(*ret_target) ? "the container has a file of its own there; write /dev/NAME:/dev/OTHER" : NULL;
}

static int check_device(const char *text, struct mayfly_error *err)
{
        char source[PATH_MAX];
        const char *target, *fault = parse_device(text, source, &target);
        struct stat st;

        if (fault)
                return refuse(err, "devices", text, fault);
        if (stat(source, &st) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_SPEC,
                                      "devices of the spec has \"%.200s\", which this host does not have (load its "
                                      "module, or leave it out)",
                                      text);
        return S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)
                       ? 0
                       : mf_error(err, -ENODEV, MAYFLY_STAGE_SPEC,
                                  "devices of the spec has \"%.200s\", which is no device; a volume can have it", text);
}

/* Whether two paths are the same, or one lies within the other. */
static int overlap(const char *one, const char *other)
{
        while (*one && *one == *other) {
                one++;
                other++;
        }
        return (!*one && (!*other || *other == '/')) || (!*other && *one == '/');
}

/* Refuses a device in the place of an earlier one; all of them have been checked alone. */
static int check_target(const char *const *devices, size_t i, struct mayfly_error *err)
{
        char source[PATH_MAX], earlier_source[PATH_MAX];
        const char *target = devices[i];

        (void) parse_device(devices[i], source, &target);
        for (size_t j = 0; j < i; j++) {
                const char *earlier = devices[j];
                (void) parse_device(devices[j], earlier_source, &earlier);
                if (overlap(target, earlier))
                        return mf_error(
                                err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "devices of the spec has \"%.200s\": an earlier entry, \"%.200s\", has the same "
                                "path in the container, or one within it or around it; give one of them another",
                                devices[i], devices[j]);
        }
        return 0;
}

static int check_devices(const char *const *devices, struct mayfly_error *err)
{
        int r = 0;

        for (size_t i = 0; r == 0 && devices && devices[i]; i++) {
                r = check_device(devices[i], err);
                if (r == 0)
                        r = check_target(devices, i, err);
        }
        return r;
}

/* --- all -------------------------------------------------------------------------------------------------------- */

int mf_run_options_check(const struct mayfly_spec *spec, struct mayfly_error *err)
{
        int r = check_ulimits(spec->ulimits, err);

        if (r == 0)
                r = check_sysctls(spec, err);
        if (r == 0)
                r = check_hostname(spec->hostname, err);
        if (r == 0)
                r = check_hosts(spec, err);
        if (r == 0)
                r = check_devices(spec->devices, err);
        return r == 0 ? check_labels(spec->labels, err) : r;
}

/* Adds an option of mayfly-launch with its value. */
static int add(char ***argv, const char *option, const char *value)
{
        int r = mf_strv_add(argv, strdup(option));

        return r < 0 ? r : mf_strv_add(argv, strdup(value));
}

static int add_all(char ***argv, const char *option, const char *const *values)
{
        int r = 0;

        for (; r == 0 && values && *values; values++)
                r = add(argv, option, *values);
        return r;
}

static int add_hosts(const struct mayfly_spec *spec, char ***argv)
{
        char text[sizeof(struct host_line) + 1];
        struct host_line line;
        int r = 0;

        for (const char *const *host = spec->extra_hosts; r == 0 && host && *host; host++) {
                (void) parse_host(spec, *host, &line); /* was checked */
                snprintf(text, sizeof(text), "%s\t%s", line.address, line.name);
                r = add(argv, "--extra-host", text);
        }
        return r;
}

static int add_devices(const char *const *devices, char ***argv)
{
        char source[PATH_MAX];
        const char *target = NULL;
        int r = 0;

        for (; r == 0 && devices && *devices; devices++) {
                r = parse_device(*devices, source, &target) ? -EINVAL : add(argv, "--device", source);
                if (r == 0)
                        r = add(argv, "--device-target", target);
        }
        return r;
}

int mf_run_options_add(const struct mayfly_spec *spec, char ***argv)
{
        int r = add_all(argv, "--ulimit", spec->ulimits);

        if (r == 0 && spec->hostname)
                r = add(argv, "--hostname", spec->hostname);
        if (r == 0)
                r = add_hosts(spec, argv);
        if (r == 0)
                r = add_devices(spec->devices, argv);
        return r == 0 ? add_all(argv, "--label", spec->labels) : r; /* for those who look at its arguments */
}

void mf_run_options_tell(const struct mayfly_spec *spec, struct mf_exec_block *block)
{
        struct mf_ulimit limit;
        char text[80];

        for (const char *const *ulimit = spec->ulimits; ulimit && *ulimit; ulimit++) {
                (void) mf_ulimit_parse(*ulimit, &limit); /* was checked */
                snprintf(text, sizeof(text), "%d %" PRIu64 " %" PRIu64, limit.resource, limit.soft, limit.hard);
                mf_exec_block_add(block, MF_EXEC_ULIMIT, text);
        }
        for (const char *const *sysctl = spec->sysctls; sysctl && *sysctl; sysctl++)
                mf_exec_block_add(block, MF_EXEC_SYSCTL, *sysctl);
        if (spec->shm_size) {
                snprintf(text, sizeof(text), "%" PRIu64, spec->shm_size);
                mf_exec_block_add(block, MF_EXEC_SHM_SIZE, text);
        }
        if (spec->read_only)
                mf_exec_block_add(block, MF_EXEC_READ_ONLY, "");
}
