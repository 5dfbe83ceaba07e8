/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/init.h"

static struct mf_log_header *header;
static struct mf_log_writer writer;

int mf_log_open(int memfd)
{
        struct stat st;

        if (fstat(memfd, &st) < 0)
                return -errno;
        if (st.st_size <= (off_t) MF_LOG_INDEX)
                return -EPROTO;
        void *map = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
        if (map == MAP_FAILED)
                return -errno;
        header = map;
        if (header->magic != MF_LOG_MAGIC || header->capacity == 0 || header->n_entries == 0 ||
            (uint64_t) st.st_size != MF_LOG_DATA(header->n_entries) + header->capacity)
                return -EPROTO;
        writer = (struct mf_log_writer){ .map = map, .capacity = header->capacity, .n_entries = header->n_entries };
        return 0;
}

int mf_log_is_separate(void)
{
        return header->separate != 0;
}

/* Removes each "\r". Returns how many bytes are left. */
static size_t remove_returns(char *data, size_t size)
{
        size_t kept = 0;

        for (size_t i = 0; i < size; i++)
                if (data[i] != '\r')
                        data[kept++] = data[i];
        return kept;
}

int mf_log_drain(int fd, enum mf_log_stream stream, int is_terminal)
{
        static char buffer[64 * 1024];

        /* Bounded, so that an app that never stops writing cannot keep PID 1 from its other work. */
        for (unsigned i = 0; i < 16; i++) {
                ssize_t n = read(fd, buffer, sizeof(buffer));
                if (n == 0)
                        return 0;
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 1 : 0;
                size_t size = is_terminal ? remove_returns(buffer, (size_t) n) : (size_t) n;
                if (size > 0)
                        mf_log_write(&writer, buffer, size, stream);
        }
        return 1;
}

void mf_log_note(const char *line)
{
        enum mf_log_stream stream = mf_log_is_separate() ? MF_LOG_ERROR : MF_LOG_MERGED;

        mf_log_write(&writer, line, strlen(line), stream);
        mf_log_write(&writer, "\n", 1, stream);
}
