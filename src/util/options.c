/* SPDX-License-Identifier: MIT */
#include "util/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"

#define GROWTH_MAX 4096U   /* no struct will ever grow by more, so a larger size is wrong */
#define ENTRIES_MAX 10000U /* a longer array has lost its end */

static size_t size_of(const void *given)
{
        size_t size;

        memcpy(&size, given, sizeof(size));
        return size;
}

static int check_size(size_t size, const struct mf_option_kind *kind, struct mayfly_error *err)
{
        if (size >= kind->size_min && size <= kind->size + GROWTH_MAX && size % sizeof(size_t) == 0)
                return 0;
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "%s: the size is %zu, which no release of mayfly has (in this library, %s, it is %zu); start "
                        "with %s",
                        kind->what, size, MF_VERSION, kind->size, kind->initializer);
}

/* Returns -EINVAL when a field beyond those of this library is set. */
static int check_unknown(const unsigned char *bytes, size_t size, const struct mf_option_kind *kind,
                         struct mayfly_error *err)
{
        for (size_t i = kind->size; i < size; i++)
                if (bytes[i])
                        return mf_error(
                                err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "%s: the field at byte %zu is set, but this library, mayfly %s, is too old to know it: "
                                "it knows %zu bytes of %zu; use the library that belongs to the program's headers",
                                kind->what, i - i % sizeof(void *), MF_VERSION, kind->size, size);
        return 0;
}

/* Copies the fields that both know, and sets the size to this library's. */
static void copy(void *ret, const void *given, size_t size, const struct mf_option_kind *kind)
{
        memcpy(ret, given, size < kind->size ? size : kind->size);
        memcpy(ret, &kind->size, sizeof(kind->size));
}

int mf_options_take(void *ret, const void *given, const struct mf_option_kind *kind, struct mayfly_error *err)
{
        if (!given)
                return 0;
        size_t size = size_of(given);
        int r = check_size(size, kind, err);
        if (r == 0)
                r = check_unknown(given, size, kind, err);
        if (r == 0)
                copy(ret, given, size, kind);
        return r;
}

static int is_zero(const unsigned char *bytes, size_t size)
{
        for (size_t i = 0; i < size; i++)
                if (bytes[i])
                        return 0;
        return 1;
}

/* Returns how many entries an array has between its first element and its end, or negative errno. */
static int count_entries(const unsigned char *array, size_t size, const struct mf_option_kind *kind,
                         struct mayfly_error *err)
{
        if (!is_zero(array + sizeof(size), size - sizeof(size)))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "%s: the first element of the array must only set the size, but it has other fields; "
                                "write the array with %s",
                                kind->what, kind->initializer);
        for (unsigned n = 1; n <= ENTRIES_MAX; n++)
                if (is_zero(array + n * size, size))
                        return (int) n - 1;
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "%s: the array has no end within %u entries; its last element must be all zero", kind->what,
                        ENTRIES_MAX);
}

int mf_options_take_array(void *ret, const void *given, const struct mf_option_kind *kind, struct mayfly_error *err)
{
        const unsigned char *array = given;
        size_t size = given ? size_of(given) : kind->size;

        int r = check_size(size, kind, err);
        int n = r == 0 && given ? count_entries(array, size, kind, err) : r;
        if (n < 0)
                return n;
        unsigned char *entries = calloc((size_t) n + 1, kind->size);
        if (!entries)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        for (int i = 0; r == 0 && i < n; i++) {
                const unsigned char *entry = array + (size_t) (i + 1) * size;
                if (size_of(entry) != 0 && size_of(entry) != size)
                        r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                     "%s: the size of entry %d is %zu, but the first element says %zu; write the array "
                                     "with %s",
                                     kind->what, i + 1, size_of(entry), size, kind->initializer);
                else
                        r = check_unknown(entry, size, kind, err);
                copy(entries + (size_t) i * kind->size, entry, size, kind);
        }
        if (r < 0)
                free(entries);
        else
                memcpy(ret, &(void *){ entries }, sizeof(void *));
        return r;
}

int mf_result_check(const void *ret, const struct mf_option_kind *kind, struct mayfly_error *err)
{
        return ret ? check_size(size_of(ret), kind, err) : 0;
}

void mf_result_give(void *ret, const void *result, const struct mf_option_kind *kind)
{
        if (!ret)
                return;
        size_t size = size_of(ret), known = size < kind->size ? size : kind->size;
        memcpy((char *) ret + sizeof(size), (const char *) result + sizeof(size), known - sizeof(size));
        memset((char *) ret + known, 0, size - known);
}
