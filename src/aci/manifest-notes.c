/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "aci/manifest-notes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aci/manifest-app.h"
#include "aci/manifest-json.h"
#include "model/image-id.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/strv.h"

#define KEYS_MAX 14U

/* Adds "PATH: ..." to the warnings. Returns 0 or -ENOMEM. */
static __attribute__((format(printf, 3, 4))) int warn(struct mf_notes *notes, const char *path, const char *format, ...)
{
        mf_cleanup(mf_freep) char *why = NULL;
        char *text;
        va_list args;

        va_start(args, format);
        int r = vasprintf(&why, format, args);
        va_end(args);
        if (r < 0) {
                why = NULL;
                return -ENOMEM;
        }
        if (asprintf(&text, "%s: %s", path, why) < 0)
                return -ENOMEM;
        mf_json_one_line(text);
        return mf_strings_add(&notes->warnings, text);
}

/* Returns a string member, or NULL when there is none. */
static const char *string_of(json_t *object, const char *name)
{
        return json_string_value(mf_json_member(object, name));
}

/* --- members that mayfly does not know ------------------------------------------------------------------------------- */

/* Warns of members of `object` that are not in `keys`: most of them are misspelt. Returns 0 or -ENOMEM. */
static int warn_of_unknown(struct mf_notes *notes, json_t *object, const char *path, const char *const keys[KEYS_MAX])
{
        char at[160];

        for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
                size_t k = 0;
                while (keys[k] && strcasecmp(keys[k], json_object_iter_key(i)) != 0)
                        k++;
                if (keys[k])
                        continue;
                snprintf(at, sizeof(at), "%s%s%.100s", path, *path ? "." : "", json_object_iter_key(i));
                if (warn(notes, at, "is not a member that the specification has, and is ignored") < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Warns of unknown members in each item of `list`. Returns 0 or -ENOMEM. */
static int warn_of_unknown_in(struct mf_notes *notes, json_t *list, const char *path, const char *const keys[KEYS_MAX])
{
        char at[128];
        int r = 0;

        for (size_t i = 0; i < json_array_size(list) && r == 0; i++) {
                snprintf(at, sizeof(at), "%s[%zu]", path, i);
                r = warn_of_unknown(notes, json_array_get(list, i), at, keys);
        }
        return r;
}

/* Warns of unknown members in the whole manifest. Returns 0 or -ENOMEM. */
static int look_for_unknown(struct mf_notes *notes, json_t *root)
{
        static const char *const top[KEYS_MAX] = { "acKind",      "acVersion",    "name",          "labels", "app",
                                                   "annotations", "dependencies", "pathWhitelist", NULL };
        static const char *const app[KEYS_MAX] = {
                "exec",        "user",        "group", "supplementaryGIDs", "eventHandlers",   "workingDirectory",
                "environment", "mountPoints", "ports", "isolators",         "userAnnotations", "userLabels",
                NULL
        };
        static const struct {
                const char *parent, *list, *keys[KEYS_MAX];
        } lists[] = {
                { NULL, "labels", { "name", "value" } },
                { NULL, "annotations", { "name", "value" } },
                { NULL, "dependencies", { "imageName", "imageID", "labels", "size" } },
                { "app", "environment", { "name", "value" } },
                { "app", "eventHandlers", { "name", "exec" } },
                { "app", "mountPoints", { "name", "path", "readOnly" } },
                { "app", "ports", { "name", "protocol", "port", "count", "socketActivated" } },
                { "app", "isolators", { "name", "value" } },
        };
        char at[64];

        int r = warn_of_unknown(notes, root, "", top);
        if (r == 0)
                r = warn_of_unknown(notes, mf_json_member(root, "app"), "app", app);
        for (size_t i = 0; i < MF_ELEMENTSOF(lists) && r == 0; i++) {
                json_t *parent = lists[i].parent ? mf_json_member(root, lists[i].parent) : root;
                snprintf(at, sizeof(at), "%s%s", lists[i].parent ? "app." : "", lists[i].list);
                r = warn_of_unknown_in(notes, mf_json_member(parent, lists[i].list), at, lists[i].keys);
        }
        return r;
}

/* --- values that are valid, but doubtful -------------------------------------------------------------------------------------- */

static int look_at_version(struct mf_notes *notes, json_t *root)
{
        static const unsigned known[] = { 0, 8, 11 };
        const char *version = string_of(root, "acVersion"), *p = version;

        for (size_t i = 0; i < MF_ELEMENTSOF(known); i++) {
                char *end;
                unsigned long long n = strtoull(p, &end, 10);
                if (n != known[i])
                        return n > known[i] ? warn(notes, "acVersion",
                                                   "\"%.60s\" is newer than 0.8.11, the last version that mayfly knows",
                                                   version)
                                            : 0;
                p = end + 1;
        }
        return 0;
}

static int has_label(json_t *root, const char *name)
{
        json_t *list = mf_json_member(root, "labels");

        for (size_t i = 0; i < json_array_size(list); i++)
                if (strcmp(string_of(json_array_get(list, i), "name"), name) == 0)
                        return 1;
        return 0;
}

static int look_at_labels(struct mf_notes *notes, json_t *root)
{
        const char *missing = has_label(root, "os") ? "arch" : "os"; /* an arch means nothing without an os */

        return has_label(root, missing)
                       ? 0
                       : warn(notes, "labels", "no %s is given, so mayfly assumes that the image runs on any", missing);
}

static int look_at_dependencies(struct mf_notes *notes, json_t *root)
{
        json_t *list = mf_json_member(root, "dependencies");
        char at[64];
        int r = 0;

        for (size_t i = 0; i < json_array_size(list) && r == 0; i++) {
                const char *id = string_of(json_array_get(list, i), "imageID");
                char parsed[MF_ID_LENGTH + 1];
                snprintf(at, sizeof(at), "dependencies[%zu].imageID", i);
                if (!id)
                        r = warn(notes, at, "is missing, so a later fetch may get another image");
                else if (mf_image_id_parse(id, parsed) < 0)
                        r = warn(notes, at, "\"%.140s\" is not sha512- and 128 hex digits, so no image will match it",
                                 id);
        }
        return r;
}

static int look_at_isolators(struct mf_notes *notes, json_t *app)
{
        json_t *list = mf_json_member(app, "isolators");
        char at[64];

        for (size_t i = 0; i < json_array_size(list); i++) {
                json_t *item = json_array_get(list, i);
                const char *name = string_of(item, "name");
                char *copy = strdup(name);
                if (mf_strings_add(&notes->isolators, copy) < 0 ||
                    mf_strings_add(&notes->values, json_dumps(mf_json_member(item, "value"),
                                                              JSON_COMPACT | JSON_ENCODE_ANY | JSON_PRESERVE_ORDER)) <
                            0)
                        return -ENOMEM;
                snprintf(at, sizeof(at), "app.isolators[%zu].name", i);
                if (!mf_is_isolator(name) &&
                    warn(notes, at, "\"%.100s\" is not an isolator that the specification has, and is ignored", name) <
                            0)
                        return -ENOMEM;
        }
        return 0;
}

static int look_at_app(struct mf_notes *notes, json_t *app)
{
        json_t *ports = mf_json_member(app, "ports"), *mounts = mf_json_member(app, "mountPoints");
        mf_cleanup(mf_json_decrefp) json_t *seen = json_object();
        char at[64];
        int r = 0;

        if (app && json_array_size(mf_json_member(app, "exec")) == 0)
                r = warn(notes, "app.exec", "is missing, so there is nothing to start");
        for (size_t i = 0; i < json_array_size(ports) && r == 0; i++) {
                const char *protocol = string_of(json_array_get(ports, i), "protocol");
                snprintf(at, sizeof(at), "app.ports[%zu].protocol", i);
                if (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0)
                        r = warn(notes, at, "\"%.60s\" is neither tcp nor udp", protocol);
        }
        for (size_t i = 0; i < json_array_size(mounts) && r == 0; i++) {
                const char *path = string_of(json_array_get(mounts, i), "path");
                snprintf(at, sizeof(at), "app.mountPoints[%zu].path", i);
                r = seen ? mf_json_add_name(seen, path) : -ENOMEM;
                if (r >= 0)
                        r = r == 0 ? warn(notes, at, "\"%.100s\" is also the path of another mount point", path) : 0;
        }
        return r == 0 ? look_at_isolators(notes, app) : r;
}

static int get_annotations(struct mf_notes *notes, json_t *root)
{
        json_t *list = mf_json_member(root, "annotations");

        for (size_t i = 0; i < json_array_size(list); i++) {
                json_t *item = json_array_get(list, i);
                char *text;
                if (asprintf(&text, "%s=%s", string_of(item, "name"), string_of(item, "value")) < 0)
                        text = NULL;
                if (mf_strings_add(&notes->annotations, text) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int mf_manifest_notes(struct mf_notes *ret, const char *json, size_t size, struct mayfly_error *err)
{
        mf_cleanup(mf_json_decrefp) json_t *root =
                json_loadb(json, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

        *ret = (struct mf_notes){ 0 };
        int r = root ? get_annotations(ret, root) : -ENOMEM;
        if (r == 0)
                r = look_for_unknown(ret, root);
        if (r == 0)
                r = look_at_version(ret, root);
        if (r == 0)
                r = look_at_labels(ret, root);
        if (r == 0)
                r = look_at_dependencies(ret, root);
        if (r == 0)
                r = look_at_app(ret, mf_json_member(root, "app"));
        if (r == 0)
                ret->pretty = json_dumps(root, JSON_INDENT(4) | JSON_PRESERVE_ORDER);
        return r < 0 || !ret->pretty ? mf_error_oom(err, MAYFLY_STAGE_MANIFEST) : 0;
}

void mf_notes_clear(struct mf_notes *notes)
{
        mf_strings_clear(&notes->annotations);
        mf_strings_clear(&notes->isolators);
        mf_strings_clear(&notes->values);
        mf_strings_clear(&notes->warnings);
        free(notes->pretty);
        *notes = (struct mf_notes){ 0 };
}
