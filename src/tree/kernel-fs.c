/* SPDX-License-Identifier: MIT */
#include "tree/kernel-fs.h"

#include <linux/magic.h>
#include <stddef.h>
#include <sys/vfs.h>

#include "util/macro.h"

#define MQUEUE_MAGIC 0x19800202 /* not in the header */

const char *mf_kernel_fs(int fd)
{
        static const struct {
                unsigned long magic;
                const char *name;
        } types[] = { { PROC_SUPER_MAGIC, "proc" },       { SYSFS_MAGIC, "sysfs" },
                      { CGROUP2_SUPER_MAGIC, "cgroup2" }, { CGROUP_SUPER_MAGIC, "cgroup" },
                      { DEVPTS_SUPER_MAGIC, "devpts" },   { MQUEUE_MAGIC, "mqueue" },
                      { DEBUGFS_MAGIC, "debugfs" },       { TRACEFS_MAGIC, "tracefs" },
                      { SECURITYFS_MAGIC, "securityfs" }, { BPF_FS_MAGIC, "bpf" } };
        struct statfs st;

        if (fstatfs(fd, &st) < 0)
                return NULL;
        for (size_t i = 0; i < MF_ELEMENTSOF(types); i++)
                if ((unsigned long) st.f_type == types[i].magic)
                        return types[i].name;
        return NULL;
}
