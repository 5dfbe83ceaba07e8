/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/log-dir.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/escape.h"
#include "util/fd.h"
#include "util/macro.h"

#define SHOWN 1000U

/* Its path, or NULL. */
static const char *directory(void)
{
        const char *value = secure_getenv("MAYFLY_LOG_DIR");

        return value && *value ? value : NULL;
}

int mf_log_dir_is_set(void)
{
        return directory() != NULL;
}

int mf_log_dir_path(const char *name, const char *suffix, char *ret, size_t size)
{
        const char *path = directory();
        int n = path ? snprintf(ret, size, "%s/", path) : -1;

        if (n < 0 || (size_t) n + strlen(name) + strlen(suffix) >= size)
                return -ENAMETOOLONG;
        for (char *to = ret + n;; to++, name++) {
                *to = *name;
                if (!*name)
                        break;
                /* Artifacts of CI services may have few others in their names. */
                if (!isascii((unsigned char) *name) || (!isalnum((unsigned char) *name) && !strchr("-_.", *name)))
                        *to = '-';
        }
        strcat(ret, suffix);
        return 0;
}

void mf_log_dir_warn(int code)
{
        static atomic_flag told = ATOMIC_FLAG_INIT;
        const char *path = directory();
        char shown[SHOWN], line[SHOWN + 200];

        if (!path || atomic_flag_test_and_set(&told))
                return;
        mf_escape(shown, sizeof(shown), path);
        int n = snprintf(line, sizeof(line),
                         "mayfly: warning: no log is kept in MAYFLY_LOG_DIR, %s: %s; name a directory that can be "
                         "written\n",
                         shown, strerrordesc_np(-code));
        (void) mf_write_full(STDERR_FILENO, line, (size_t) n);
}

int mf_log_dir_open(const char *name, const char *suffix)
{
        const char *parent = directory();
        char path[PATH_MAX];

        if (!parent)
                return -1;
        int r = mf_log_dir_path(name, suffix, path, sizeof(path));
        /* The umask decides who may read it: the step that collects the files may run as another user. */
        if (r == 0 && mkdir(parent, 0777) < 0 && errno != EEXIST)
                r = -errno;
        int fd = r == 0 ? open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666) : -1;
        if (r == 0 && fd < 0)
                r = -errno;
        if (r < 0)
                mf_log_dir_warn(r);
        return fd;
}
