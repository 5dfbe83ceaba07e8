/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/nearest.h"

#define SHOWN_MAX 60U

void *reader_memory(const struct reader *reader, size_t n, size_t size)
{
        void *memory = mf_arena_get(reader->memory, n * size);

        if (!memory)
                tool_oom();
        return memory;
}

/* --- mistakes --------------------------------------------------------------------------------------------------- */

/* Appends the place, "containers.db.publish[0]". Returns how much is used. */
static size_t show_place(const struct place *place, char *text, size_t size, size_t used)
{
        if (!place || !place->above)
                return used;
        used = show_place(place->above, text, size, used);
        if (used >= size)
                return used;
        if (!place->name)
                return used + (size_t) snprintf(text + used, size - used, "[%zu]", place->index);
        return used + (size_t) snprintf(text + used, size - used, "%s%.80s", used ? "." : "", place->name);
}

int reader_bad(const struct reader *reader, const struct place *place, const char *format, ...)
{
        char where[400] = "", why[800];
        va_list args;

        va_start(args, format);
        vsnprintf(why, sizeof(why), format, args);
        va_end(args);
        show_place(place, where, sizeof(where), 0);
        return mf_error(reader->err, -EINVAL, MAYFLY_STAGE_SPEC, "%s: %s%s%s", reader->file, where, *where ? ": " : "",
                        why);
}

int reader_not_a(const struct reader *reader, const struct place *place, json_t *value, const char *wanted)
{
        mf_cleanup(mf_freep) char *all = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        int is_long = all && strlen(all) > SHOWN_MAX;

        return reader_bad(reader, place, "%.*s%s is not %s", (int) SHOWN_MAX, all ? all : "the value",
                          is_long ? "..." : "", wanted);
}

/* --- documents -------------------------------------------------------------------------------------------------- */

int reader_load(const struct reader *reader, json_t **ret)
{
        const struct place whole = { 0 };
        json_error_t why;

        errno = 0;
        json_t *root = strcmp(reader->file, "-") == 0 ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &why)
                                                      : json_load_file(reader->file, JSON_REJECT_DUPLICATES, &why);
        if (!root && json_error_code(&why) == json_error_cannot_open_file)
                return mf_error(reader->err, errno ? -errno : -EIO, MAYFLY_STAGE_SPEC,
                                "%s cannot be read: %s; give the path of a declaration", reader->file, strerror(errno));
        if (!root)
                return reader_bad(reader, NULL, "line %d, column %d: %s; %s", why.line, why.column, why.text,
                                  json_error_code(&why) == json_error_duplicate_key ? "give each key once"
                                                                                    : "it must be JSON");
        if (!json_is_object(root)) {
                int r = reader_not_a(reader, &whole, root, "an object");
                json_decref(root);
                return r;
        }
        *ret = root;
        return 0;
}

static const struct reader_key *find(const struct reader_key *keys, const char *name)
{
        while (keys->name && strcmp(keys->name, name) != 0)
                keys++;
        return keys->name ? keys : NULL;
}

static int unknown_key(const struct reader *reader, const struct place *place, const struct reader_key *keys)
{
        char all[620] = "; the keys are ", meant[MF_MEANT_MAX];
        size_t n = 0, used = strlen(all);

        while (keys[n].name)
                n++;
        const char **names = reader_memory(reader, n + 1, sizeof(*names));
        for (size_t i = 0; i < n; i++) {
                names[i] = keys[i].name;
                if (used < sizeof(all))
                        used += (size_t) snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", names[i]);
        }
        return reader_bad(reader, place, "there is no such key%s",
                          mf_meant(place->name, names, MF_MOST_EDITS, all, meant));
}

int reader_object(const struct reader *reader, const struct place *place, json_t *value, const struct reader_key *keys,
                  void *to)
{
        const char *name;
        json_t *member;

        if (!json_is_object(value))
                return reader_not_a(reader, place, value, "an object");
        json_object_foreach(value, name, member) {
                const struct place inner = { .above = place, .name = name };
                const struct reader_key *key = find(keys, name);
                int r = key ? key->take(reader, &inner, member, (char *) to + key->at)
                            : unknown_key(reader, &inner, keys);
                if (r < 0)
                        return r;
        }
        for (; keys->name; keys++)
                if (keys->is_required && !json_object_get(value, keys->name))
                        return reader_bad(reader, place, "\"%s\" is missing", keys->name);
        return 0;
}

int reader_array(const struct reader *reader, const struct place *place, json_t *value, reader_take take, size_t size,
                 void *to)
{
        json_t *item;
        size_t i;

        if (!json_is_array(value))
                return reader_not_a(reader, place, value, "a list");
        char *list = reader_memory(reader, json_array_size(value) + 2, size);
        *(size_t *) (void *) list = size;
        json_array_foreach(value, i, item) {
                const struct place inner = { .above = place, .index = i };
                char *element = list + (i + 1) * size;
                *(size_t *) (void *) element = size;
                int r = take(reader, &inner, item, element);
                if (r < 0)
                        return r;
        }
        memcpy(to, &(void *){ list }, sizeof(list)); /* whatever its type */
        return 0;
}
