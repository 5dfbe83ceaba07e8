/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ready/condition.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/options.h"
#include "util/timeout.h"

/* From a caller's list to a tree of conditions. */

#define DEPTH_MAX 16U

const struct mf_condition_type mf_condition_all, mf_condition_any;

/* Where a condition stands in the caller's list: "2" or, in a group, "2.1". */
struct place {
        char number[128];
        unsigned depth;
};

/* Chooses the type by the one field that is set. */
static int choose_type(struct mf_condition *condition, const struct place *place, struct mayfly_error *err)
{
        const struct mayfly_wait *o = &condition->options;
        const struct {
                const char *name;
                const struct mf_condition_type *type;
                int is_set;
        } kinds[] = {
                { "all", &mf_condition_all, o->all != NULL },
                { "any", &mf_condition_any, o->any != NULL },
                { "log", &mf_condition_log, o->log != NULL },
                { "log_text", &mf_condition_log, o->log_text != NULL },
                { "unix_socket", &mf_condition_unix, o->unix_socket != NULL },
                { "http", &mf_condition_http, o->http != NULL },
                { "https", &mf_condition_http, o->https != NULL },
                { "port", &mf_condition_port, o->port && !o->http && !o->https },
                { "command", &mf_condition_command, o->command != NULL },
                { "file", &mf_condition_file, o->file != NULL },
                { "notify", &mf_condition_notify, o->notify != 0 },
                { "exit", &mf_condition_exit, o->exit != 0 },
                { "callback", &mf_condition_callback, o->callback != NULL },
                { "healthy", &mf_condition_healthy, o->healthy != 0 },
        };
        const char *chosen = NULL;

        for (size_t i = 0; i < MF_ELEMENTSOF(kinds); i++) {
                if (!kinds[i].is_set)
                        continue;
                if (chosen)
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "condition %s of the wait has both %s and %s; write one condition an entry",
                                        place->number, chosen, kinds[i].name);
                chosen = kinds[i].name;
                condition->type = kinds[i].type;
        }
        return chosen ? 0
                      : mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                 "condition %s of the wait awaits nothing; set port, log, or another field of struct "
                                 "mayfly_wait that is a condition",
                                 place->number);
}

/* Refuses fields that say more about a condition that the entry does not have. */
static int check_details(const struct mf_condition *condition, const struct place *place, struct mayfly_error *err)
{
        const struct mayfly_wait *o = &condition->options;
        int is_log = o->log || o->log_text, is_http = o->http || o->https;
        const struct {
                const char *name, *of;
                int is_wrong;
        } details[] = {
                { "log_count", "log", o->log_count && !is_log },
                { "log_stream", "log", o->log_stream && !is_log },
                { "log_from", "log", o->log_from && !is_log },
                { "http_status", "http", o->http_status && !is_http },
                { "http_body", "http", o->http_body && !is_http },
                { "http_headers", "http", o->http_headers && !is_http },
                { "http_user", "http", o->http_user && !is_http },
                { "http_password", "http_user", o->http_password && !o->http_user },
                { "http_host", "http", o->http_host && !is_http },
                { "http_ca_file", "https", o->http_ca_file && !o->https },
                { "http_insecure", "https", o->http_insecure && !o->https },
                { "exit_status", "exit", o->exit_status && !o->exit },
                { "userdata", "callback", o->userdata && !o->callback },
        };

        for (size_t i = 0; i < MF_ELEMENTSOF(details); i++)
                if (details[i].is_wrong)
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "condition %s of the wait has %s, but no %s that it could be about",
                                        place->number, details[i].name, details[i].of);
        return 0;
}

static int make_list(struct mf_condition *group, const struct mayfly_wait *list, const struct place *place,
                     struct mayfly_error *err);

/* Puts the place and the condition in front of what a check found wrong. */
static int blame(const struct place *place, int code, const struct mayfly_error *why, struct mayfly_error *err)
{
        return mf_error(err, code, why->stage, "condition %s of the wait: %s", place->number, why->message);
}

static int make_one(struct mf_condition *condition, const struct place *place, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        char what[MF_SEEN_MAX] = "";

        int r = choose_type(condition, place, err);
        if (r == 0)
                r = check_details(condition, place, err);
        if (r < 0)
                return r;
        if (condition->options.all || condition->options.any)
                return make_list(condition, condition->options.all ? condition->options.all : condition->options.any,
                                 place, err);
        r = condition->type->check(condition, what, sizeof(what), &why);
        if (r < 0)
                return blame(place, r, &why, err);
        condition->what = strdup(what);
        return condition->what ? 0 : mf_error_oom(err, MAYFLY_STAGE_SPEC);
}

/* Makes the children of a group. */
static int make_list(struct mf_condition *group, const struct mayfly_wait *list, const struct place *place,
                     struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the wait", "MAYFLY_WAIT()", struct mayfly_wait, healthy);
        mf_cleanup(mf_freep) struct mayfly_wait *entries = NULL;
        size_t n = 0;

        if (place->depth > DEPTH_MAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the wait has groups in groups, more than %u deep; does a list contain itself?",
                                DEPTH_MAX);
        int r = mf_options_take_array(&entries, list, &kind, err);
        if (r < 0)
                return r;
        while (entries[n].size)
                n++;
        if (n == 0 && place->depth > 0)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "condition %s of the wait is a group of nothing",
                                place->number);
        group->children = calloc(n + 1, sizeof(*group->children));
        if (!group->children)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        group->n_children = n;
        for (size_t i = 0; r == 0 && i < n; i++) {
                struct place inner = { .depth = place->depth + 1 };
                snprintf(inner.number, sizeof(inner.number), "%.100s%s%u", place->number, *place->number ? "." : "",
                         (unsigned) i + 1);
                group->children[i].options = entries[i];
                group->children[i].options.timeout_ms = mf_timeout_ms(entries[i].timeout_ms);
                r = make_one(&group->children[i], &inner, err);
        }
        return r;
}

int mf_conditions_make(struct mf_condition *ret, const struct mayfly_wait *list, struct mayfly_error *err)
{
        const struct place top = { .depth = 0 };

        *ret = (struct mf_condition){ .type = &mf_condition_all };
        int r = make_list(ret, list, &top, err);
        if (r < 0)
                mf_conditions_clear(ret);
        return r;
}

int mf_conditions_resolve(struct mf_condition *condition, const struct mayfly_container *container,
                          struct mayfly_error *err)
{
        int r = condition->type->resolve ? condition->type->resolve(condition, container, err) : 0;

        for (size_t i = 0; r == 0 && i < condition->n_children; i++)
                r = mf_conditions_resolve(&condition->children[i], container, err);
        return r;
}

int mf_conditions_have(const struct mf_condition *condition, const struct mf_condition_type *type)
{
        if (condition->type == type)
                return 1;
        for (size_t i = 0; i < condition->n_children; i++)
                if (mf_conditions_have(&condition->children[i], type))
                        return 1;
        return 0;
}

void mf_conditions_clear(struct mf_condition *condition)
{
        for (size_t i = 0; i < condition->n_children; i++)
                mf_conditions_clear(&condition->children[i]);
        if (condition->type && condition->type->clear)
                condition->type->clear(condition);
        free(condition->children);
        free(condition->what);
        free(condition->error);
        *condition = (struct mf_condition){ 0 };
}
