/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <mayfly/log.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/container.h"
#include "container/logs.h"
#include "ready/condition.h"
#include "ready/regex.h"
#include "util/error.h"
#include "util/escape.h"
#include "util/macro.h"

/* A line of the app's output. The log is read from where the last look ended, so that nothing is missed. */

#define SHOWN_MAX 120U

struct search {
        regex_t regex;
        int has_regex;
        uint64_t position;        /* where to go on reading: where the first line without an end begins */
        uint64_t seen;            /* how much of the log was seen */
        uint64_t done[3];         /* of each stream: where the last line with an end ends, */
        uint64_t counted[3];      /* and where the last one begins that matches, plus one */
        uint64_t lost;            /* bytes that were overwritten before they could be read */
        unsigned found;           /* lines that match, */
        unsigned lines;           /* of so many */
        char last[SHOWN_MAX + 1]; /* the last line */
        int has_unfinished;       /* the last line has no end yet */
};

static int check(struct mf_condition *condition, char *what, size_t size, struct mayfly_error *err)
{
        const struct mayfly_wait *o = &condition->options;
        const char *pattern = o->log ? o->log : o->log_text;
        char count[48] = "";

        if (!*pattern)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the text that the log is to have is empty");
        if (strchr(pattern, '\n'))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "what the log is to have has a newline, but each line is looked at alone");
        if ((unsigned) o->log_stream > MAYFLY_STREAM_ERROR)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "log_stream %d is none of enum mayfly_stream",
                                (int) o->log_stream);
        struct search *search = calloc(1, sizeof(*search));
        if (!search)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        condition->data = search;
        search->position = o->log_from;
        if (o->log_count > 1)
                snprintf(count, sizeof(count), ", %u times", o->log_count);
        snprintf(what, size, "log line %s \"%.200s\"%s%s", o->log ? "that matches" : "with", pattern, count,
                 o->log_stream == MAYFLY_STREAM_OUTPUT  ? " on standard output"
                 : o->log_stream == MAYFLY_STREAM_ERROR ? " on standard error"
                                                        : "");
        int r = o->log ? mf_regex_compile(&search->regex, o->log, err) : 0;
        search->has_regex = o->log && r == 0;
        return r;
}

static int resolve(struct mf_condition *condition, const struct mayfly_container *container, struct mayfly_error *err)
{
        struct search *search = condition->data;
        int r = mf_condition_need_app(container, "a line of the log", err);

        if (search->position < container->log_begin)
                search->position = container->log_begin;

        if (r < 0 || !condition->options.log_stream || container->spec.separate_streams)
                return r;
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the wait is for a %s, but the streams of container %s are one; set separate_streams in its "
                        "spec",
                        condition->what, container->machine);
}

static int matches(const struct search *search, const struct mayfly_wait *options, const struct mayfly_log_line *line)
{
        if (search->has_regex)
                return mf_regex_matches(&search->regex, line->text, line->text_size);
        return memmem(line->text, line->text_size, options->log_text, strlen(options->log_text)) != NULL;
}

static void take_line(struct mf_condition *condition, const struct mayfly_log_line *line, int is_last)
{
        const struct mayfly_wait *options = &condition->options;
        struct search *search = condition->data;
        uint64_t *counted = &search->counted[line->stream];

        if (line->is_complete && line->end <= search->done[line->stream])
                return; /* the other stream's line, whose end is awaited, began before it */
        if (line->is_complete)
                search->done[line->stream] = line->end;
        search->lost += line->lost;
        if (options->log_stream && line->stream != options->log_stream)
                return;
        search->has_unfinished = !line->is_complete;
        search->lines += (unsigned) line->is_complete;
        char text[SHOWN_MAX + 1];
        snprintf(text, sizeof(text), "%.*s", (int) (line->text_size < SHOWN_MAX ? line->text_size : SHOWN_MAX),
                 line->text);
        mf_escape(search->last, sizeof(search->last), text);
        /* What is yet to come can make a regular expression match no more, but a text stays. */
        int can_count = line->is_complete || is_last || !search->has_regex;
        if (can_count && *counted != line->begin + 1 && matches(search, options, line)) {
                search->found++;
                *counted = line->begin + 1;
        }
}

static int look(struct mf_condition *condition, struct mayfly_container *container, struct mayfly_error *err)
{
        unsigned wanted = condition->options.log_count ? condition->options.log_count : 1;
        struct search *search = condition->data;
        int is_over = container->control < 0 || container->reports.app == MF_APP_ENDED;

        if (!is_over && mf_log_end(&container->log) == search->seen)
                return 0;
        struct mayfly_log *log = NULL;
        int r = mf_container_log_read(container, search->position, &log, err);
        if (r < 0)
                return r;
        search->seen = search->position = log->next;
        for (size_t i = 0; i < log->n_lines; i++) {
                take_line(condition, log->lines[i], is_over);
                if (!log->lines[i]->is_complete && log->lines[i]->begin < search->position)
                        search->position = log->lines[i]->begin;
        }
        mayfly_log_free(log);
        return search->found >= wanted;
}

static void describe(struct mf_condition *condition, struct mayfly_container *container, char *seen, size_t size)
{
        const struct search *search = condition->data;
        char lost[100] = "";

        (void) container;
        if (search->lost)
                snprintf(lost, sizeof(lost), "; %llu bytes were overwritten unread, see log_size",
                         (unsigned long long) search->lost);
        if (!search->lines && !search->has_unfinished)
                snprintf(seen, size, "the app wrote nothing%s", lost);
        else
                snprintf(seen, size, "%u of %u line%s did; the last is%s \"%s\"%s", search->found, search->lines,
                         search->lines == 1 ? "" : "s", search->has_unfinished ? ", without an end," : "", search->last,
                         lost);
}

static void clear(struct mf_condition *condition)
{
        struct search *search = condition->data;

        if (search && search->has_regex)
                regfree(&search->regex);
        free(search);
}

const struct mf_condition_type mf_condition_log = {
        .check = check, .resolve = resolve, .look = look, .describe = describe, .clear = clear, .looks_at_the_dead = 1
};
