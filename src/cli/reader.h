/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_READER_H
#define MF_CLI_READER_H

/* Reads objects of a JSON document by tables of their keys. Every mistake is told with the path of the key, such as
 * "containers.db.publish[0]". All functions return 0, or negative errno with an error. */

#include <jansson.h>
#include <stddef.h>

#include <mayfly/error.h>

#include "util/arena.h"

struct reader {
        struct mf_arena *memory; /* where all that is read is put */
        const char *file;        /* the document's name in messages */
        const char *directory;   /* where relative paths of the document are; NULL: the working directory */
        struct mayfly_error *err;
};

/* A value's place in the document: a member of that above, or, without a name, an element. */
struct place {
        const struct place *above; /* NULL: the value is the whole document */
        const char *name;
        size_t index;
};

/* Reads a value to the field `to`. */
typedef int (*reader_take)(const struct reader *reader, const struct place *place, json_t *value, void *to);

/* What an object may have. A table ends with an element without a name. */
struct reader_key {
        const char *name;
        reader_take take;
        size_t at; /* offset of the field */
        int is_required;
};

/* Sets the error "FILE: PLACE: ...". Returns -EINVAL. */
__attribute__((format(printf, 3, 4))) int reader_bad(const struct reader *reader, const struct place *place,
                                                     const char *format, ...);
/* Says that the value is not what it should be. */
int reader_not_a(const struct reader *reader, const struct place *place, json_t *value, const char *wanted);

/* Reads a file, or standard input for "-", which has an object. *ret is for json_decref(). */
int reader_load(const struct reader *reader, json_t **ret);

/* Reads the members of an object to the fields of `to`. */
int reader_object(const struct reader *reader, const struct place *place, json_t *value, const struct reader_key *keys,
                  void *to);

/* A size and an array of elements that `take` reads, between a first element with its size and a last one of zeros, as the lists of the
 * public interface have them. *to is a pointer to such elements. */
int reader_array(const struct reader *reader, const struct place *place, json_t *value, reader_take take, size_t size,
                 void *to);

/* Zeroed memory of the reader's. It ends the process where there is none. */
void *reader_memory(const struct reader *reader, size_t n, size_t size);

/* Readers of values; `to` points to: */
int reader_text(const struct reader *, const struct place *, json_t *, void *to);     /* const char *: not empty */
int reader_content(const struct reader *, const struct place *, json_t *, void *to);  /* const char *, maybe empty */
int reader_path(const struct reader *, const struct place *, json_t *, void *to);     /* const char *: see directory */
int reader_texts(const struct reader *, const struct place *, json_t *, void *to);    /* const char *const * */
int reader_pairs(const struct reader *, const struct place *, json_t *, void *to);    /* ... of "NAME=VALUE" */
int reader_env(const struct reader *, const struct place *, json_t *, void *to);      /* ... null: as it is here */
int reader_flag(const struct reader *, const struct place *, json_t *, void *to);     /* int */
int reader_number(const struct reader *, const struct place *, json_t *, void *to);   /* unsigned, from 1 on */
int reader_status(const struct reader *, const struct place *, json_t *, void *to);   /* int, 0 to 255 */
int reader_id(const struct reader *, const struct place *, json_t *, void *to);       /* uid_t or gid_t */
int reader_mode(const struct reader *, const struct place *, json_t *, void *to);     /* mode_t: "0644" */
int reader_bytes(const struct reader *, const struct place *, json_t *, void *to);    /* uint64_t: 1024 or "512M" */
int reader_duration(const struct reader *, const struct place *, json_t *, void *to); /* unsigned, ms: "1m30s" */
int reader_signal(const struct reader *, const struct place *, json_t *, void *to);   /* int: "SIGTERM" */

/* Adds up the parts of "1m30s", in ms. Returns whether it is a time. */
int reader_parse_duration(const char *text, double *ret_ms);

/* The index of a word of a NULL-terminated list, from `first` on, for an enum. */
int reader_word(const struct reader *reader, const struct place *place, json_t *value, const char *const *words,
                int first, void *to);

#endif
