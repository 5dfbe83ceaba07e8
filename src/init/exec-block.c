/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "init/init.h"
#include "protocol/exec-block.h"

/* "NAME=value" over an earlier value of the same name. */
static void put_env(char **env, size_t *n, char *assignment)
{
        size_t length = strcspn(assignment, "=") + 1;

        for (size_t i = 0; i < *n; i++)
                if (strncmp(env[i], assignment, length) == 0) {
                        env[i] = assignment;
                        return;
                }
        env[(*n)++] = assignment;
}

int mf_words_read(int fd, struct mf_words *ret)
{
        struct mf_words words = { .cwd = "/", .user = "0" };
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        size_t size = (size_t) st.st_size;
        if (size == 0)
                return -EPROTO;
        char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
                return -errno;
        if (data[size - 1] != '\0')
                return -EPROTO;

        size_t n_words = 0, n_argv = 0, n_env = 0, n_pre = 0, n_post = 0, n_sockets = 0;
        for (const char *p = data; p < data + size; p += strlen(p) + 1)
                n_words++;
        words.argv = calloc(n_words + 1, sizeof(char *));
        words.env = calloc(n_words + 5, sizeof(char *)); /* room for HOME and LISTEN_* */
        words.extra_groups = calloc(n_words + 1, sizeof(gid_t));
        words.pre_start = calloc(n_words + 1, sizeof(char *));
        words.post_stop = calloc(n_words + 1, sizeof(char *));
        words.sockets = calloc(n_words + 1, sizeof(char *));
        if (!words.argv || !words.env || !words.extra_groups || !words.pre_start || !words.post_stop || !words.sockets)
                return -ENOMEM;

        for (char *p = data, *next; p < data + size; p = next) {
                next = p + strlen(p) + 1;
                switch ((enum mf_exec_tag) p[0]) {
                case MF_EXEC_ARGV:
                        words.argv[n_argv++] = p + 1;
                        break;
                case MF_EXEC_ENV:
                        put_env(words.env, &n_env, p + 1);
                        break;
                case MF_EXEC_CWD:
                        words.cwd = p + 1;
                        break;
                case MF_EXEC_USER:
                        words.user = p + 1;
                        break;
                case MF_EXEC_GROUP:
                        words.group = p + 1;
                        break;
                case MF_EXEC_EXTRA_GROUP:
                        words.extra_groups[words.n_extra_groups++] = (gid_t) strtoul(p + 1, NULL, 10);
                        break;
                case MF_EXEC_BOUND:
                        words.bound = strtoull(p + 1, NULL, 16);
                        break;
                case MF_EXEC_PRE_START:
                        words.pre_start[n_pre++] = p + 1;
                        break;
                case MF_EXEC_POST_STOP:
                        words.post_stop[n_post++] = p + 1;
                        break;
                case MF_EXEC_HOOK_TIMEOUT:
                        words.hook_timeout_ms = (int) strtol(p + 1, NULL, 10);
                        break;
                case MF_EXEC_SOCKET:
                        words.sockets[n_sockets++] = p + 1;
                        break;
                case MF_EXEC_CAPABILITIES:
                        words.confinement.has_capabilities = 1;
                        words.confinement.capabilities = strtoull(p + 1, NULL, 16);
                        break;
                case MF_EXEC_NO_NEW_PRIVS:
                        words.confinement.no_new_privs = 1;
                        break;
                case MF_EXEC_OOM_SCORE_ADJ:
                        words.confinement.oom_score_adj = p + 1;
                        break;
                default:
                        return -EPROTO;
                }
        }
        *ret = words;
        return 0;
}
