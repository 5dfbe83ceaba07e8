/* SPDX-License-Identifier: MIT */
#include "ready/order.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/macro.h"

int mf_order_add(struct mf_order *order, const char *name, const char *after)
{
        size_t allocated = order->allocated;
        const char **names = mf_grow((void *) order->names, order->n, &allocated, sizeof(*names));

        if (!names)
                return -ENOMEM;
        order->names = names;
        const char **afters = mf_grow((void *) order->after, order->n, &order->allocated, sizeof(*afters));
        if (!afters)
                return -ENOMEM;
        order->after = afters;
        order->names[order->n] = name;
        order->after[order->n++] = after;
        return 0;
}

void mf_order_clear(struct mf_order *order)
{
        free((void *) order->names);
        free((void *) order->after);
        *order = (struct mf_order){ 0 };
}

/* Returns the next name of a list and its length, and moves on; NULL at the end. */
static const char *next_name(const char **list, size_t *ret_length)
{
        const char *name = *list + strspn(*list, ", ");

        *ret_length = strcspn(name, ", ");
        *list = name + *ret_length;
        return *ret_length ? name : NULL;
}

static int is_name(const char *name, const char *text, size_t length)
{
        return name && strlen(name) == length && memcmp(name, text, length) == 0;
}

int mf_after_has(const char *after, const char *name)
{
        size_t length;

        for (const char *one; after && (one = next_name(&after, &length));)
                if (is_name(name, one, length))
                        return 1;
        return 0;
}

int mf_order_is_after(const struct mf_order *order, size_t i, size_t j)
{
        return mf_after_has(order->after[i], order->names[j]);
}

/* Each name of `after` must be that of exactly one. */
static int check_names(const struct mf_order *order, size_t i, struct mayfly_error *err)
{
        char known[300] = "";
        size_t length, used = 0;

        for (size_t j = 0; j < order->n; j++)
                if (order->names[j] && used < sizeof(known))
                        used += (size_t) snprintf(known + used, sizeof(known) - used, "%s\"%.60s\"", used ? ", " : "",
                                                  order->names[j]);
        for (const char *list = order->after[i], *name; list && (name = next_name(&list, &length));) {
                unsigned found = 0;
                for (size_t j = 0; j < order->n; j++)
                        found += (unsigned) is_name(order->names[j], name, length);
                if (found != 1)
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "spec %zu is after \"%.*s\", but %s specs have this name; the names are: %s",
                                        i + 1, (int) (length < 60 ? length : 60), name, found ? "several" : "no",
                                        *known ? known : "none");
        }
        return 0;
}

/* What a walk along `after` has seen. */
struct walk {
        const struct mf_order *order;
        char *state; /* of each: 0 new, 1 on the way, 2 done */
        size_t *way;
        size_t depth;
};

static int report_circle(const struct walk *walk, size_t again, struct mayfly_error *err)
{
        char text[400] = "";
        size_t used = 0, first = 0;

        while (walk->way[first] != again)
                first++;
        for (size_t k = first; k < walk->depth && used < sizeof(text); k++)
                used += (size_t) snprintf(text + used, sizeof(text) - used, "\"%.60s\" after ",
                                          walk->order->names[walk->way[k]]);
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the containers would wait for each other: %s\"%.60s\"; take one of the `after` out", text,
                        walk->order->names[again]);
}

static int visit(struct walk *walk, size_t i, struct mayfly_error *err)
{
        int r = 0;

        if (walk->state[i] == 2)
                return 0;
        if (walk->state[i] == 1)
                return report_circle(walk, i, err);
        walk->state[i] = 1;
        walk->way[walk->depth++] = i;
        for (size_t j = 0; r == 0 && j < walk->order->n; j++)
                if (mf_order_is_after(walk->order, i, j))
                        r = visit(walk, j, err);
        walk->depth--;
        walk->state[i] = 2;
        return r;
}

int mf_order_check(const struct mf_order *order, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *state = calloc(order->n + 1, 1);
        mf_cleanup(mf_freep) size_t *way = calloc(order->n + 1, sizeof(*way));
        struct walk walk = { .order = order, .state = state, .way = way };
        int r = state && way ? 0 : mf_error_oom(err, MAYFLY_STAGE_SPEC);

        for (size_t i = 0; r == 0 && i < order->n; i++)
                r = check_names(order, i, err);
        for (size_t i = 0; r == 0 && i < order->n; i++)
                r = visit(&walk, i, err);
        return r;
}
