/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <mayfly/file.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "container/container.h"
#include "image/open.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* The core file of the app. The kernel writes it where the host's core_pattern says: into the container, unless that is a pipe. */

#define PATTERN_FILE "/proc/sys/kernel/core_pattern"
#define PATTERN_SIZE 129 /* what Linux allows, and a NUL */

/* Reads core_pattern. */
static int read_pattern(char ret[PATTERN_SIZE], struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = open(PATTERN_FILE, O_RDONLY | O_CLOEXEC);

        ssize_t n = fd < 0 ? -errno : mf_read_full(fd, ret, PATTERN_SIZE - 1);
        if (n < 0)
                return mf_error_errno(err, (int) n, MAYFLY_STAGE_FILES, PATTERN_FILE);
        ret[n] = '\0';
        ret[strcspn(ret, "\n")] = '\0';
        if (*ret == '|')
                return mf_error(err, -ENOTSUP, MAYFLY_STAGE_FILES,
                                "this host's " PATTERN_FILE
                                " is \"%.100s\", so that the kernel gives core files to that "
                                "program, outside of the container; ask it (coredumpctl for systemd-coredump), or set "
                                "sysctl kernel.core_pattern=core",
                                ret);
        return 0;
}

/* Whether the app has left a core file, as far as its end tells. */
static int check_end(const struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mf_reports *reports = &container->reports;

        if (reports->app != MF_APP_ENDED)
                return mf_error(err, -EBUSY, MAYFLY_STAGE_FILES,
                                "the app of container %s has not ended, so that it has no core file; call "
                                "mayfly_container_wait() first",
                                container->machine);
        if (reports->app_end.si_code == CLD_DUMPED)
                return 0;
        return mf_error(
                err, -ENODATA, MAYFLY_STAGE_FILES, "the app of container %s has left no core file: it %s %d%s",
                container->machine,
                reports->app_end.si_code == CLD_EXITED ? "exited with status" : "was ended by signal",
                reports->app_end.si_status,
                reports->app_end.si_code == CLD_EXITED
                        ? ""
                        : "; for signals that leave one the spec needs .ulimits = "
                          "MAYFLY_STRINGS(\"core=-1\"), and the app a working directory that it may write to (.cwd)");
}

/* Makes a pattern for fnmatch(3) of the last part of core_pattern: each %X can be anything, and a PID may follow. */
static void make_glob(const char *name, char ret[NAME_MAX + 3])
{
        size_t n = 0;

        for (; *name && n < NAME_MAX; name++) {
                int is_variable = *name == '%' && name[1] && name[1] != '%';
                if (*name == '%' && name[1])
                        name++;
                if (!is_variable && strchr("*?[\\", *name) && n < NAME_MAX - 1)
                        ret[n++] = '\\';
                ret[n++] = is_variable ? '*' : *name;
        }
        ret[n++] = '*';
        ret[n] = '\0';
}

/* Finds the newest file whose name fits. Returns its name, or NULL. */
static const char *find_newest(struct mayfly_file_info *const *list, const char *glob)
{
        const struct mayfly_file_info *found = NULL;

        for (; *list; list++)
                if (S_ISREG((*list)->mode) && fnmatch(glob, (*list)->name, 0) == 0 &&
                    (!found || (*list)->mtime_ns > found->mtime_ns))
                        found = *list;
        return found ? found->name : NULL;
}

/* Splits the pattern into the directory, which is the app's own for a pattern without one, and a pattern of the name. */
static int split(const struct mayfly_container *container, const char *pattern, char directory[PATH_MAX],
                 char glob[NAME_MAX + 3])
{
        const char *slash = strrchr(pattern, '/');
        const char *cwd = container->spec.cwd ? container->spec.cwd : container->image->config->cwd;

        make_glob(slash ? slash + 1 : pattern, glob);
        int n = *pattern == '/' ? snprintf(directory, PATH_MAX, "%.*s", (int) (slash - pattern) + 1, pattern)
                                : snprintf(directory, PATH_MAX, "%s/%.*s", cwd ? cwd : "/",
                                           slash ? (int) (slash - pattern) : 0, pattern);
        return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Copies the core file that is in the directory. */
static int copy(struct mayfly_container *container, const char *directory, const char *glob, const char *file,
                struct mayfly_error *err)
{
        struct mayfly_file_info **list = NULL;
        char path[PATH_MAX + NAME_MAX + 2];

        int r = mayfly_container_list(container, directory, &list, err);
        if (r < 0)
                return r;
        const char *name = find_newest(list, glob);
        if (name)
                snprintf(path, sizeof(path), "%s/%s", directory, name);
        mayfly_file_list_free(list);
        if (!name)
                return mf_error(err, -ENOENT, MAYFLY_STAGE_FILES,
                                "the core file of container %s is not in %s, where its app began; the app may have "
                                "changed its working directory",
                                container->machine, directory);
        return mayfly_container_get(container, path, file, NULL, err);
}

MF_EXPORT int mayfly_container_core(struct mayfly_container *container, const char *file, struct mayfly_error *err)
{
        char pattern[PATTERN_SIZE] = "", directory[PATH_MAX], glob[NAME_MAX + 3];

        if (!container || !file || !*file)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_core() needs a container and a path for the core file");
        int r = mf_container_check_use(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        mf_container_receive(container);
        r = check_end(container, err);
        if (r == 0)
                r = read_pattern(pattern, err);
        if (r < 0)
                return r;
        r = split(container, pattern, directory, glob);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_FILES, "the directory of core files in the container")
                     : copy(container, directory, glob, file, err);
}
