/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/container.h"
#include "container/logs.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

int mf_log_create(uint64_t capacity, int *ret)
{
        const struct mf_log_header header = { .magic = MF_LOG_MAGIC, .capacity = capacity };
        struct rlimit limit;

        /* A memfd counts as a file, and to go over the limit would kill the program with SIGXFSZ. */
        if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < MF_LOG_DATA + capacity)
                return -EFBIG;
        mf_cleanup(mf_closep) int fd = memfd_create("mayfly-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0 || ftruncate(fd, (off_t) (MF_LOG_DATA + capacity)) < 0 ||
            pwrite(fd, &header, sizeof(header), 0) != (ssize_t) sizeof(header))
                return -errno;
        /* Nothing in the container can make our mapping fault by cutting the file short. */
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;
        *ret = mf_take_fd(&fd);
        return 0;
}

/* Far more than all of the messages of a start. */
#define BOOT_LOG_SIZE (256U * 1024)

int mf_boot_log_create(int *ret)
{
        mf_cleanup(mf_closep) int fd = memfd_create("mayfly-boot-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        struct rlimit limit;

        if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < BOOT_LOG_SIZE)
                return -EFBIG;
        if (fd < 0 || ftruncate(fd, BOOT_LOG_SIZE) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;
        *ret = mf_take_fd(&fd);
        return 0;
}

int mf_boot_log_read(int boot_log, size_t max, char **ret)
{
        off_t end = lseek(boot_log, 0, SEEK_CUR); /* where the writers are, too */

        if (end < 0)
                return -errno;
        size_t size = (uint64_t) end < max ? (size_t) end : max;
        char *copy = malloc(size + 1);
        if (!copy)
                return -ENOMEM;
        ssize_t n = pread(boot_log, copy, size, end - (off_t) size);
        if (n < 0) {
                int r = -errno;
                free(copy);
                return r;
        }
        copy[n] = '\0';
        *ret = copy;
        return 0;
}

int mf_log_read(int log, size_t max, char **ret, size_t *ret_size)
{
        struct stat st;

        if (fstat(log, &st) < 0)
                return -errno;
        const uint64_t capacity = (uint64_t) st.st_size - MF_LOG_DATA; /* not the header's word for it */
        const char *map = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, log, 0);
        if (map == MAP_FAILED)
                return -errno;
        const struct mf_log_header *header = (const struct mf_log_header *) (const void *) map;

        uint64_t end = __atomic_load_n(&header->written, __ATOMIC_ACQUIRE);
        uint64_t size = end < capacity ? end : capacity;
        if (size > max)
                size = max;
        char *copy = malloc((size_t) size + 1);
        if (!copy) {
                munmap((void *) (uintptr_t) map, (size_t) st.st_size);
                return -ENOMEM;
        }
        for (uint64_t i = 0; i < size;) {
                uint64_t at = (end - size + i) % capacity;
                uint64_t n = size - i < capacity - at ? size - i : capacity - at;
                memcpy(copy + i, map + MF_LOG_DATA + at, (size_t) n);
                i += n;
        }
        /* What the writer overwrote meanwhile is the oldest part: leave it out. */
        uint64_t now = __atomic_load_n(&header->written, __ATOMIC_ACQUIRE), lost = 0;
        if (now - (end - size) > capacity)
                lost = now - (end - size) - capacity;
        munmap((void *) (uintptr_t) map, (size_t) st.st_size);
        if (lost > size)
                lost = size;
        memmove(copy, copy + lost, (size_t) (size - lost));
        size -= lost;
        copy[size] = '\0';
        *ret = copy;
        if (ret_size)
                *ret_size = (size_t) size;
        return 0;
}

MF_EXPORT int mayfly_container_logs(struct mayfly_container *container, char **ret, size_t *ret_size,
                                    struct mayfly_error *err)
{
        if (!container || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_LOGS,
                                "mayfly_container_logs() needs a container and a result");
        int r = mf_container_check_owner(container, err);
        if (r < 0)
                return r;
        r = mf_log_read(container->log, SIZE_MAX, ret, ret_size);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_LOGS, "reading the log of %s", container->machine);
        return 0;
}
