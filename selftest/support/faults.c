/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static const volatile char mark[] = FAULTS_MARK "00000000";
static const volatile char lack[] = FAULTS_LACK "0000 000 -";
static long lacking; /* the number of a system call, or 0 */
static int lacking_error;
static char lacking_kind;
static atomic_uint target, calls;
static _Atomic(const char *) failed;
static int told = -1; /* where to tell, -1: nowhere */

void faults_arm(unsigned number)
{
        failed = NULL;
        calls = 0;
        target = number;
}

const char *faults_disarm(void)
{
        target = 0;
        return failed;
}

ssize_t __real_write(int fd, const void *data, size_t size);

/* By one call, because a filter may allow no others. */
static void tell(const char *name)
{
        char line[64];
        int length = snprintf(line, sizeof(line), "fault: %s\n", name);

        (void) !__real_write(told, line, (size_t) length);
}

int faults_fails(const char *name, int error)
{
        unsigned wanted = target;

        if (!wanted || atomic_fetch_add(&calls, 1) + 1 != wanted)
                return 0;
        failed = name;
        if (told >= 0)
                tell(name);
        errno = error;
        return 1;
}

/* Memory. */
WRAP(void *, malloc, ENOMEM, NULL, (size_t n), n)
WRAP(void *, calloc, ENOMEM, NULL, (size_t n, size_t size), n, size)
WRAP(void *, realloc, ENOMEM, NULL, (void *p, size_t n), p, n)
WRAP(char *, strdup, ENOMEM, NULL, (const char *s), s)
WRAP(char *, strndup, ENOMEM, NULL, (const char *s, size_t n), s, n)
WRAP(void *, mmap, ENOMEM, MAP_FAILED, (void *p, size_t n, int prot, int flags, int fd, off_t at), p, n, prot, flags,
     fd, at)

/* Descriptors. */
WRAP(int, socketpair, EMFILE, -1, (int domain, int type, int protocol, int *pair), domain, type, protocol, pair)
WRAP(int, pipe2, EMFILE, -1, (int *pair, int flags), pair, flags)
WRAP(int, memfd_create, EMFILE, -1, (const char *name, unsigned flags), name, flags)
WRAP(int, signalfd, EMFILE, -1, (int fd, const sigset_t *mask, int flags), fd, mask, flags)
WRAP(DIR *, opendir, EMFILE, NULL, (const char *name), name)
WRAP(DIR *, fdopendir, ENOMEM, NULL, (int fd), fd)
WRAP(FILE *, fopen, EMFILE, NULL, (const char *name, const char *mode), name, mode)

/* Files. */
WRAP(ssize_t, read, EIO, -1, (int fd, void *p, size_t n), fd, p, n)
WRAP(ssize_t, write, EIO, -1, (int fd, const void *p, size_t n), fd, p, n)
WRAP(ssize_t, pread, EIO, -1, (int fd, void *p, size_t n, off_t at), fd, p, n, at)
WRAP(ssize_t, pwrite, ENOSPC, -1, (int fd, const void *p, size_t n, off_t at), fd, p, n, at)
WRAP(off_t, lseek, EIO, -1, (int fd, off_t at, int whence), fd, at, whence)
WRAP(int, ftruncate, ENOSPC, -1, (int fd, off_t size), fd, size)
WRAP(int, fstat, EIO, -1, (int fd, struct stat *st), fd, st)
WRAP(int, stat, EIO, -1, (const char *name, struct stat *st), name, st)
WRAP(int, fstatat, EIO, -1, (int directory, const char *name, struct stat *st, int flags), directory, name, st, flags)
WRAP(int, access, EIO, -1, (const char *name, int mode), name, mode)
WRAP(int, flock, ENOLCK, -1, (int fd, int operation), fd, operation)
WRAP(int, mkdir, ENOSPC, -1, (const char *name, mode_t mode), name, mode)
WRAP(int, mkdirat, ENOSPC, -1, (int directory, const char *name, mode_t mode), directory, name, mode)
WRAP(int, unlinkat, EIO, -1, (int directory, const char *name, int flags), directory, name, flags)
WRAP(int, fchmodat, EIO, -1, (int directory, const char *name, mode_t mode, int flags), directory, name, mode, flags)
WRAP(int, fchmod, EIO, -1, (int fd, mode_t mode), fd, mode)
WRAP(int, fchown, EPERM, -1, (int fd, uid_t uid, gid_t gid), fd, uid, gid)
WRAP(int, fchownat, EPERM, -1, (int directory, const char *name, uid_t uid, gid_t gid, int flags), directory, name, uid,
     gid, flags)
WRAP(int, futimens, EIO, -1, (int fd, const struct timespec times[2]), fd, times)
WRAP(int, utimensat, EIO, -1, (int directory, const char *name, const struct timespec times[2], int flags), directory,
     name, times, flags)
WRAP(int, linkat, EMLINK, -1, (int from, const char *name, int to, const char *new, int flags), from, name, to, new,
     flags)
WRAP(int, symlinkat, ENOSPC, -1, (const char *target_, int directory, const char *name), target_, directory, name)
WRAP(int, renameat, EIO, -1, (int from, const char *name, int to, const char *new), from, name, to, new)
WRAP(int, renameat2, EIO, -1, (int from, const char *name, int to, const char *new, unsigned flags), from, name, to,
     new, flags)
WRAP(int, syncfs, EIO, -1, (int fd), fd)
WRAP(FILE *, fdopen, ENOMEM, NULL, (int fd, const char *mode), fd, mode)
WRAP(int, fflush, ENOSPC, EOF, (FILE * f), f)
WRAP(int, chdir, EIO, -1, (const char *name), name)

/* Messages, processes, namespaces. */
WRAP(int, poll, ENOMEM, -1, (struct pollfd * fds, nfds_t n, int timeout), fds, n, timeout)
WRAP(ssize_t, sendmsg, ENOBUFS, -1, (int fd, const struct msghdr *m, int flags), fd, m, flags)
WRAP(ssize_t, recvmsg, ENOMEM, -1, (int fd, struct msghdr *m, int flags), fd, m, flags)
WRAP(int, setsockopt, ENOBUFS, -1, (int fd, int level, int name, const void *p, socklen_t n), fd, level, name, p, n)
WRAP(ssize_t, getrandom, EIO, -1, (void *p, size_t n, unsigned flags), p, n, flags)
WRAP(int, pthread_create, EAGAIN, EAGAIN,
     (pthread_t * id, const pthread_attr_t *attr, void *(*run)(void *), void *userdata), id, attr, run, userdata)
WRAP(pid_t, fork, EAGAIN, -1, (void), )
WRAP(int, unshare, ENOSPC, -1, (int flags), flags)
WRAP(int, setgroups, EPERM, -1, (size_t n, const gid_t *groups), n, groups)
WRAP(int, setresgid, EAGAIN, -1, (gid_t r, gid_t e, gid_t s), r, e, s)
WRAP(int, setresuid, EAGAIN, -1, (uid_t r, uid_t e, uid_t s), r, e, s)
WRAP(int, dup2, EMFILE, -1, (int from, int to), from, to)

/* Those with a variable number of arguments. */
int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, mode_t mode);
int __wrap_open(const char *name, int flags, mode_t mode)
{
        return faults_fails("open", EMFILE) ? -1 : __real_open(name, flags, mode);
}

int __real_openat(int directory, const char *name, int flags, ...);
int __wrap_openat(int directory, const char *name, int flags, mode_t mode);
int __wrap_openat(int directory, const char *name, int flags, mode_t mode)
{
        return faults_fails("openat", EMFILE) ? -1 : __real_openat(directory, name, flags, mode);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, long argument);
int __wrap_fcntl(int fd, int command, long argument)
{
        return faults_fails("fcntl", EMFILE) ? -1 : __real_fcntl(fd, command, argument);
}

int __real_prctl(int option, ...);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
        return faults_fails("prctl", EPERM) ? -1 : __real_prctl(option, a, b, c, d);
}

/* Whether this kernel is one that lacks the call, see FAULTS_LACK. */
static int lacks(long number, const char *type, const char *data, const struct mount_attr *attributes)
{
        int is_overlay = type && strcmp(type, "overlay") == 0;

        if (number != lacking)
                return 0;
        if (lacking_kind == 'i')
                return attributes && (attributes->attr_set & MOUNT_ATTR_IDMAP) != 0;
        if (lacking_kind == 'o' || lacking_kind == 'p')
                return is_overlay && (lacking_kind == 'o' || !data || !strstr(data, "metacopy=on"));
        return lacking_kind != 't' || (type && strcmp(type, "tmpfs") == 0);
}

#define MOUNT 9999L

int __real_mount(const char *source, const char *target_, const char *type, unsigned long flags, const void *data);
int __wrap_mount(const char *source, const char *target_, const char *type, unsigned long flags, const void *data);
int __wrap_mount(const char *source, const char *target_, const char *type, unsigned long flags, const void *data)
{
        if (lacking && lacks(MOUNT, type, data, NULL)) {
                errno = lacking_error;
                return -1;
        }
        return faults_fails("mount", ENOMEM) ? -1 : __real_mount(source, target_, type, flags, data);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
        if (lacking && lacks(number, NULL, NULL, (const struct mount_attr *) d)) {
                errno = lacking_error;
                return -1;
        }
        return faults_fails("syscall", EMFILE) ? -1 : __real_syscall(number, a, b, c, d, e, f);
}

int __wrap_asprintf(char **ret, const char *format, ...);
int __wrap_asprintf(char **ret, const char *format, ...)
{
        va_list args;

        if (faults_fails("asprintf", ENOMEM)) {
                *ret = (char *) 1; /* undefined, says asprintf(3) */
                return -1;
        }
        va_start(args, format);
        int r = vasprintf(ret, format, args);
        va_end(args);
        return r;
}

__attribute__((constructor)) static void arm_by_mark(void)
{
        unsigned number = 0;
        const volatile char *digits = lack + strlen(FAULTS_LACK);

        for (size_t i = 0; i < 4; i++)
                lacking = 10 * lacking + (digits[i] - '0');
        for (size_t i = 5; i < 8; i++)
                lacking_error = 10 * lacking_error + (digits[i] - '0');
        lacking_kind = digits[9];
        for (size_t i = strlen(FAULTS_MARK); i + 1 < sizeof(mark); i++)
                number = number * 10 + (unsigned) (mark[i] - '0');
        if (number) {
                char path[256] = "";
                ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof("faults"));
                while (length > 0 && path[length - 1] != '/')
                        length--;
                strcpy(path + (length > 0 ? length : 0), "faults");
                told = __real_open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
                told = __real_fcntl(told < 0 ? STDERR_FILENO : told, F_DUPFD_CLOEXEC, 200L);
                faults_arm(number);
        }
}
