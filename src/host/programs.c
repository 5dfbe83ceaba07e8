/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/check.h"
#include "util/error.h"
#include "util/library.h"
#include "util/macro.h"
#include "util/program-path.h"

void mf_probe_programs(const struct mf_host *host, struct mf_host_finding *ret)
{
        static const char *const names[] = { "mayfly-launch",  "mayfly-init", "mayfly-forward", "mayfly-files",
                                             "mayfly-network", "mayfly-keep", "mayfly-mount",   "mayfly-helper" };
        size_t n = MF_ELEMENTSOF(names) - (host->is_root ? 1 : 0);
        char directory[PATH_MAX] = "";

        for (size_t i = 0; i < n; i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                mf_cleanup(mf_freep) char *path = NULL;
                if (mf_program_path(names[i], &path, &err) < 0) {
                        mf_host_take_error(ret, &err);
                        return;
                }
                snprintf(directory, sizeof(directory), "%.*s", (int) (strrchr(path, '/') - path), path);
        }
        mf_host_ok(ret, "mayfly's programs are in %s", directory);
}

void mf_probe_libraries(const struct mf_host *host, struct mf_host_finding *ret)
{
        (void) host;
        for (enum mf_library i = 0; i < MF_N_LIBRARIES; i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                if (mf_library_check(i, &err) < 0) {
                        mf_host_take_error(ret, &err);
                        return;
                }
        }
        mf_host_ok(ret, "the libraries that mayfly loads when it needs them are there");
}

void mf_probe_nspawn(const struct mf_host *host, struct mf_host_finding *ret)
{
        char path[MF_PROGRAM_MAX];

        (void) host;
        if (mf_host_find_program("systemd-nspawn", path) == 0) {
                mf_host_ok(ret, "%s is there", path);
                return;
        }
        mf_host_missing(ret, -ENOENT, "systemd-nspawn is not installed");
        mf_host_remedy(ret, "on Debian: apt-get install systemd-container");
}

/* Runs a systemd-nspawn to ask for its version. Puts the first line of what it prints into `text`. Returns the version, or 0
 * when it does not say. */
static long ask_version(char *path, char *text, size_t size)
{
        char option[] = "--version";
        char *argv[] = { path, option, NULL };

        int status = mf_host_run_program(argv, text, size);
        text[strcspn(text, "\n")] = '\0';
        long version = strncmp(text, "systemd ", 8) == 0 ? strtol(text + 8, NULL, 10) : 0;
        return status != 0 || version < 0 ? 0 : version;
}

long mf_host_nspawn_version(void)
{
        char path[MF_PROGRAM_MAX], text[512];

        return mf_host_find_program("systemd-nspawn", path) < 0 ? 0 : ask_version(path, text, sizeof(text));
}

/* The first version that mayfly was tested with. */
#define NSPAWN_VERSION 252L

void mf_probe_nspawn_version(const struct mf_host *host, struct mf_host_finding *ret)
{
        char path[MF_PROGRAM_MAX], text[512];

        (void) host;
        if (mf_host_find_program("systemd-nspawn", path) < 0) {
                mf_host_warning(ret, "systemd-nspawn has no version, as it is not installed");
                mf_host_remedy(ret, "on Debian: apt-get install systemd-container");
                return;
        }
        long version = ask_version(path, text, sizeof(text));
        if (version == 0) {
                mf_host_warning(ret, "%s --version fails%s%.200s", path, *text ? ": " : "", text);
                mf_host_remedy(ret, "install it again; on Debian: apt-get install --reinstall systemd-container");
        } else if (version < NSPAWN_VERSION) {
                mf_host_warning(ret, "%s is version %ld, and mayfly was not tested with one before %ld", path, version,
                                NSPAWN_VERSION);
                mf_host_remedy(ret, "if containers do not start, install a newer systemd");
        } else {
                mf_host_ok(ret, "%s is version %ld", path, version);
        }
}

/* Writes the path of a program for a profile, without the pattern characters that AppArmor knows. */
static int quote_path(char ret[PATH_MAX], const char *path)
{
        if (path[0] != '/' || strlen(path) >= PATH_MAX || strpbrk(path, "*?[]{}^\"\\@,\n"))
                return -EINVAL;
        strcpy(ret, path);
        return 0;
}

int mf_host_apparmor_profile(char **ret, struct mayfly_error *err)
{
        static const char *const names[] = { "mayfly-helper", "mayfly-launch" };
        char paths[2][PATH_MAX];

        for (size_t i = 0; i < MF_ELEMENTSOF(names); i++) {
                mf_cleanup(mf_freep) char *path = NULL;
                int r = mf_program_path(names[i], &path, err);
                if (r < 0)
                        return r;
                if (quote_path(paths[i], path) < 0)
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_HOST,
                                        "%s has a character that an AppArmor profile cannot have in a path; install "
                                        "mayfly to another directory",
                                        path);
        }
        if (asprintf(ret,
                     "abi <abi/4.0>,\n"
                     "include <tunables/global>\n\n"
                     "profile mayfly-helper \"%s\" flags=(unconfined) {\n"
                     "  userns,\n"
                     "  include if exists <local/mayfly-helper>\n"
                     "}\n\n"
                     "profile mayfly-launch \"%s\" flags=(unconfined) {\n"
                     "  userns,\n"
                     "  include if exists <local/mayfly-launch>\n"
                     "}\n",
                     paths[0], paths[1]) < 0) {
                *ret = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_HOST);
        }
        return 0;
}
