/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/program-path.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "util/error.h"
#include "util/macro.h"

#ifndef MF_LIBEXECDIR
#define MF_LIBEXECDIR "/usr/libexec/mayfly"
#define MF_LIBEXEC_FROM_LIB "../libexec/mayfly"
#define MF_LIBEXEC_FROM_BIN "../libexec/mayfly"
#endif

/* Returns the path of the file `relative`/`name` in the directory of `file`, allocated, or NULL when there is none. */
static char *program_beside(const char *file, const char *relative, const char *name)
{
        mf_cleanup(mf_freep) char *path = NULL;
        const char *slash = strrchr(file, '/');

        if (file[0] != '/')
                return NULL;
        if (asprintf(&path, "%.*s/%s/%s", (int) (slash - file), file, relative, name) < 0) {
                path = NULL;
                return NULL;
        }
        return realpath(path, NULL);
}

/* Whether this code is in the program itself, as in the command `mayfly`, and not in a library. */
static int is_in_program(const Dl_info *here)
{
        Dl_info program;

        return dladdr((void *) (uintptr_t) getauxval(AT_PHDR), &program) != 0 && program.dli_fbase == here->dli_fbase;
}

/* Looks for the program at its place relative to this code, since all was installed to one prefix, which may have been
 * moved. Returns an allocated path, or NULL when it is not there. */
static char *program_of_prefix(const char *name)
{
        char exe[PATH_MAX];
        Dl_info here;

        if (dladdr((void *) (uintptr_t) mf_program_path, &here) == 0 || !here.dli_fname)
                return NULL;
        if (!is_in_program(&here))
                return program_beside(here.dli_fname, MF_LIBEXEC_FROM_LIB, name);
        ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
        if (n < 0)
                return NULL;
        exe[n] = '\0';
        return program_beside(exe, MF_LIBEXEC_FROM_BIN, name);
}

int mf_program_path(const char *name, char **ret, struct mayfly_error *err)
{
        const char *directory = secure_getenv("MAYFLY_LIBEXEC");
        int given = directory && *directory;
        mf_cleanup(mf_freep) char *path = given ? NULL : program_of_prefix(name);

        if (!path && asprintf(&path, "%s/%s", given ? directory : MF_LIBEXECDIR, name) < 0) {
                path = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_HOST);
        }
        if (path[0] != '/')
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "MAYFLY_LIBEXEC is \"%.200s\"; give an absolute path",
                                directory);
        if (access(path, X_OK) < 0)
                return mf_error(
                        err, -ENOEXEC, MAYFLY_STAGE_HOST, /* a broken install, not a host that lacks something */
                        "mayfly's helper program %s cannot be executed: %s; install mayfly to the prefix it was "
                        "configured for, or set MAYFLY_LIBEXEC to the directory that has %s",
                        path, strerrordesc_np(errno), name);
        *ret = mf_take(path);
        return 0;
}
