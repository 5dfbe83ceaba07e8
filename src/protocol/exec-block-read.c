/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "protocol/exec-block-read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "protocol/exec-block.h"

#define ENV_ROOM 5 /* for HOME, LISTEN_* and the end */

/* Orders assignments by name, and those of one name by their place in the block. */
static int compare_assignments(const void *a, const void *b)
{
        const char *x = *(char *const *) a, *y = *(char *const *) b;
        size_t length_x = strcspn(x, "="), length_y = strcspn(y, "=");
        int r = memcmp(x, y, length_x < length_y ? length_x : length_y);

        if (r == 0)
                r = (length_x > length_y) - (length_x < length_y);
        return r ? r : (x > y) - (x < y);
}

static int same_name(const char *x, const char *y)
{
        size_t length = strcspn(x, "=");

        return strncmp(x, y, length) == 0 && (y[length] == '=' || y[length] == '\0');
}

/* Leaves the last assignment of each name, in the order of the block. Returns 0 or -ENOMEM. */
static int resolve_overrides(char **env)
{
        size_t n = 0, kept = 0;

        while (env[n])
                n++;
        char **sorted = calloc(n + 1, sizeof(char *));
        if (!sorted)
                return -ENOMEM;
        if (n > 0)
                memcpy(sorted, env, n * sizeof(char *));
        qsort(sorted, n, sizeof(char *), compare_assignments);
        for (size_t i = 0; i + 1 < n; i++)
                if (same_name(sorted[i], sorted[i + 1]))
                        sorted[i][0] = '\0'; /* overridden; the next comparison is of the one after it */
        for (size_t i = 0; i < n; i++)
                if (env[i][0])
                        env[kept++] = env[i];
        env[kept] = NULL;
        free(sorted);
        return 0;
}

/* Maps the block and sets *ret_size. Returns its bytes, the last of which is NUL, or NULL with errno set. */
static char *map_block(int fd, size_t *ret_size)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return NULL;
        if (st.st_size <= 0) {
                errno = EPROTO;
                return NULL;
        }
        char *data = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
                return NULL;
        if (data[st.st_size - 1] != '\0') {
                munmap(data, (size_t) st.st_size);
                errno = EPROTO;
                return NULL;
        }
        *ret_size = (size_t) st.st_size;
        return data;
}

/* The lists, and the room that each needs besides its strings and its end. */
static const struct {
        enum mf_exec_tag tag;
        size_t at, room;
} lists[] = {
        { MF_EXEC_ARGV, offsetof(struct mf_exec, argv), 0 },
        { MF_EXEC_ENV, offsetof(struct mf_exec, env), ENV_ROOM },
        { MF_EXEC_PRE_START, offsetof(struct mf_exec, pre_start), 0 },
        { MF_EXEC_POST_STOP, offsetof(struct mf_exec, post_stop), 0 },
        { MF_EXEC_SOCKET, offsetof(struct mf_exec, sockets), 0 },
        { MF_EXEC_DIRECTORY, offsetof(struct mf_exec, directories), 0 },
        { MF_EXEC_ULIMIT, offsetof(struct mf_exec, ulimits), 0 },
        { MF_EXEC_SYSCTL, offsetof(struct mf_exec, sysctls), 0 },
};

#define N_LISTS (sizeof(lists) / sizeof(lists[0]))

static char ***list_at(const struct mf_exec *exec, size_t i)
{
        return (char ***) (void *) ((char *) (uintptr_t) exec + lists[i].at);
}

void mf_exec_free_lists(const struct mf_exec *exec)
{
        for (size_t i = 0; i < N_LISTS; i++)
                free(*list_at(exec, i));
        free(exec->extra_groups);
}

/* Makes every list long enough for `n` strings and its end. Returns 0 or -ENOMEM. */
static int allocate_lists(struct mf_exec *exec, size_t n)
{
        exec->extra_groups = calloc(n + 1, sizeof(gid_t));
        int r = exec->extra_groups ? 0 : -ENOMEM;
        for (size_t i = 0; i < N_LISTS; i++) {
                *list_at(exec, i) = calloc(n + 1 + lists[i].room, sizeof(char *));
                if (!*list_at(exec, i))
                        r = -ENOMEM;
        }
        return r;
}

/* Takes what is no list. Returns 0 or -EPROTO. */
static int take_value(enum mf_exec_tag tag, char *value, struct mf_exec *exec)
{
        switch (tag) {
        case MF_EXEC_CWD:
                exec->cwd = value;
                return 0;
        case MF_EXEC_USER:
                exec->user = value;
                return 0;
        case MF_EXEC_GROUP:
                exec->group = value;
                return 0;
        case MF_EXEC_EXTRA_GROUP:
                exec->extra_groups[exec->n_extra_groups++] = (gid_t) strtoul(value, NULL, 10);
                return 0;
        case MF_EXEC_ONLY_GROUPS:
                exec->only_groups = 1;
                return 0;
        case MF_EXEC_BOUND:
                exec->bound = strtoull(value, NULL, 16);
                return 0;
        case MF_EXEC_SHM_SIZE:
                exec->shm_size = value;
                return 0;
        case MF_EXEC_READ_ONLY:
                exec->read_only = 1;
                return 0;
        case MF_EXEC_HOOK_TIMEOUT:
                exec->hook_timeout_ms = (int) strtol(value, NULL, 10);
                return 0;
        case MF_EXEC_CAPABILITIES:
                exec->confinement.has_capabilities = 1;
                exec->confinement.capabilities = strtoull(value, NULL, 16);
                return 0;
        case MF_EXEC_NO_NEW_PRIVS:
                exec->confinement.no_new_privs = 1;
                return 0;
        case MF_EXEC_OOM_SCORE_ADJ:
                exec->confinement.oom_score_adj = value;
                return 0;
        case MF_EXEC_BOOT:
                exec->boot = 1;
                return 0;
        case MF_EXEC_NOTIFY:
                exec->notify = value;
                return 0;
        default:
                return -EPROTO;
        }
}

/* `counts` says how many strings each list has so far. */
static int take_string(enum mf_exec_tag tag, char *value, struct mf_exec *exec, size_t counts[N_LISTS])
{
        for (size_t i = 0; i < N_LISTS; i++)
                if (lists[i].tag == tag) {
                        (*list_at(exec, i))[counts[i]++] = value;
                        return 0;
                }
        return take_value(tag, value, exec);
}

int mf_exec_block_read(int fd, struct mf_exec *ret)
{
        struct mf_exec exec = { .cwd = "/", .user = "0" };
        size_t counts[N_LISTS] = { 0 }, n = 0, size = 0;

        char *data = map_block(fd, &size);
        if (!data)
                return -errno;
        for (const char *p = data; p < data + size; p += strlen(p) + 1)
                n++;
        int r = allocate_lists(&exec, n);
        for (char *p = data, *next; r == 0 && p < data + size; p = next) {
                next = p + strlen(p) + 1;
                r = *p ? take_string((enum mf_exec_tag) * p, p + 1, &exec, counts) : -EPROTO;
        }
        if (r == 0)
                r = resolve_overrides(exec.env);
        if (r < 0) {
                mf_exec_free_lists(&exec);
                munmap(data, size);
                return r;
        }
        *ret = exec;
        return 0;
}
