/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount/mount.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/process.h"

/* Whether what the path leads to is of the mount. */
static int is_of(int process, const char *path, unsigned long long mount)
{
        struct statx st;

        return statx(process, path, AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) == 0 && (st.stx_mask & STATX_MNT_ID) &&
               st.stx_mnt_id == mount;
}

/* Whether a descriptor of the process is of the mount. */
static int has_open(int process, unsigned long long mount)
{
        int fds = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC), found = 0;
        DIR *list = fds < 0 ? NULL : fdopendir(fds);

        if (!list)
                mf_close(fds);
        for (const struct dirent *entry; list && !found && (entry = readdir(list));)
                found = entry->d_name[0] != '.' && is_of(dirfd(list), entry->d_name, mount);
        if (list)
                closedir(list);
        return found;
}

/* Returns how the process uses the mount, or NULL. */
static const char *use_of(int process, unsigned long long mount)
{
        return is_of(process, "cwd", mount)    ? "its working directory is there"
               : is_of(process, "root", mount) ? "its root directory is there"
               : is_of(process, "exe", mount)  ? "its program is there"
               : has_open(process, mount)      ? "it has a file there open"
                                               : NULL;
}

/* Writes the name of the process, and the PID that it has inside. */
static void describe(int process, const char *use, char *ret, size_t size)
{
        char name[64] = "?", numbers[256] = "";

        (void) mf_process_status_at(process, "Name:\t", name, sizeof(name));
        (void) mf_process_status_at(process, "NSpid:", numbers, sizeof(numbers));
        const char *inside = strrchr(numbers, '\t');
        snprintf(ret, size, "process %s of the container (%s): %s", inside ? inside + 1 : "0", name, use);
}

void mount_find_user(int proc, unsigned long long mount, char *ret, size_t size)
{
        int copy = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = copy < 0 ? NULL : fdopendir(copy);
        const char *use = NULL;

        *ret = '\0';
        if (!list)
                mf_close(copy);
        for (const struct dirent *entry; list && !use && (entry = readdir(list));) {
                if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
                        continue;
                mf_cleanup(mf_closep) int process =
                        openat(dirfd(list), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                use = process < 0 ? NULL : use_of(process, mount);
                if (use)
                        describe(process, use, ret, size);
        }
        if (list)
                closedir(list);
}
