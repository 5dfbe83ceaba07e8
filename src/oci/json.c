/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "oci/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/macro.h"
#include "util/strv.h"

#define STRINGS_MAX ((size_t) 10000)

/* Replaces control characters, so that a message is one line. */
static void one_line(char *text)
{
        for (; *text; text++)
                if ((unsigned char) *text < ' ' || *text == 0x7f)
                        *text = '?';
}

void mf_oci_json_set_bad(struct mayfly_error *err, const char *what, const char *member, const char *format, ...)
{
        char why[700];
        va_list args;

        va_start(args, format);
        vsnprintf(why, sizeof(why), format, args);
        va_end(args);
        one_line(why);
        mf_error_set(err, -EBADMSG, MAYFLY_STAGE_MANIFEST, "the image's %s: %.200s%s%s", what, member ? member : "",
                     member ? ": " : "", why);
}

const char *mf_oci_json_show(json_t *value, char text[MF_OCI_JSON_SHOWN_MAX])
{
        mf_cleanup(mf_freep) char *all = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        size_t n = all ? strlen(all) : 0;

        snprintf(text, MF_OCI_JSON_SHOWN_MAX, "%s", all ? all : "the value");
        if (n >= MF_OCI_JSON_SHOWN_MAX) { /* cut before a character, not within it */
                n = MF_OCI_JSON_SHOWN_MAX - 4;
                while ((text[n] & 0xc0) == 0x80)
                        n--;
                strcpy(text + n, "...");
        }
        one_line(text);
        return text;
}

void mf_oci_json_decrefp(json_t **json)
{
        json_decref(*json);
}

int mf_oci_json_load(json_t **ret, const char *text, size_t size, const char *what, int is_list,
                     struct mayfly_error *err)
{
        json_error_t why;
        json_t *root = json_loadb(text ? text : "", size, JSON_REJECT_DUPLICATES, &why);
        char shown[MF_OCI_JSON_SHOWN_MAX];

        if (!root)
                return mf_oci_json_bad(err, what, NULL, "line %d, column %d: %s; it must be JSON", why.line, why.column,
                                       why.text);
        if (is_list ? json_is_array(root) : json_is_object(root)) {
                *ret = root;
                return 0;
        }
        int r = mf_oci_json_bad(err, what, NULL, "%s is not %s", mf_oci_json_show(root, shown),
                                is_list ? "a list" : "an object");
        json_decref(root);
        return r;
}

char *mf_oci_json_pretty(const char *text, size_t size)
{
        mf_cleanup(mf_oci_json_decrefp) json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);

        return root ? json_dumps(root, JSON_INDENT(4) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6)) : NULL;
}

json_t *mf_oci_json_member(json_t *object, const char *name)
{
        json_t *value = json_object_get(object, name);

        return json_is_null(value) ? NULL : value;
}

/* Sets the error of a member that has the wrong type. Returns -EBADMSG. */
static int not_a(const char *wanted, json_t *value, const char *what, const char *path, struct mayfly_error *err)
{
        char shown[MF_OCI_JSON_SHOWN_MAX];

        return mf_oci_json_bad(err, what, path, "%s is not %s", mf_oci_json_show(value, shown), wanted);
}

int mf_oci_json_object(json_t *object, const char *what, const char *path, const char *name, json_t **ret,
                       struct mayfly_error *err)
{
        *ret = mf_oci_json_member(object, name);
        return !*ret || json_is_object(*ret) ? 0 : not_a("an object", *ret, what, path, err);
}

int mf_oci_json_list(json_t *object, const char *what, const char *path, const char *name, size_t max, json_t **ret,
                     struct mayfly_error *err)
{
        *ret = mf_oci_json_member(object, name);
        if (*ret && !json_is_array(*ret))
                return not_a("a list", *ret, what, path, err);
        if (*ret && json_array_size(*ret) > max)
                return mf_oci_json_bad(err, what, path, "it has %zu items; up to %zu are possible",
                                       json_array_size(*ret), max);
        return 0;
}

int mf_oci_json_string(json_t *object, const char *what, const char *path, const char *name, int required,
                       const char **ret, struct mayfly_error *err)
{
        json_t *value = mf_oci_json_member(object, name);

        *ret = NULL;
        if (!value)
                return required ? mf_oci_json_bad(err, what, path, "it is missing") : 0;
        if (!json_is_string(value))
                return not_a("a string", value, what, path, err);
        *ret = json_string_value(value);
        return 0;
}

int mf_oci_json_strings(json_t *object, const char *what, const char *path, const char *name, char ***ret,
                        struct mayfly_error *err)
{
        json_t *list = NULL, *item;
        size_t i;

        *ret = NULL;
        int r = mf_oci_json_list(object, what, path, name, STRINGS_MAX, &list, err);
        if (r < 0 || !list)
                return r;
        char **strings = calloc(json_array_size(list) + 1, sizeof(char *));
        if (!strings)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(list, i, item) {
                char at[160];
                snprintf(at, sizeof(at), "%.120s[%zu]", path, i);
                if (!json_is_string(item))
                        r = not_a("a string", item, what, at, err);
                else if (!(strings[i] = strdup(json_string_value(item))))
                        r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
                if (r < 0) {
                        mf_strv_free(strings);
                        return r;
                }
        }
        *ret = strings;
        return 0;
}

int mf_oci_json_number(json_t *object, const char *what, const char *path, const char *name, int64_t fallback,
                       int64_t *ret, struct mayfly_error *err)
{
        json_t *value = mf_oci_json_member(object, name);

        if (!value && fallback < 0)
                return mf_oci_json_bad(err, what, path, "it is missing");
        if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
                return not_a("a whole number of 0 or more", value, what, path, err);
        *ret = value ? json_integer_value(value) : fallback;
        return 0;
}
