/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/logs.h"
#include "util/fd.h"
#include "util/macro.h"

/* The files that keep what a container says: mayfly-init's log of the app, and the log of the start. */

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Makes a file of this size in memory that nobody can cut short, so that no mapping of it faults. Returns 0 or -errno. */
static int create_file(const char *name, uint64_t size, int *ret)
{
        struct rlimit limit;

        /* It counts as a file, and to go over the limit would kill the program with SIGXFSZ. */
        if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size)
                return -EFBIG;
        mf_cleanup(mf_closep) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0 || ftruncate(fd, (off_t) size) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        *ret = mf_take_fd(&fd);
        return 0;
}

/* An entry for each 32 bytes: lines are longer on average, so that their entries are kept as long as they. */
#define BYTES_PER_ENTRY 32U
#define ENTRIES_MIN 64U

static uint64_t size_of(const struct mf_log *log)
{
        return MF_LOG_DATA(log->n_entries) + log->capacity;
}

int mf_log_create(struct mf_log *ret, uint64_t capacity, int separate)
{
        struct mf_log log = { .fd = -1,
                              .capacity = capacity,
                              .n_entries = capacity / BYTES_PER_ENTRY + ENTRIES_MIN,
                              .separate = separate };
        mf_cleanup(mf_closep) int fd = -1;

        int r = create_file("mayfly-log", size_of(&log), &fd);
        if (r < 0)
                return r;
        log.map = mmap(NULL, (size_t) size_of(&log), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (log.map == MAP_FAILED)
                return -errno;
        *(struct mf_log_header *) log.map = (struct mf_log_header){
                .magic = MF_LOG_MAGIC, .separate = separate != 0, .capacity = capacity, .n_entries = log.n_entries
        };
        log.fd = mf_take_fd(&fd);
        *ret = log;
        return 0;
}

int mf_log_attach(struct mf_log *ret, int fd, const struct mf_log *shape)
{
        mf_cleanup(mf_closep) int own = fd;
        struct mf_log log = *shape;
        struct stat st;

        if (fstat(own, &st) < 0)
                return -errno;
        if (log.n_entries == 0 || (uint64_t) st.st_size != size_of(&log))
                return -EPROTO;
        log.map = mmap(NULL, (size_t) size_of(&log), PROT_READ, MAP_SHARED, own, 0);
        if (log.map == MAP_FAILED)
                return -errno;
        log.fd = mf_take_fd(&own);
        *ret = log;
        return 0;
}

void mf_log_close(struct mf_log *log)
{
        if (log->map)
                munmap(log->map, (size_t) size_of(log));
        mf_close(log->fd);
        *log = MF_LOG_NONE;
}

void mf_log_append(const struct mf_log *log, const char *data, size_t size, enum mf_log_stream stream)
{
        const struct mf_log_writer writer = { .map = log->map, .capacity = log->capacity, .n_entries = log->n_entries };

        if (log->map && size > 0)
                mf_log_write(&writer, data, size, log->separate ? stream : MF_LOG_MERGED);
}

/* Far more than all of the messages of a start. */
#define BOOT_LOG_SIZE (256U * 1024)

int mf_boot_log_create(int *ret)
{
        return create_file("mayfly-boot-log", BOOT_LOG_SIZE, ret);
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
