/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "container/container.h"
#include "ready/condition.h"
#include "ready/pace.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/trace.h"

/* One loop that waits for everything at once: the conditions, their time-outs, and the death of the container. */

#define PAUSE_MAX_MS 60000U
#define WORDS_MAX 1500U /* of all that is said about the conditions; the rest of the message is the end of the log */

/* The processor time of this thread, in microseconds. */
static uint64_t cpu_us(void)
{
        struct timespec used;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
        return (uint64_t) used.tv_sec * 1000000U + (uint64_t) used.tv_nsec / 1000U;
}

/* A wait that is under way. */
struct loop {
        struct mf_condition *root;
        struct mayfly_container *container;
        uint64_t begin_us;
        uint64_t round_cost_us; /* what the last round took of the processor */
        int is_dead;            /* the container has died, and this is the last round */
};

/* --- words ---------------------------------------------------------------------------------------------------- */

/* A list of phrases with "; " between them, cut where it is full. */
struct phrases {
        char text[WORDS_MAX];
        size_t used;
};

static void add_phrase(struct phrases *phrases, const char *phrase)
{
        size_t room = sizeof(phrases->text) - phrases->used;
        int n = snprintf(phrases->text + phrases->used, room, "%s%s", phrases->used ? "; " : "", phrase);

        if (n > 0)
                phrases->used += (size_t) n < room ? (size_t) n : room - 1;
}

/* Adds what the conditions that do not hold await, and, with `seen`, what was seen of each. */
static void add_pending(struct loop *loop, struct mf_condition *condition, int seen, struct phrases *phrases)
{
        char text[2 * MF_SEEN_MAX + 2], saw[MF_SEEN_MAX] = "";

        if (condition->state == 1)
                return;
        for (size_t i = 0; i < condition->n_children; i++)
                add_pending(loop, &condition->children[i], seen, phrases);
        if (!condition->what)
                return;
        if (seen && condition->type->describe)
                condition->type->describe(condition, loop->container, saw, sizeof(saw));
        snprintf(text, sizeof(text), "%s%s%s", condition->what, *saw ? ": " : "", saw);
        add_phrase(phrases, text);
}

/* --- the state of the tree ------------------------------------------------------------------------------------ */

/* Sets the condition's state to `code`, a negative errno, with an error that the caller fills. Returns where, or NULL without
 * memory. */
static struct mayfly_error *fail(struct mf_condition *condition, int code)
{
        condition->state = code;
        if (!condition->error)
                condition->error = calloc(1, sizeof(*condition->error));
        if (condition->error)
                *condition->error = (struct mayfly_error) MAYFLY_ERROR_INIT;
        return condition->error;
}

static void time_out(struct loop *loop, struct mf_condition *condition)
{
        unsigned ms = (unsigned) ((condition->deadline_us - loop->begin_us) / 1000);
        mf_cleanup(mf_freep) struct phrases *phrases = calloc(1, sizeof(*phrases));

        if (phrases)
                add_pending(loop, condition, 1, phrases);
        mf_error_set(fail(condition, -ETIMEDOUT), -ETIMEDOUT, MAYFLY_STAGE_WAIT, "not ready after %u ms: %s", ms,
                     phrases ? phrases->text : "?");
}

/* Takes the state of a group from those of its conditions: the first failure of one ends `all`, success of one `any`. */
static void settle(struct mf_condition *group)
{
        size_t n_held = 0, n_failed = 0;
        const struct mf_condition *failed = NULL;

        for (size_t i = 0; i < group->n_children; i++) {
                const struct mf_condition *child = &group->children[i];
                n_held += child->state > 0;
                n_failed += child->state < 0;
                if (child->state < 0 && !failed)
                        failed = child;
        }
        int is_any = group->type == &mf_condition_any;
        if (is_any ? n_held > 0 : n_held == group->n_children) {
                group->state = 1;
        } else if (failed && (!is_any || n_failed == group->n_children)) {
                struct mayfly_error *error = fail(group, failed->state);
                if (!error)
                        return;
                mf_error_copy(error, failed->state, failed->error ? failed->error->stage : MAYFLY_STAGE_WAIT,
                              failed->error ? failed->error->message : "out of memory");
                for (size_t i = 0; is_any && i < group->n_children; i++)
                        if (&group->children[i] != failed && group->children[i].error)
                                mf_error_join(error, group->children[i].error);
        }
}

/* Whether nothing more will come of the app, or of a container that has none. */
static int is_over(const struct mayfly_container *container)
{
        return container->control < 0 || container->reports.app == MF_APP_ENDED || mf_container_gone(container);
}

static void look(struct loop *loop, struct mf_condition *condition)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        uint64_t begin = mf_now_us(), begin_cpu = cpu_us();

        int r = condition->type->look(condition, loop->container, &why);
        /* The time in which others had the processor is no cost of a look. */
        uint64_t end = mf_now_us(), cost = condition->type->is_slow ? end - begin : cpu_us() - begin_cpu;
        if (!condition->type->is_slow && cost < loop->round_cost_us)
                cost = loop->round_cost_us;
        if (condition->type->is_event)
                condition->next_look_us = UINT64_MAX;
        else if (condition->next_look_us <= begin)
                condition->next_look_us = end + mf_pace_pause_us(cost, condition->type->is_slow);
        condition->state = r;
        if (r < 0 && is_over(loop->container))
                condition->state = 0; /* because the container has died, which is explained once, for all conditions */
        else if (r < 0)
                mf_error_set(fail(condition, r), r, why.stage, "%s: %s", condition->what, why.message);
}

/* Looks at what is due, from the leaves to the root. */
static void look_at_all(struct loop *loop, struct mf_condition *condition)
{
        if (condition->state != 0)
                return;
        for (size_t i = 0; i < condition->n_children; i++)
                look_at_all(loop, &condition->children[i]);
        uint64_t now = mf_now_us();
        int is_due = condition->type->is_event || condition->next_look_us <= now;
        if (condition->children)
                settle(condition);
        else if (loop->is_dead ? condition->type->looks_at_the_dead : is_due)
                look(loop, condition);
        if (condition->state == 0 && now >= condition->deadline_us)
                time_out(loop, condition);
}

/* --- waiting -------------------------------------------------------------------------------------------------- */

/* Gives a condition its deadline: its own, or default_ms, or, when that is 0, none, because that of a group around it is in
 * force. */
static void set_deadlines(struct mf_condition *condition, uint64_t begin_us, unsigned default_ms)
{
        unsigned ms = condition->options.timeout_ms ? condition->options.timeout_ms : default_ms;

        condition->deadline_us = ms ? begin_us + (uint64_t) ms * 1000 : UINT64_MAX;
        for (size_t i = 0; i < condition->n_children; i++)
                set_deadlines(&condition->children[i], begin_us, 0);
}

/* Returns the time-out of the whole, in ms: the default, or the longest that a condition asks for. */
static unsigned longest(const struct mf_condition *condition, unsigned ms)
{
        if (condition->options.timeout_ms > ms)
                ms = condition->options.timeout_ms;
        for (size_t i = 0; i < condition->n_children; i++)
                ms = longest(&condition->children[i], ms);
        return ms;
}

/* What poll() has to wait for. */
struct wanted {
        struct pollfd fds[MF_POLL_EXTRA_MAX];
        struct mf_condition *of[MF_POLL_EXTRA_MAX];
        size_t n;
        uint64_t wake_us;
};

static void collect(struct mf_condition *condition, struct wanted *wanted)
{
        if (condition->state != 0)
                return;
        for (size_t i = 0; i < condition->n_children; i++)
                collect(&condition->children[i], wanted);
        if (condition->deadline_us < wanted->wake_us)
                wanted->wake_us = condition->deadline_us;
        if (!condition->children && condition->next_look_us < wanted->wake_us)
                wanted->wake_us = condition->next_look_us;
        if (!condition->type->poll_fds || wanted->n + MF_CONDITION_FDS_MAX > MF_POLL_EXTRA_MAX)
                return;
        size_t n = condition->type->poll_fds(condition, wanted->fds + wanted->n);
        for (size_t i = 0; i < n; i++)
                wanted->of[wanted->n + i] = condition;
        wanted->n += n;
}

/* Waits for the next event or the next look. */
static int pause_until_due(struct loop *loop, struct mayfly_error *err)
{
        struct wanted wanted = { .wake_us = UINT64_MAX };

        collect(loop->root, &wanted);
        if (wanted.wake_us > mf_now_us() + (uint64_t) PAUSE_MAX_MS * 1000)
                wanted.wake_us = mf_now_us() + (uint64_t) PAUSE_MAX_MS * 1000;
        int r = mf_container_poll(loop->container, wanted.fds, wanted.n, mf_left_ms(wanted.wake_us), err);
        for (size_t i = 0; r == 0 && i < wanted.n; i++)
                if (wanted.fds[i].revents)
                        wanted.of[i]->next_look_us = 0;
        return r;
}

static int explain_death(struct loop *loop, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) struct phrases *phrases = calloc(1, sizeof(*phrases));
        char what[WORDS_MAX + 32];

        if (phrases)
                add_pending(loop, loop->root, 0, phrases);
        snprintf(what, sizeof(what), "waiting for %.1000s", phrases ? phrases->text : "it");
        return mf_container_explain_death(loop->container, -ESRCH, MAYFLY_STAGE_WAIT, what, err);
}

/* Gives the error of the root, with the end of the log. */
static int give_error(const struct loop *loop, struct mayfly_error *err)
{
        const struct mf_condition *root = loop->root;
        const struct mayfly_error *why = root->error;
        char text[WORDS_MAX];

        snprintf(text, sizeof(text), "container %s: %.*s", loop->container->machine, (int) WORDS_MAX - 100,
                 why ? why->message : "out of memory");
        return mf_container_explain_wait(loop->container, root->state, why ? why->stage : MAYFLY_STAGE_WAIT, text, err);
}

static int run(struct loop *loop, struct mayfly_error *err)
{
        for (;;) {
                uint64_t begin = cpu_us();
                loop->is_dead = is_over(loop->container);
                look_at_all(loop, loop->root);
                if (loop->root->state > 0)
                        return 0;
                if (loop->root->state < 0)
                        return give_error(loop, err);
                if (loop->is_dead)
                        return explain_death(loop, err);
                int r = pause_until_due(loop, err);
                if (r == 0)
                        r = mf_container_check_cancelled(loop->container, err);
                if (r < 0)
                        return r;
                loop->round_cost_us = cpu_us() - begin;
        }
}

int mf_conditions_await(struct mf_condition *root, struct mayfly_container *container, struct mayfly_error *err)
{
        struct loop loop = { .root = root, .container = container, .begin_us = mf_now_us() };
        MF_TRACE("waits", mayfly_container_name(container));

        unsigned default_ms = container->spec.start_timeout_ms, whole_ms = longest(root, default_ms);
        set_deadlines(root, loop.begin_us, whole_ms);
        /* Those at the top have the default, if the whole has more because one of them asks for more. */
        for (size_t i = 0; whole_ms > default_ms && i < root->n_children; i++)
                set_deadlines(&root->children[i], loop.begin_us, default_ms);
        mf_container_receive(container);
        mf_pace_enter();
        int r = run(&loop, err);
        mf_pace_leave();
        return r;
}
