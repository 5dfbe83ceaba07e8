/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/init.h"

/* What Linux reads of a script's first line, and more than it takes to find the program headers of what a linker writes. */
#define HEAD_MAX 4096U

/* Copies a name that shows in a message as it is. Returns 0 or -ENOENT. */
static int copy_name(const char *name, size_t length, char *ret, size_t size)
{
        if (length == 0 || length >= size)
                return -ENOENT;
        for (size_t i = 0; i < length; i++)
                if (name[i] <= ' ' || name[i] >= 0x7f)
                        return -ENOENT;
        memcpy(ret, name, length);
        ret[length] = '\0';
        return 0;
}

static int find_in_script(const char *head, size_t size, char *ret, size_t ret_size)
{
        char line[HEAD_MAX + 1];

        snprintf(line, sizeof(line), "%.*s", (int) size - 2, head + 2);
        const char *name = line + strspn(line, " \t");
        return copy_name(name, strcspn(name, " \t\n"), ret, ret_size);
}

/* Finds the dynamic loader of a program of this machine's own kind. Others, such as 32-bit ones, are left to the kernel. */
static int find_in_elf(const char *head, size_t size, char *ret, size_t ret_size)
{
        ElfW(Ehdr) elf;
        ElfW(Phdr) segment;

        if (size < sizeof(elf) || head[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
                return -ENOENT;
        memcpy(&elf, head, sizeof(elf));
        for (size_t i = 0; i < elf.e_phnum; i++) {
                if (elf.e_phoff > size || size - elf.e_phoff < (i + 1) * sizeof(segment))
                        return -ENOENT;
                memcpy(&segment, head + elf.e_phoff + i * sizeof(segment), sizeof(segment));
                if (segment.p_type == PT_INTERP)
                        return segment.p_offset >= size
                                       ? -ENOENT
                                       : copy_name(head + segment.p_offset,
                                                   strnlen(head + segment.p_offset, size - segment.p_offset), ret,
                                                   ret_size);
        }
        return -ENOENT;
}

int mf_interpreter_missing(const char *program, struct mf_interpreter *ret)
{
        char head[HEAD_MAX];
        struct stat st;

        /* A device may do something when it is opened, and a FIFO waits. */
        if (stat(program, &st) < 0 || !S_ISREG(st.st_mode))
                return 0;
        int fd = open(program, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return 0;
        ssize_t n = read(fd, head, sizeof(head));
        close(fd);
        ret->is_script = n > 2 && memcmp(head, "#!", 2) == 0;
        int r = n < SELFMAG ? -ENOENT : -ENOEXEC;
        if (ret->is_script)
                r = find_in_script(head, (size_t) n, ret->name, sizeof(ret->name));
        else if (n >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0)
                r = find_in_elf(head, (size_t) n, ret->name, sizeof(ret->name));
        return r == 0 && access(ret->name, F_OK) < 0 && errno == ENOENT;
}
