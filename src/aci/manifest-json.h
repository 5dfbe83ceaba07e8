/* SPDX-License-Identifier: MIT */
#ifndef MF_MANIFEST_JSON_H
#define MF_MANIFEST_JSON_H

/* What every part of a manifest's schema needs: typed members, each with an error that names its JSON path. For
 * manifest*.c alone, the users of jansson. All return 0 or negative errno unless said otherwise. */

#include <jansson.h>
#include <stddef.h>

#include <mayfly/error.h>

/* Sets the error -EBADMSG "image manifest: PATH: ..." and is that code; what follows the path is "VALUE is ...". The
 * second one is about PATH.MEMBER, or MEMBER where the path is empty. */
#define mf_json_bad(err, path, ...) (mf_json_set_bad(err, path, NULL, __VA_ARGS__), -EBADMSG)
#define mf_json_bad_member(err, path, member, ...) (mf_json_set_bad(err, path, member, __VA_ARGS__), -EBADMSG)
__attribute__((format(printf, 4, 5))) void mf_json_set_bad(struct mayfly_error *err, const char *path,
                                                           const char *member, const char *format, ...);
/* For messages: a value as JSON, on one line, cut if it is long. Returns `text`. */
#define MF_JSON_SHOWN_MAX 104
const char *mf_json_show(json_t *value, char text[MF_JSON_SHOWN_MAX]);
/* A message is one line, whatever the manifest has in it. */
void mf_json_one_line(char *text);

void mf_json_decrefp(json_t **json);

/* The member of any case of its key, for the specification's example and schema differ in it; NULL when it is absent or
 * null. */
json_t *mf_json_member(json_t *object, const char *name);

/* Adds a name to a set: 1 when it is new, 0 when it was there, -ENOMEM. */
int mf_json_add_name(json_t *set, const char *name);

/* An object of the schema. Keys that differ in case alone mean the same one, and are as ambiguous as duplicates. */
int mf_json_check_object(json_t *object, const char *path, struct mayfly_error *err);

/* An integer of PATH.NAME from min to max; `fallback` when it is absent and that is not below min. */
int mf_json_integer(json_t *object, const char *path, const char *name, json_int_t min, json_int_t max,
                    json_int_t fallback, json_int_t *ret, struct mayfly_error *err);
/* *ret is NULL when it is absent and not required. */
int mf_json_string(json_t *object, const char *path, const char *name, int required, const char **ret,
                   struct mayfly_error *err);
int mf_json_flag(json_t *object, const char *path, const char *name, int *ret, struct mayfly_error *err);
/* A list of bounded length, or NULL. `path` is its own. */
int mf_json_list(json_t *object, const char *name, const char *path, json_t **ret, struct mayfly_error *err);
/* All of a list's strings, allocated, NULL-terminated; to be freed in any case. */
int mf_json_strings(json_t *list, const char *path, char ***ret, struct mayfly_error *err);

/* A list of {name, value} with names of their own: labels, annotations, environment. `at` is an item's path. */
int mf_json_check_pairs(json_t *list, const char *path,
                        int (*check)(const char *at, const char *name, const char *value, struct mayfly_error *err),
                        struct mayfly_error *err);

#endif
