/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "model/isolators.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"

/* Users get a pointer to `shown`, so it comes first. */
struct isolator {
        struct mayfly_isolator shown;
        enum mf_isolator_kind kind;
};

static struct isolator *nth(const struct mf_isolators *isolators, size_t i)
{
        return (struct isolator *) (void *) isolators->list[i];
}

static void free_isolator(struct isolator *isolator)
{
        if (isolator) {
                free((char *) (uintptr_t) isolator->shown.name);
                free((char *) (uintptr_t) isolator->shown.detail);
                free(isolator);
        }
}

static struct isolator *new_isolator(enum mf_isolator_kind kind, const char *name, enum mayfly_isolator_outcome outcome,
                                     const char *detail)
{
        struct isolator *isolator = calloc(1, sizeof(*isolator));

        if (!isolator)
                return NULL;
        isolator->kind = kind;
        isolator->shown.size = sizeof(isolator->shown);
        isolator->shown.outcome = outcome;
        isolator->shown.name = strdup(name);
        isolator->shown.detail = detail ? strdup(detail) : NULL;
        if (isolator->shown.name && (isolator->shown.detail || !detail))
                return isolator;
        free_isolator(isolator);
        return NULL;
}

int mf_isolators_add(struct mf_isolators *isolators, enum mf_isolator_kind kind, const char *name,
                     enum mayfly_isolator_outcome outcome, const char *detail)
{
        /* One element more than there are isolators, for the NULL. */
        struct mayfly_isolator **list =
                mf_grow(isolators->list, isolators->n + 1, &isolators->allocated, sizeof(*list));

        if (!list)
                return -ENOMEM;
        isolators->list = list;
        list[isolators->n] = NULL;
        struct isolator *isolator = new_isolator(kind, name, outcome, detail);
        if (!isolator)
                return -ENOMEM;
        isolators->list[isolators->n++] = &isolator->shown;
        isolators->list[isolators->n] = NULL;
        return 0;
}

int mf_isolators_has(const struct mf_isolators *isolators, enum mf_isolator_kind kind)
{
        for (size_t i = 0; i < isolators->n; i++)
                if (nth(isolators, i)->kind == kind)
                        return 1;
        return 0;
}

int mf_isolators_copy(const struct mf_isolators *isolators, struct mf_isolators *ret)
{
        struct mf_isolators copy = { 0 };
        int r = 0;

        for (size_t i = 0; r == 0 && i < isolators->n; i++) {
                const struct isolator *from = nth(isolators, i);
                r = mf_isolators_add(&copy, from->kind, from->shown.name, from->shown.outcome, from->shown.detail);
        }
        if (r < 0)
                mf_isolators_clear(&copy);
        else
                *ret = copy;
        return r;
}

int mf_isolators_note(struct mf_isolators *isolators, enum mf_isolator_kind kind, enum mayfly_isolator_outcome outcome,
                      const char *detail)
{
        for (size_t i = 0; i < isolators->n; i++) {
                struct mayfly_isolator *shown = isolators->list[i];
                char *text;
                if (nth(isolators, i)->kind != kind)
                        continue;
                if (asprintf(&text, "%s%s%s", shown->detail ? shown->detail : "", shown->detail ? "; " : "", detail) <
                    0)
                        return -ENOMEM;
                free((char *) (uintptr_t) shown->detail);
                shown->detail = text;
                shown->outcome = outcome;
        }
        return 0;
}

const struct mayfly_isolator *const *mf_isolators_list(const struct mf_isolators *isolators)
{
        static const struct mayfly_isolator *const none[] = { NULL };

        return isolators->list ? (const struct mayfly_isolator *const *) isolators->list : none;
}

void mf_isolators_clear(struct mf_isolators *isolators)
{
        for (size_t i = 0; i < isolators->n; i++)
                free_isolator(nth(isolators, i));
        free(isolators->list);
        *isolators = (struct mf_isolators){ 0 };
}
