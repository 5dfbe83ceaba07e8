/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "registry/certs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/text.h"

#define FILE_MAX_SIZE ((size_t) 1 << 20)

void mf_certs_clear(struct mf_certs *certs)
{
        free((char *) certs->tls.authorities);
        free((char *) certs->tls.certificate);
        free((char *) certs->tls.key);
        free(certs->directory);
        *certs = (struct mf_certs){ 0 };
}

static void closedirp(DIR **dir)
{
        if (*dir)
                closedir(*dir);
}

/* Adds the text of a file with certificates, and a line end. Returns 0 or negative errno. */
static int add_file(struct mf_buffer *authorities, const char *path, struct mayfly_error *err)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        char block[4096];
        size_t n, total = 0;
        int r = 0;

        while (f && r == 0 && (n = fread(block, 1, sizeof(block), f)) > 0) {
                total += n;
                r = total > FILE_MAX_SIZE ? -EFBIG : mf_buffer_add(authorities, block, n);
        }
        if (!f || ferror(f))
                r = -errno;
        if (r == 0)
                r = mf_buffer_add(authorities, "\n", 1);
        return r == 0 ? 0
                      : mf_error_errno(err, r, MAYFLY_STAGE_SPEC,
                                       "the certificates in %.400s cannot be read (correct the file, or remove it)",
                                       path);
}

/* Takes one file of the directory. Returns 0 or negative errno. */
static int take(struct mf_certs *certs, struct mf_buffer *authorities, const char *name, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *path = NULL;

        if (asprintf(&path, "%s/%s", certs->directory, name) < 0) {
                path = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        }
        if (mf_has_ending(name, ".crt"))
                return add_file(authorities, path, err);
        if (mf_has_ending(name, ".cert") && !certs->tls.certificate)
                certs->tls.certificate = mf_take(path);
        return 0;
}

/* Sets the key of the client's certificate: NAME.key for NAME.cert. Returns 0 or negative errno. */
static int find_key(struct mf_certs *certs, struct mayfly_error *err)
{
        const char *certificate = certs->tls.certificate;
        char *key = NULL;

        if (!certificate)
                return 0;
        if (asprintf(&key, "%.*s.key", (int) (strlen(certificate) - strlen(".cert")), certificate) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        certs->tls.key = key;
        mf_cleanup(mf_fclosep) FILE *f = fopen(key, "re");
        if (!f)
                return mf_error_errno(
                        err, -errno, MAYFLY_STAGE_SPEC,
                        "the key %.400s of the certificate beside it cannot be read (put it there, or remove the "
                        "certificate)",
                        key);
        return 0;
}

/* Reads the directory of the certificates. Returns 0, also when there is none, or negative errno. */
static int read_directory(struct mf_certs *certs, const char *ca_file, struct mayfly_error *err)
{
        mf_cleanup(closedirp) DIR *dir = opendir(certs->directory);
        struct mf_buffer authorities = { 0 };
        int r = 0;

        if (!dir && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)) {
                free(certs->directory);
                certs->directory = NULL;
                return 0;
        }
        if (!dir)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_SPEC, "the certificates in %.400s cannot be read",
                                      certs->directory);
        for (struct dirent *entry; r == 0 && (entry = readdir(dir));)
                r = take(certs, &authorities, entry->d_name, err);
        if (r == 0 && authorities.size > 0 && ca_file)
                r = add_file(&authorities, ca_file, err);
        if (r == 0)
                r = find_key(certs, err);
        certs->tls.authorities = authorities.data;
        certs->tls.size = authorities.size;
        return r;
}

/* Returns the path of a directory with certificates, allocated, or NULL; *r is -ENOMEM when memory is short. */
static char *path_of(unsigned number, const char *registry, int *r)
{
        const char *config = secure_getenv("XDG_CONFIG_HOME"), *home = secure_getenv("HOME");
        char *path = NULL;
        int n = 0;

        if (number == 0 && config && *config == '/')
                n = asprintf(&path, "%s/containers/certs.d/%s", config, registry);
        else if (number == 0 && home && *home)
                n = asprintf(&path, "%s/.config/containers/certs.d/%s", home, registry);
        else if (number > 0)
                n = asprintf(&path, "/etc/%s/certs.d/%s", number == 1 ? "containers" : "docker", registry);
        if (n >= 0)
                return path;
        *r = -ENOMEM;
        return NULL;
}

int mf_certs_load(struct mf_certs *ret, const char *registry, const char *ca_file, struct mayfly_error *err)
{
        struct mf_certs certs = { 0 };
        int r = 0;

        for (unsigned i = 0; i < 3 && r == 0 && !certs.directory; i++) {
                certs.directory = path_of(i, registry, &r);
                if (r < 0)
                        r = mf_error_oom(err, MAYFLY_STAGE_SPEC);
                else if (certs.directory)
                        r = read_directory(&certs, ca_file, err);
        }
        if (r < 0)
                mf_certs_clear(&certs);
        else
                *ret = certs;
        return r;
}
