/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init/init.h"
#include "init/masked-paths.h"

static const char *const paths[] = { MF_MASKED_PATHS };

/* A directory becomes an empty one that is read-only, everything else /dev/null. Returns 0 or -errno. */
static int mask(const char *path)
{
        struct stat st;

        if (lstat(path, &st) < 0)
                return errno == ENOENT || errno == EACCES ? 0 : -errno;
        int r = S_ISDIR(st.st_mode) ? mount("mayfly-mask", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                                            "size=4k,mode=0755")
                                    : mount("/dev/null", path, NULL, MS_BIND, NULL);
        return r < 0 ? -errno : 0;
}

int mf_mask_kernel_files(char *text, size_t text_size)
{
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                int r = mask(paths[i]);
                if (r < 0) {
                        snprintf(text, text_size, "hiding %s: %s", paths[i], strerrordesc_np(-r));
                        return r;
                }
        }
        return 0;
}

/* Mounts a path over itself, with these flags. One that this kernel has not is left out. Returns 0 or -errno. */
static int mount_again(const char *path, unsigned long flags)
{
        flags |= MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC;
        if (mount(path, path, NULL, MS_BIND, NULL) < 0)
                return errno == ENOENT ? 0 : -errno;
        return mount(NULL, path, NULL, flags, NULL) < 0 ? -errno : 0;
}

int mf_mask_for_boot(char *text, size_t text_size)
{
        static const struct {
                const char *path;
                unsigned long flags;
        } parts[] = {
                { "/proc/sys", MS_RDONLY }, { "/proc/sys/net", 0 }, /* of the container's own network */
                { "/proc/bus", MS_RDONLY }, { "/proc/fs", MS_RDONLY },
                { "/proc/irq", MS_RDONLY }, { "/proc/sysrq-trigger", MS_RDONLY },
        };

        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
                int r = mount_again(parts[i].path, parts[i].flags);
                if (r < 0) {
                        snprintf(text, text_size, "mounting %s: %s", parts[i].path, strerrordesc_np(-r));
                        return r;
                }
        }
        /* By this journald decides whether lines on the console begin with a time; those of the log have one anyway. */
        (void) mask("/sys/module/printk/parameters/time");
        return mf_mask_kernel_files(text, text_size);
}
