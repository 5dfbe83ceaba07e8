/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "aci/manifest-write.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "model/image-name.h"
#include "util/error.h"

static int no_pair(const char *pair, const char *what, struct mayfly_error *err)
{
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the %s \"%.200s\" is not of the form NAME=VALUE", what, pair);
}

/* Appends an object {name, value} to `list` for each "NAME=VALUE". Returns 0 or negative errno. */
static int add_pairs(json_t *list, const char *const *pairs, const char *what, struct mayfly_error *err)
{
        for (; pairs && *pairs; pairs++) {
                const char *value = strchr(*pairs, '=');
                if (!value || value == *pairs)
                        return no_pair(*pairs, what, err);
                json_t *pair = json_pack("{s:s%,s:s}", "name", *pairs, (size_t) (value - *pairs), "value", value + 1);
                if (!pair)
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the %s \"%.200s\" is not UTF-8", what,
                                        *pairs);
                if (json_array_append_new(list, pair) < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        return 0;
}

static int has_pair(const char *const *pairs, const char *name)
{
        size_t length = strlen(name);

        for (; pairs && *pairs; pairs++)
                if (strncmp(*pairs, name, length) == 0 && (*pairs)[length] == '=')
                        return 1;
        return 0;
}

/* Adds the labels. Without os and arch among them, the image gets those of this host. Returns 0 or negative errno. */
static int add_labels(json_t *list, const struct mayfly_build_options *options, struct mayfly_error *err)
{
        struct mf_image_name *name = NULL;
        int r = add_pairs(list, options->labels, "label", err);

        if (r < 0 || has_pair(options->labels, "os") || has_pair(options->labels, "arch"))
                return r;
        if (mf_image_name_parse(&name, "host", err) < 0)
                return err ? err->code : -EINVAL;
        char os[80], arch[80];
        const char *host[] = { os, arch, NULL };
        snprintf(os, sizeof(os), "os=%s", mf_image_name_label(name, "os"));
        snprintf(arch, sizeof(arch), "arch=%s", mf_image_name_label(name, "arch"));
        r = add_pairs(list, host, "label", err);
        mf_image_name_free(name);
        return r;
}

static int add_app(json_t *root, const struct mayfly_build_options *options, struct mayfly_error *err)
{
        json_t *exec = json_array(), *environment = json_array();
        int r = exec && environment ? add_pairs(environment, options->env, "environment variable", err)
                                    : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);

        for (const char *const *word = options->exec; r == 0 && *word; word++)
                if (json_array_append_new(exec, json_string(*word)) < 0)
                        r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the argument \"%.200s\" is not UTF-8", *word);
        if (r < 0) {
                json_decref(exec);
                json_decref(environment);
                return r;
        }
        json_t *app = json_pack("{s:o,s:s,s:s,s:o,s:s}", "exec", exec, "user", options->user ? options->user : "0",
                                "group", options->group ? options->group : "0", "environment", environment,
                                "workingDirectory", options->cwd ? options->cwd : "/");
        if (!app)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the app's user, group or working directory is not UTF-8");
        return json_object_set_new(root, "app", app) < 0 ? mf_error_oom(err, MAYFLY_STAGE_MANIFEST) : 0;
}

int mf_manifest_write(const struct mayfly_build_options *options, char **ret, struct mayfly_error *err)
{
        json_t *labels = json_array();
        int r = labels ? add_labels(labels, options, err) : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);

        if (r < 0) {
                json_decref(labels);
                return r;
        }
        json_t *root = json_pack("{s:s,s:s,s:s,s:o}", "acKind", "ImageManifest", "acVersion", "0.8.11", "name",
                                 options->name, "labels", labels);
        if (!root)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the name is not UTF-8");
        if (options->exec && options->exec[0])
                r = add_app(root, options, err);
        if (r == 0 && !(*ret = json_dumps(root, JSON_INDENT(2))))
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_decref(root);
        return r;
}
