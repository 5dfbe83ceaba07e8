/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_JSON_H
#define MF_OCI_JSON_H

/* Readers of typed members of OCI documents. With document.c, config.c, docker.c and write.c the only users of jansson in this directory.
 * Errors are -EBADMSG, and begin with the document and the member: "the image's config: config.Env[2]: ...". Members that nobody asks for
 * are ignored, as the specification wants it. All return 0 or negative errno unless a comment says otherwise. */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>

/* Sets the error `the image's WHAT: MEMBER: ...`, and returns -EBADMSG. */
#define mf_oci_json_bad(err, what, member, ...) (mf_oci_json_set_bad(err, what, member, __VA_ARGS__), -EBADMSG)
__attribute__((format(printf, 4, 5))) void mf_oci_json_set_bad(struct mayfly_error *err, const char *what,
                                                               const char *member, const char *format, ...);

/* Writes a value to `text` for messages: JSON on one line, cut if it is long. Returns `text`. */
#define MF_OCI_JSON_SHOWN_MAX 104
const char *mf_oci_json_show(json_t *value, char text[MF_OCI_JSON_SHOWN_MAX]);

void mf_oci_json_decrefp(json_t **json);

/* Parses a document, which must be an object, or a list where `is_list` is set. *ret is for json_decref(). */
int mf_oci_json_load(json_t **ret, const char *text, size_t size, const char *what, int is_list,
                     struct mayfly_error *err);

/* Returns the text indented, for people to read; allocated, NULL when memory is short or it is not JSON. */
char *mf_oci_json_pretty(const char *text, size_t size);

/* Returns a member; NULL when it is absent or null. */
json_t *mf_oci_json_member(json_t *object, const char *name);

/* Reads an object; *ret is NULL when it is absent. `path` names the member in messages, as in all functions below. */
int mf_oci_json_object(json_t *object, const char *what, const char *path, const char *name, json_t **ret,
                       struct mayfly_error *err);
/* Reads a list of up to `max` items; *ret is NULL when it is absent. */
int mf_oci_json_list(json_t *object, const char *what, const char *path, const char *name, size_t max, json_t **ret,
                     struct mayfly_error *err);
/* Reads a string, borrowed from `object`; *ret is NULL when it is absent and not required. */
int mf_oci_json_string(json_t *object, const char *what, const char *path, const char *name, int required,
                       const char **ret, struct mayfly_error *err);
/* Copies a list of strings, NULL-terminated, for mf_strv_free(); *ret is NULL when it is absent. */
int mf_oci_json_strings(json_t *object, const char *what, const char *path, const char *name, char ***ret,
                        struct mayfly_error *err);
/* Reads a whole number of 0 or more; `fallback` when it is absent, an error when `fallback` is negative. */
int mf_oci_json_number(json_t *object, const char *what, const char *path, const char *name, int64_t fallback,
                       int64_t *ret, struct mayfly_error *err);

#endif
