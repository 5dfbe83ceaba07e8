/* SPDX-License-Identifier: MIT */
#ifndef MF_MANIFEST_JSON_H
#define MF_MANIFEST_JSON_H

/* Readers of typed members, for all parts of the manifest's schema. Their errors name the member's JSON path. Only
 * manifest*.c, the users of jansson in this directory, call them. All return 0 or negative errno unless a comment says otherwise. */

#include <jansson.h>
#include <stddef.h>

#include <mayfly/error.h>

/* Set the error -EBADMSG with the message "image manifest: PATH: ...", and return that code. The format continues with
 * "VALUE is ...". The second macro is about PATH.MEMBER, or MEMBER where the path is empty. */
#define mf_json_bad(err, path, ...) (mf_json_set_bad(err, path, NULL, __VA_ARGS__), -EBADMSG)
#define mf_json_bad_member(err, path, member, ...) (mf_json_set_bad(err, path, member, __VA_ARGS__), -EBADMSG)
__attribute__((format(printf, 4, 5))) void mf_json_set_bad(struct mayfly_error *err, const char *path,
                                                           const char *member, const char *format, ...);
/* Writes a value to `text` for messages: JSON on one line, cut if it is long. Returns `text`. */
#define MF_JSON_SHOWN_MAX 104
const char *mf_json_show(json_t *value, char text[MF_JSON_SHOWN_MAX]);
/* Replaces control characters by "?", so that a message is one line. */
void mf_json_one_line(char *text);

void mf_json_decrefp(json_t **json);

/* Returns the member, or NULL when it is absent or null. The case of the key does not count: the specification's example and
 * its schema differ in case. */
json_t *mf_json_member(json_t *object, const char *name);

/* Adds a name to a set. Returns 1 when it is new, 0 when it was there, or -ENOMEM. */
int mf_json_add_name(json_t *set, const char *name);

/* Checks that the value is an object, and that no two keys differ in case alone: those would be duplicates. */
int mf_json_check_object(json_t *object, const char *path, struct mayfly_error *err);

/* Reads an integer from min to max. An absent one is `fallback`; if `fallback` is below min, the member is required. */
int mf_json_integer(json_t *object, const char *path, const char *name, json_int_t min, json_int_t max,
                    json_int_t fallback, json_int_t *ret, struct mayfly_error *err);
/* Reads a string, borrowed from `object`; *ret is NULL when it is absent and not required. */
int mf_json_string(json_t *object, const char *path, const char *name, int required, const char **ret,
                   struct mayfly_error *err);
/* Reads a boolean; 0 when it is absent. */
int mf_json_flag(json_t *object, const char *path, const char *name, int *ret, struct mayfly_error *err);
/* Reads a list of bounded length; *ret is NULL when it is absent. `path` is the path of the list. */
int mf_json_list(json_t *object, const char *name, const char *path, json_t **ret, struct mayfly_error *err);
/* Copies all strings of a list, NULL-terminated. *ret is for mf_strv_free() in any case. */
int mf_json_strings(json_t *list, const char *path, char ***ret, struct mayfly_error *err);

/* Checks a list of {name, value}: labels, annotations, environment. No name may be in it twice. `check` gets the path of each
 * item as `at`. */
int mf_json_check_pairs(json_t *list, const char *path,
                        int (*check)(const char *at, const char *name, const char *value, struct mayfly_error *err),
                        struct mayfly_error *err);

#endif
