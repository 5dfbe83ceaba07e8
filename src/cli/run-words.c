/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run.h"
#include "container/spec.h"
#include "util/arena.h"
#include "util/error.h"
#include "util/strv.h"

const char *const run_network_modes[] = { "none", "host", NULL };
const char *const run_namespaces[] = { "private", "host", "keep-id", NULL };
const char *const run_engines[] = { "systemd", "direct", NULL };

/* Says what is wrong with a word, which begins the message. */
#define bad(err, ...) mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, __VA_ARGS__)

static void *make(struct mf_arena *memory, size_t n, size_t size)
{
        void *list = mf_arena_get(memory, n * size);

        if (!list)
                tool_oom();
        return list;
}

/* Reads a port number. Returns 0 for what is none. */
static unsigned port_number(const char *text, size_t size)
{
        unsigned n = 0;

        if (size == 0 || size > 5 || strspn(text, "0123456789") < size)
                return 0;
        for (size_t i = 0; i < size; i++)
                n = n * 10 + (unsigned) (text[i] - '0');
        return n <= 65535 ? n : 0;
}

/* Splits "WORDS/PROTOCOL". Returns the size of the first part, or 0 when the protocol is unknown. */
static size_t split_protocol(const char *word, const char **ret)
{
        const char *slash = strchr(word, '/');

        *ret = slash ? slash + 1 : "tcp";
        if (strcmp(*ret, "tcp") != 0 && strcmp(*ret, "udp") != 0)
                return 0;
        return slash ? (size_t) (slash - word) : strlen(word);
}

/* "[HOST-PORT:]PORT[/PROTOCOL]", as docker has it. */
static int take_port(const char *word, struct mayfly_publish *ret, struct mayfly_error *err)
{
        size_t size = split_protocol(word, &ret->protocol);
        const char *colon = memrchr(word, ':', size);
        const char *port = colon ? colon + 1 : word, *host = word;
        size_t host_size = colon ? (size_t) (colon - word) : 0;

        if (host_size > 10 && strncmp(host, "127.0.0.1:", 10) == 0) {
                host += 10;
                host_size -= 10;
        }
        ret->size = sizeof(*ret);
        ret->port = port_number(port, (size_t) (word + size - port));
        ret->host_port = port_number(host, host_size);
        if (ret->port && (!host_size || ret->host_port))
                return 0;
        if (memchr(host, ':', host_size) || memchr(host, '.', host_size))
                return bad(err, "%s: ports are published on 127.0.0.1 alone; leave the address out", word);
        return bad(err,
                   "%s is no port; write PORT, HOST-PORT:PORT, or either with /udp behind it, with numbers from 1 to "
                   "65535",
                   word);
}

int run_take_ports(struct mf_arena *memory, const char *const *words, const struct mayfly_publish **ret,
                   struct mayfly_error *err)
{
        size_t n = mf_strv_length(words);
        int r = 0;

        if (n == 0)
                return 0;
        struct mayfly_publish *list = make(memory, n + 2, sizeof(*list));
        list[0].size = sizeof(*list);
        for (size_t i = 0; i < n && r == 0; i++)
                r = take_port(words[i], &list[i + 1], err);
        *ret = list;
        return r;
}

int run_take_host_ports(struct mf_arena *memory, const char *const *words, const struct mayfly_host_port **ret,
                        struct mayfly_error *err)
{
        size_t n = mf_strv_length(words);

        if (n == 0)
                return 0;
        struct mayfly_host_port *list = make(memory, n + 2, sizeof(*list));
        list[0].size = sizeof(*list);
        for (size_t i = 0; i < n; i++) {
                list[i + 1].size = sizeof(*list);
                list[i + 1].port = port_number(words[i], split_protocol(words[i], &list[i + 1].protocol));
                if (list[i + 1].port == 0)
                        return bad(err, "%s is no port; write a number from 1 to 65535, or NUMBER/udp", words[i]);
        }
        *ret = list;
        return 0;
}

char *run_path(struct mf_arena *memory, const char *directory, const char *path)
{
        if (*path == '/' || !directory)
                return mf_arena_string(memory, path);
        char *ret = make(memory, strlen(directory) + strlen(path) + 2, 1);
        sprintf(ret, "%s/%s", directory, path);
        return ret;
}

/* The path of a source, which must be absolute and have no symbolic link in it. */
static int take_source(struct mf_arena *memory, const char *directory, const char *word, const char *path,
                       const char **ret, struct mayfly_error *err)
{
        char *real = realpath(run_path(memory, directory, path), NULL);

        if (!real)
                return bad(err, "%s: the source %s cannot be found: %s%s", word, path, strerror(errno),
                           strchr(path, '/') ? "" : "; there are no volumes with names: give a directory or file");
        *ret = mf_arena_string(memory, real);
        free(real);
        return 0;
}

/* "SOURCE:PATH[:ro|rw]". */
static int take_volume(struct mf_arena *memory, const char *directory, const char *word, struct mayfly_volume *ret,
                       struct mayfly_error *err)
{
        char *source = mf_arena_string(memory, word), *path, *mode = NULL;

        if (!source)
                tool_oom();
        if ((path = strchr(source, ':')))
                *path++ = '\0';
        if (path && (mode = strchr(path, ':')))
                *mode++ = '\0';
        if (!*source || !path || *path != '/' || (mode && strcmp(mode, "ro") != 0 && strcmp(mode, "rw") != 0))
                return bad(err, "%s is no volume; write SOURCE:PATH or SOURCE:PATH:ro, PATH being absolute", word);
        *ret = (struct mayfly_volume){ .size = sizeof(*ret), .path = path, .read_only = mode && mode[1] == 'o' };
        return take_source(memory, directory, word, source, &ret->source, err);
}

int run_take_volumes(struct mf_arena *memory, const char *directory, const char *const *words, const char *const *tmpfs,
                     const struct mayfly_volume **ret, struct mayfly_error *err)
{
        size_t n = mf_strv_length(words);
        size_t n_tmpfs = mf_strv_length(tmpfs);
        int r = 0;

        if (n + n_tmpfs == 0)
                return 0;
        struct mayfly_volume *list = make(memory, n + n_tmpfs + 2, sizeof(*list));
        list[0].size = sizeof(*list);
        for (size_t i = 0; i < n && r == 0; i++)
                r = take_volume(memory, directory, words[i], &list[i + 1], err);
        for (size_t i = 0; i < n_tmpfs; i++)
                list[n + i + 1] = (struct mayfly_volume){ .size = sizeof(*list), .path = tmpfs[i], .mode = 01777 };
        *ret = list;
        return r;
}

int run_take_env(struct mf_arena *memory, const char *const *words, const char *const **ret, struct mayfly_error *err)
{
        size_t n = mf_strv_length(words), used = 0;

        if (n == 0)
                return 0;
        const char **list = make(memory, n + 1, sizeof(*list));
        for (size_t i = 0; i < n; i++) {
                const char *equals = strchr(words[i], '='), *value = equals ? equals + 1 : getenv(words[i]);
                if (!*words[i] || equals == words[i])
                        return bad(err, "%s has no name; write NAME=VALUE, or NAME", words[i]);
                if (!value)
                        continue;
                size_t size = strcspn(words[i], "=");
                char *line = make(memory, size + strlen(value) + 2, 1);
                sprintf(line, "%.*s=%s", (int) size, words[i], value);
                list[used++] = line;
        }
        *ret = list;
        return 0;
}

void run_take_capabilities(struct mf_arena *memory, const char *const *words, const char *const **ret)
{
        size_t n = mf_strv_length(words);

        if (n == 0)
                return;
        const char **list = make(memory, n + 1, sizeof(*list));
        for (size_t i = 0; i < n; i++) {
                char *name = make(memory, strlen(words[i]) + 5, 1);
                sprintf(name, "%s%s", strncasecmp(words[i], "CAP_", 4) == 0 ? "" : "CAP_", words[i]);
                list[i] = name;
        }
        *ret = list;
}

void run_take_user(struct mf_arena *memory, const char *word, struct mayfly_command *ret)
{
        char *user = mf_arena_string(memory, word);

        if (word && !user)
                tool_oom();
        ret->user = user;
        ret->group = user ? mf_user_group(user) : NULL;
        if (ret->group)
                user[ret->group - user - 1] = '\0';
}

int run_check_terminal(const char *command, int interactive, int tty)
{
        if (!interactive || !tty || isatty(STDIN_FILENO))
                return TOOL_OK;
        return tool_usage(command, "--tty with --interactive needs a terminal as standard input; leave --tty out");
}
