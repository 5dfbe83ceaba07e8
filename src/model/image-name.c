/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "model/image-name.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "model/ac-types.h"
#include "model/image-config.h"
#include "model/show.h"
#include "util/error.h"
#include "util/macro.h"

#define NAME_MAX_LENGTH 512U
#define LABELS_MAX 64U
#define N_DEFAULTS 3U

/* --- parsing ----------------------------------------------------------------------------------------------------- */

static __attribute__((format(printf, 3, 4))) void set_bad(struct mayfly_error *err, const char *text,
                                                          const char *format, ...)
{
        char why[512], shown[MF_SHOWN_MAX];
        va_list args;

        va_start(args, format);
        vsnprintf(why, sizeof(why), format, args);
        va_end(args);
        mf_show_url(shown, text, 0);
        mf_error_set(
                err, -EINVAL, MAYFLY_STAGE_REFERENCE,
                "image name \"%s\" %s; write NAME[:VERSION][,LABEL=VALUE]..., such as example.com/redis:7.2,os=linux",
                shown, why);
}

#define bad(err, text, ...) (set_bad(err, text, __VA_ARGS__), -EINVAL)

const char *mf_image_name_label(const struct mf_image_name *name, const char *label)
{
        for (size_t i = 0; i < name->n_labels; i++)
                if (strcmp(name->labels[i].name, label) == 0)
                        return name->labels[i].value;
        return NULL;
}

/* Whether the value has a part "." or "..": in a URL, it would lead to another directory. */
static int has_dots(const char *value, size_t size)
{
        for (size_t i = 0, n; i <= size; i += n + 1) {
                const char *slash = memchr(value + i, '/', size - i);
                n = slash ? (size_t) (slash - value) - i : size - i;
                if ((n == 1 || n == 2) && memcmp(value + i, "..", n) == 0)
                        return 1;
        }
        return 0;
}

/* Checks the form of a label, and that it is there once. Returns 0 or -EINVAL. */
static int check_label(const struct mf_image_name *name, const struct mf_label *label, struct mayfly_error *err)
{
        size_t size = strlen(label->value);

        if (!mf_is_ac_identifier(label->name))
                return bad(err, name->text, "has the label \"%.60s\", which is not an AC Identifier", label->name);
        if (strcmp(label->name, "name") == 0)
                return bad(err, name->text, "has a label \"name\", which appc does not allow; the name comes first");
        if (mf_image_name_label(name, label->name) != label->value)
                return bad(err, name->text, "has the label \"%.60s\" twice", label->name);
        if (size == 0)
                return bad(err, name->text, "has no value for \"%.60s\"", label->name);
        if (has_dots(label->value, size))
                return bad(err, name->text,
                           "has \"%.60s\" for the label \"%.60s\": \".\" and \"..\" would lead to another URL",
                           label->value, label->name);
        return 0;
}

/* Splits "VERSION" or "LABEL=VALUE" at `p`, and the labels that follow. `mark` is the ":" or "," before `p`, or NUL when there
 * are no labels. Returns 0 or negative errno. */
static int parse_labels(struct mf_image_name *name, char mark, char *p, struct mayfly_error *err)
{
        while (mark) {
                char *end = strchrnul(p, ','), *value = p;
                int is_version = mark == ':';
                mark = *end;
                *end = '\0';
                if (!is_version) {
                        value = strchr(p, '=');
                        if (!value)
                                return bad(err, name->text, "has the label \"%.60s\", which has no \"=\"", p);
                        *value++ = '\0';
                        if (!mf_image_name_label(name, "version") && strchr(value, ':'))
                                return bad(err, name->text,
                                           "has \"%.60s\" for the label \"%.60s\": a version stands before the labels",
                                           value, p);
                }
                if (name->n_labels >= LABELS_MAX)
                        return bad(err, name->text, "has more than %u labels", LABELS_MAX);
                name->labels[name->n_labels++] = (struct mf_label){ is_version ? "version" : p, value };
                int r = check_label(name, &name->labels[name->n_labels - 1], err);
                if (r < 0)
                        return r;
                p = end + 1;
        }
        name->n_asked = name->n_labels;
        return 0;
}

void mf_host_arch(char ret[65])
{
        struct utsname host;

        if (uname(&host) < 0)
                host.machine[0] = '\0';
        snprintf(ret, 65, "%.64s", host.machine);
        if (strcmp(ret, "x86_64") == 0)
                snprintf(ret, 65, "amd64");
        else if (strcmp(ret, "i486") == 0 || strcmp(ret, "i586") == 0 || strcmp(ret, "i686") == 0)
                snprintf(ret, 65, "i386");
}

/* Adds the default labels that were not given, and checks os and arch. Returns 0 or -EINVAL. */
static int add_defaults(struct mf_image_name *name, struct mayfly_error *err)
{
        mf_host_arch(name->arch);
        const struct mf_label defaults[N_DEFAULTS] = { { "os", "linux" },
                                                       { "arch", name->arch },
                                                       { "version", "latest" } };
        for (size_t i = 0; i < N_DEFAULTS; i++)
                if (!mf_image_name_label(name, defaults[i].name))
                        name->labels[name->n_labels++] = defaults[i];
        const char *os = mf_image_name_label(name, "os");
        if (!mf_is_platform(os, NULL))
                return bad(err, name->text, "has the os \"%.60s\", which appc does not know (linux, freebsd, darwin)",
                           os);
        if (!mf_is_platform(os, mf_image_name_label(name, "arch")))
                return bad(err, name->text,
                           "is for the arch \"%.60s\", which appc does not know for %s (amd64, i386, aarch64, ...)",
                           mf_image_name_label(name, "arch"), os);
        return 0;
}

static int parse(struct mf_image_name *name, const char *text, struct mayfly_error *err)
{
        size_t length = strcspn(text, ":,");

        name->text = strdup(text);
        name->parts = strdup(text);
        name->labels = calloc(LABELS_MAX + N_DEFAULTS, sizeof(*name->labels));
        if (!name->text || !name->parts || !name->labels)
                return mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        if (length > NAME_MAX_LENGTH)
                return bad(err, text, "has a name of %zu characters, over %u", length, NAME_MAX_LENGTH);
        name->name = name->parts;
        name->parts[length] = '\0';
        if (!mf_is_ac_identifier(name->name))
                return bad(err, text,
                           "has the name \"%.60s\", which is not an AC Identifier (a-z, 0-9, and single -._~/ or /~ "
                           "between)",
                           name->name);
        int r = parse_labels(name, text[length], name->parts + length + 1, err);
        return r < 0 ? r : add_defaults(name, err);
}

int mf_image_name_parse(struct mf_image_name **ret, const char *text, struct mayfly_error *err)
{
        struct mf_image_name *name = calloc(1, sizeof(*name));
        int r = name ? parse(name, text, err) : mf_error_oom(err, MAYFLY_STAGE_REFERENCE);

        if (r < 0)
                mf_image_name_free(name);
        else
                *ret = name;
        return r;
}

struct mf_image_name *mf_image_name_free(struct mf_image_name *name)
{
        if (name) {
                free(name->labels);
                free(name->parts);
                free(name->text);
                free(name);
        }
        return NULL;
}

/* --- templates --------------------------------------------------------------------------------------------------- */

/* Writes a value. Escapes the characters that would end the path or begin a variable. */
static void put_value(FILE *f, const char *value)
{
        for (; *value; value++) {
                unsigned char c = (unsigned char) *value;
                if (c <= ' ' || c >= 0x7f || strchr("%?#\\{}\"<>|^`", c))
                        fprintf(f, "%%%02X", c);
                else
                        fputc(c, f);
        }
}

/* Returns the value of the template variable at `start`, or NULL when it has none. */
static const char *variable(const struct mf_image_name *name, const char *start, size_t length, const char *ext)
{
        char label[NAME_MAX_LENGTH];

        if (length >= sizeof(label))
                return NULL;
        memcpy(label, start, length);
        label[length] = '\0';
        if (strcmp(label, "name") == 0)
                return name->name;
        const char *value = mf_image_name_label(name, label);
        return !value && strcmp(label, "ext") == 0 ? ext : value;
}

int mf_image_name_render(const struct mf_image_name *name, const char *template, const char *ext, char **ret)
{
        mf_cleanup(mf_freep) char *url = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&url, &size);

        if (!f)
                return -ENOMEM;
        for (const char *p = template; *p; p++) {
                const char *end = *p == '{' ? strchr(p, '}') : NULL;
                if (!end) {
                        fputc(*p, f);
                        continue;
                }
                const char *value = variable(name, p + 1, (size_t) (end - p - 1), ext);
                if (!value) {
                        fclose(f);
                        *ret = strndup(p, (size_t) (end + 1 - p));
                        return *ret ? -EINVAL : -ENOMEM;
                }
                put_value(f, value);
                p = end;
        }
        int failed = ferror(f);
        if (fclose(f) != 0 || failed)
                return -ENOMEM;
        *ret = mf_take(url);
        return 0;
}

/* --- the image that was found ---------------------------------------------------------------------------------------------- */

/* Returns the value of a label of the image, or NULL when it has no such label. */
static const char *config_label(const struct mf_image_config *config, const char *label)
{
        size_t length = strlen(label);

        for (char **l = config->labels; *l; l++)
                if (strncmp(*l, label, length) == 0 && (*l)[length] == '=')
                        return *l + length + 1;
        return NULL;
}

/* Whether label `i` of the name fits the image. */
static int label_matches(const struct mf_image_name *name, size_t i, const struct mf_image_config *config)
{
        const struct mf_label *label = &name->labels[i];
        const char *has = config_label(config, label->name);

        if (i < name->n_asked)
                return has && strcmp(has, label->value) == 0;
        /* A default: "latest" only means something to the server, and an image without the label runs anywhere. */
        return strcmp(label->name, "version") == 0 || !has || strcmp(has, label->value) == 0;
}

static void add_text(char *text, size_t size, const char *part, const char *value)
{
        size_t used = strlen(text);

        snprintf(text + used, size - used, "%s%.100s", part, value);
}

int mf_image_name_match(const struct mf_image_name *name, const struct mf_image_config *config,
                        struct mayfly_error *err)
{
        char want[800] = "", is[1000] = "", hint[120] = "";
        int fine = strcmp(name->name, config->name) == 0;

        for (size_t i = 0; i < name->n_labels; i++) {
                const struct mf_label *label = &name->labels[i];
                int matches = label_matches(name, i, config);
                if (i < name->n_asked || !matches) {
                        add_text(want, sizeof(want), ",", label->name);
                        add_text(want, sizeof(want), "=", label->value);
                }
                if (!matches && strcmp(label->name, "version") == 0 && strcmp(label->value, "latest") == 0)
                        snprintf(hint, sizeof(hint), "; leave the version out to take the latest image");
                fine &= matches;
        }
        if (fine)
                return 0;
        for (char **l = config->labels; *l; l++)
                add_text(is, sizeof(is), ",", *l);
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST,
                        "the image is not the one that was asked for: expected %.513s%s, but its manifest says "
                        "%.513s%s%s",
                        name->name, want, config->name, is, hint);
}
