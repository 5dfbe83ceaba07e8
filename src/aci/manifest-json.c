/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "aci/manifest-json.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/error.h"
#include "util/macro.h"

#define LIST_MAX 10000U

void mf_json_one_line(char *text)
{
        for (; *text; text++)
                if ((unsigned char) *text < ' ' || *text == 0x7f)
                        *text = '?';
}

const char *mf_json_show(json_t *value, char text[MF_JSON_SHOWN_MAX])
{
        mf_cleanup(mf_freep) char *all = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        size_t n = all ? strlen(all) : 0;

        snprintf(text, MF_JSON_SHOWN_MAX, "%s", all ? all : "the value");
        if (n >= MF_JSON_SHOWN_MAX) { /* cut before a character, not within it */
                n = MF_JSON_SHOWN_MAX - 4;
                while ((text[n] & 0xc0) == 0x80)
                        n--;
                strcpy(text + n, "...");
        }
        mf_json_one_line(text);
        return text;
}

void mf_json_set_bad(struct mayfly_error *err, const char *path, const char *member, const char *format, ...)
{
        char why[512];
        va_list args;

        va_start(args, format);
        vsnprintf(why, sizeof(why), format, args);
        va_end(args);
        mf_json_one_line(why);
        mf_error_set(err, -EBADMSG, MAYFLY_STAGE_MANIFEST, "image manifest: %s%s%s: %s", path,
                     member && *path ? "." : "", member ? member : "", why);
}

json_t *mf_json_member(json_t *object, const char *name)
{
        for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i))
                if (strcasecmp(json_object_iter_key(i), name) == 0)
                        return json_is_null(json_object_iter_value(i)) ? NULL : json_object_iter_value(i);
        return NULL;
}

int mf_json_add_name(json_t *set, const char *name)
{
        if (json_object_get(set, name))
                return 0;
        return json_object_set_new_nocheck(set, name, json_true()) < 0 ? -ENOMEM : 1;
}

void mf_json_decrefp(json_t **json)
{
        json_decref(*json);
}

int mf_json_check_object(json_t *object, const char *path, struct mayfly_error *err)
{
        mf_cleanup(mf_json_decrefp) json_t *seen = json_object();
        char shown[MF_JSON_SHOWN_MAX];

        if (!json_is_object(object))
                return mf_json_bad(err, path, "%s is not an object", mf_json_show(object, shown));
        for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
                mf_cleanup(mf_freep) char *key = strdup(json_object_iter_key(i));
                for (char *p = key; p && *p; p++)
                        *p = (char) tolower((unsigned char) *p);
                int r = key && seen ? mf_json_add_name(seen, key) : -ENOMEM;
                if (r < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
                if (r == 0)
                        return mf_json_bad(err, path, "the key \"%.100s\" is there twice, in different case",
                                           json_object_iter_key(i));
        }
        return 0;
}

int mf_json_integer(json_t *object, const char *path, const char *name, json_int_t min, json_int_t max,
                    json_int_t fallback, json_int_t *ret, struct mayfly_error *err)
{
        json_t *value = mf_json_member(object, name);
        char shown[MF_JSON_SHOWN_MAX];

        if (!value && fallback < min)
                return mf_json_bad_member(err, path, name, "is missing");
        if (value && !json_is_integer(value))
                return mf_json_bad_member(err, path, name, "%s is not a whole number", mf_json_show(value, shown));
        *ret = value ? json_integer_value(value) : fallback;
        if (value && (*ret < min || *ret > max))
                return mf_json_bad_member(err, path, name,
                                          "%" JSON_INTEGER_FORMAT " is outside %" JSON_INTEGER_FORMAT
                                          "-%" JSON_INTEGER_FORMAT,
                                          *ret, min, max);
        return 0;
}

int mf_json_string(json_t *object, const char *path, const char *name, int required, const char **ret,
                   struct mayfly_error *err)
{
        json_t *value = mf_json_member(object, name);
        char shown[MF_JSON_SHOWN_MAX];

        *ret = NULL;
        if (!value)
                return required ? mf_json_bad_member(err, path, name, "is missing") : 0;
        if (!json_is_string(value))
                return mf_json_bad_member(err, path, name, "%s is not a string", mf_json_show(value, shown));
        if (strlen(json_string_value(value)) != json_string_length(value))
                return mf_json_bad_member(err, path, name, "%s has a NUL character in it", mf_json_show(value, shown));
        *ret = json_string_value(value);
        return 0;
}

int mf_json_list(json_t *object, const char *name, const char *path, json_t **ret, struct mayfly_error *err)
{
        char shown[MF_JSON_SHOWN_MAX];

        *ret = mf_json_member(object, name);
        if (*ret && !json_is_array(*ret))
                return mf_json_bad(err, path, "%s is not a list", mf_json_show(*ret, shown));
        if (*ret && json_array_size(*ret) > LIST_MAX)
                return mf_json_bad(err, path, "%zu items are over the limit of %u", json_array_size(*ret), LIST_MAX);
        return 0;
}

int mf_json_check_pairs(json_t *list, const char *path,
                        int (*check)(const char *, const char *, const char *, struct mayfly_error *),
                        struct mayfly_error *err)
{
        mf_cleanup(mf_json_decrefp) json_t *seen = json_object();
        size_t i;
        json_t *item;

        json_array_foreach(list, i, item) {
                const char *name = NULL, *value = NULL;
                char at[128];
                snprintf(at, sizeof(at), "%s[%zu]", path, i);
                int r = mf_json_check_object(item, at, err);
                if (r == 0)
                        r = mf_json_string(item, at, "name", 1, &name, err);
                if (r == 0)
                        r = mf_json_string(item, at, "value", 1, &value, err);
                if (r == 0)
                        r = check(at, name, value, err);
                if (r < 0)
                        return r;
                r = seen ? mf_json_add_name(seen, name) : -ENOMEM;
                if (r < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
                if (r == 0)
                        return mf_json_bad_member(err, at, "name", "\"%.100s\" is in the list twice", name);
        }
        return 0;
}

int mf_json_strings(json_t *list, const char *path, char ***ret, struct mayfly_error *err)
{
        char shown[MF_JSON_SHOWN_MAX];
        json_t *item;
        size_t i;

        *ret = calloc(json_array_size(list) + 1, sizeof(char *));
        if (!*ret)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(list, i, item) {
                char at[160];
                snprintf(at, sizeof(at), "%s[%zu]", path, i);
                if (!json_is_string(item))
                        return mf_json_bad(err, at, "%s is not a string", mf_json_show(item, shown));
                if (strlen(json_string_value(item)) != json_string_length(item))
                        return mf_json_bad(err, at, "%s has a NUL character in it", mf_json_show(item, shown));
                (*ret)[i] = strdup(json_string_value(item));
                if (!(*ret)[i])
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        return 0;
}

int mf_json_flag(json_t *object, const char *path, const char *name, int *ret, struct mayfly_error *err)
{
        json_t *value = mf_json_member(object, name);
        char shown[MF_JSON_SHOWN_MAX];

        if (value && !json_is_boolean(value))
                return mf_json_bad_member(err, path, name, "%s is neither true nor false", mf_json_show(value, shown));
        *ret = json_is_true(value);
        return 0;
}
