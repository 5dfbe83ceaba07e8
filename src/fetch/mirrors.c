/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fetch/mirrors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "model/reference.h"
#include "model/show.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

#define FILE_MAX_SIZE (1 << 20)
#define BLANKS " \t\r\n\v\f"

/* The origin of a pair, for messages. */
struct place {
        const char *name;
        unsigned line; /* 0: not from a file */
};

/* Sets the error for a pair. `why` ends a sentence about the mirror. Returns -EINVAL. */
static int refuse(const struct place *place, const char *prefix, const char *target, const char *why,
                  struct mayfly_error *err)
{
        char line[32] = "", shown[MF_SHOWN_MAX], shown_target[MF_SHOWN_MAX];

        if (place->line)
                snprintf(line, sizeof(line), ", line %u", place->line);
        mf_show_url(shown, prefix, 0);
        mf_show_url(shown_target, target, 0);
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "%s%s: the mirror \"%s %s\" %s%s; write \"https://HOST/ https://MIRROR/PATH/\" or \"NAME "
                        "https://MIRROR/{name}-{version}-{os}-{arch}.{ext}\"",
                        place->name, line, shown, shown_target, strncmp(why, "URL ", 4) == 0 ? "cannot be used: " : "",
                        why);
}

/* Whether the URL ends in "/": else https://example.com would be a prefix of https://example.com.evil. */
static int is_directory(const char *url)
{
        const char *path = strstr(url, "://");

        return path && strchr(path + 3, '/') && url[strlen(url) - 1] == '/' && !strpbrk(url, "?#");
}

static int has_scheme(const char *url)
{
        return strncasecmp(url, "https://", 8) == 0 || strncasecmp(url, "http://", 7) == 0 ||
               strncasecmp(url, "file:///", 8) == 0;
}

/* Returns the fault of a pair, or NULL. `why` has room for the fault of a URL. */
static const char *fault(const char *prefix, const char *target, int is_template, struct mayfly_error *why)
{
        enum mf_scheme scheme;

        if (!*target)
                return "lacks its second word";
        /* The host of a template may be a variable, so the URL is checked when the variables are filled in. */
        if (!has_scheme(target))
                return "has a second word that is not an https://, http:// or file:/// URL";
        if (!is_template && mf_url_check(target, 1, &scheme, why) < 0)
                return why->message;
        if (is_template && strchr(prefix, ':'))
                return "has a first word that is neither a URL nor the beginning of an image's name";
        if (is_template && !strchr(target, '{'))
                return "has a URL without {name} for a name";
        if (!is_template && (!has_scheme(prefix) || strncasecmp(prefix, "file:", 5) == 0))
                return "has a first word that is not an https:// or http:// URL";
        if (!is_template && mf_url_check(prefix, 1, &scheme, why) < 0)
                return why->message;
        if (!is_template && (!is_directory(prefix) || !is_directory(target)))
                return "has URLs that do not both end in /";
        return NULL;
}

static int add(struct mf_mirrors *mirrors, const char *prefix, const char *target, const struct place *place,
               struct mayfly_error *err)
{
        int is_template = strstr(prefix, "://") == NULL;
        struct mayfly_error detail = MAYFLY_ERROR_INIT;
        const char *why = fault(prefix, target, is_template, &detail);

        if (why)
                return refuse(place, prefix, target, why, err);
        struct mf_mirror *grown = mf_grow(mirrors->list, mirrors->n, &mirrors->allocated, sizeof(*grown));
        if (!grown)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        mirrors->list = grown;
        grown[mirrors->n] = (struct mf_mirror){ strdup(prefix), strdup(target), is_template };
        mirrors->n++;
        return grown[mirrors->n - 1].prefix && grown[mirrors->n - 1].target ? 0 : mf_error_oom(err, MAYFLY_STAGE_SPEC);
}

/* Adds all pairs of `text`, and changes it meanwhile. Returns 0 or negative errno. */
static int add_pairs(struct mf_mirrors *mirrors, char *text, const struct place *place, struct mayfly_error *err)
{
        char *rest;
        int r = 0;

        for (char *prefix = strtok_r(text, BLANKS, &rest); prefix && r == 0; prefix = strtok_r(NULL, BLANKS, &rest)) {
                const char *target = strtok_r(NULL, BLANKS, &rest);
                r = add(mirrors, prefix, target ? target : "", place, err);
        }
        return r;
}

/* Adds the pair of each line. Returns 0 or negative errno. */
static int read_lines(FILE *f, struct mf_mirrors *mirrors, const char *path, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *line = NULL;
        struct place place = { .name = path };
        size_t size = 0;
        int r = 0;

        while (r == 0 && getline(&line, &size, f) >= 0) {
                char *rest, *comment = line;
                place.line++;
                while ((comment = strchr(comment, '#')) && comment > line && !strchr(BLANKS, comment[-1]))
                        comment++; /* a # within a word belongs to the word */
                if (comment)
                        *comment = '\0';
                const char *prefix = strtok_r(line, BLANKS, &rest);
                const char *target = prefix ? strtok_r(NULL, BLANKS, &rest) : NULL;
                if (target && strtok_r(NULL, BLANKS, &rest))
                        r = refuse(&place, prefix, target, "is followed by a third word", err);
                else if (prefix)
                        r = add(mirrors, prefix, target ? target : "", &place, err);
        }
        if (r == 0 && ferror(f))
                r = mf_error(err, -EIO, MAYFLY_STAGE_SPEC, "the mirrors file %s cannot be read", path);
        return r;
}

static int read_file(struct mf_mirrors *mirrors, const char *path, struct mayfly_error *err)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        struct stat st;

        if (!f && (errno == ENOENT || errno == ENOTDIR))
                return 0;
        if (!f && errno == EACCES && stat(path, &st) < 0 && errno == EACCES) /* $HOME may be another user's */
                return 0;
        if (!f || fstat(fileno(f), &st) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_SPEC, "the mirrors file %s cannot be read", path);
        if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX_SIZE)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the mirrors file %s is not a regular file of at most 1 MiB", path);
        return read_lines(f, mirrors, path, err);
}

static int read_files(struct mf_mirrors *mirrors, struct mayfly_error *err)
{
        const char *config = secure_getenv("XDG_CONFIG_HOME"), *home = secure_getenv("HOME");
        mf_cleanup(mf_freep) char *path = NULL;
        int n = 0;

        if (config && *config == '/') /* the XDG specification says to ignore a relative path */
                n = asprintf(&path, "%s/mayfly/mirrors", config);
        else if (home && *home)
                n = asprintf(&path, "%s/.config/mayfly/mirrors", home);
        if (n < 0) {
                path = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        }
        int r = path ? read_file(mirrors, path, err) : 0;
        return r < 0 ? r : read_file(mirrors, "/etc/mayfly/mirrors", err);
}

int mf_mirrors_load(const char *option, struct mf_mirrors *ret, struct mayfly_error *err)
{
        const char *env = secure_getenv("MAYFLY_MIRRORS");
        const struct place place = { .name = option ? "the option mirrors" : "MAYFLY_MIRRORS" };
        struct mf_mirrors mirrors = { 0 };
        int r;

        if (option || env) {
                mf_cleanup(mf_freep) char *text = strdup(option ? option : env);
                r = text ? add_pairs(&mirrors, text, &place, err) : mf_error_oom(err, MAYFLY_STAGE_SPEC);
        } else {
                r = read_files(&mirrors, err);
        }
        if (r < 0)
                mf_mirrors_clear(&mirrors);
        else
                *ret = mirrors;
        return r;
}

void mf_mirrors_clear(struct mf_mirrors *mirrors)
{
        for (size_t i = 0; i < mirrors->n; i++) {
                free(mirrors->list[i].prefix);
                free(mirrors->list[i].target);
        }
        free(mirrors->list);
        *mirrors = (struct mf_mirrors){ 0 };
}
