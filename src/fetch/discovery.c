/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fetch/discovery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "fetch/http.h"
#include "fetch/tags.h"
#include "model/reference.h"
#include "model/show.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"

#define PAGE_MAX ((size_t) 512 * 1024) /* the parser's time can grow with the square of it */

/* --- lists of URLs ----------------------------------------------------------------------------------------------- */

/* Makes room for one more URL in both lists. Returns 0 or -ENOMEM. */
static int grow(struct mf_urls *urls)
{
        size_t allocated = urls->allocated;
        char **list = mf_grow(urls->list, urls->n, &allocated, sizeof(char *));

        if (!list)
                return -ENOMEM;
        urls->list = list;
        char **signatures = mf_grow(urls->signatures, urls->n, &urls->allocated, sizeof(char *));
        if (!signatures)
                return -ENOMEM;
        urls->signatures = signatures;
        return 0;
}

int mf_urls_add(struct mf_urls *urls, char *url, char *signature)
{
        if (!url || !signature || grow(urls) < 0) {
                free(url);
                free(signature);
                return -ENOMEM;
        }
        urls->list[urls->n] = url;
        urls->signatures[urls->n++] = signature;
        return 0;
}

void mf_urls_clear(struct mf_urls *urls)
{
        for (size_t i = 0; i < urls->n; i++) {
                free(urls->list[i]);
                free(urls->signatures[i]);
        }
        free(urls->list);
        free(urls->signatures);
        *urls = (struct mf_urls){ 0 };
}

char *mf_url_of_signature(const char *url)
{
        size_t length = strcspn(url, "?#");
        char *signature = NULL;

        return asprintf(&signature, "%.*s.asc%s", (int) length, url, url + length) < 0 ? NULL : signature;
}

char *mf_url_of_template_signature(const struct mf_image_name *name, const char *template, const char *url)
{
        char *signature = NULL;

        if (mf_image_name_render(name, template, "aci.asc", &signature) == 0 && strcmp(signature, url) != 0)
                return signature;
        free(signature);
        return mf_url_of_signature(url);
}

/* Returns the URL on the mirror, allocated: the target takes the place of the prefix. NULL when memory is short. */
static char *mirror_url(const struct mf_mirror *mirror, const char *url)
{
        size_t length = strlen(mirror->prefix);
        char *mirrored = NULL;

        if (strncmp(url, mirror->prefix, length) != 0)
                return strdup(url);
        return asprintf(&mirrored, "%s%s", mirror->target, url + length) < 0 ? NULL : mirrored;
}

int mf_urls_add_mirrored(struct mf_urls *urls, const struct mf_mirrors *mirrors, const char *url, const char *signature)
{
        for (size_t i = 0; i < mirrors->n; i++) {
                const struct mf_mirror *mirror = &mirrors->list[i];
                if (mirror->is_template || strncmp(url, mirror->prefix, strlen(mirror->prefix)) != 0)
                        continue;
                if (mf_urls_add(urls, mirror_url(mirror, url), mirror_url(mirror, signature)) < 0)
                        return -ENOMEM;
        }
        return mf_urls_add(urls, strdup(url), strdup(signature));
}

/* --- one page ---------------------------------------------------------------------------------------------------- */

struct search {
        const char *path;                 /* the name or prefix: its page comes first */
        const struct mf_image_name *name; /* of the image; NULL: keys are looked for */
        const struct mf_mirrors *mirrors;
        const char *text; /* of the reference */
        const struct mayfly_image_options *options;
        uint64_t begin_us;
        struct mayfly_error asked; /* the failures of all pages so far, joined */
        struct mf_buffer page;
};

static int is_cancelled(void *userdata)
{
        const struct search *search = userdata;
        const struct mayfly_progress progress = { .size = sizeof(progress),
                                                  .phase = MAYFLY_PROGRESS_FETCH,
                                                  .reference = search->text,
                                                  .elapsed_ms = (mf_now_us() - search->begin_us) / 1000 };

        return search->options->progress &&
               search->options->progress(&progress, search->options->progress_userdata) != 0;
}

/* The outcome of a page: it has usable tags; it has none, or does not exist (4xx); it could not be read. */
enum outcome { FOUND, NOTHING, FAILED };

/* Fetches a page into search->page. */
static enum outcome get_page(struct search *search, const char *url, struct mayfly_error *err)
{
        const struct mf_http_read read = {
                .url = url, .max = PAGE_MAX, .options = search->options, .cancelled = is_cancelled, .userdata = search
        };
        struct mf_sigpipe sigpipe;
        char shown[MF_SHOWN_MAX];
        int status = 0;

        mf_show_url(shown, url, 0);
        mf_buffer_clear(&search->page);
        mf_sigpipe_block(&sigpipe);
        int r = mf_http_read(&search->page, &read, &status, err);
        mf_sigpipe_restore(&sigpipe);
        if (r == 0)
                return FOUND;
        if (r == -EFBIG)
                mf_error(err, r, MAYFLY_STAGE_DISCOVERY, "the page %s has more than %zu bytes", shown, PAGE_MAX);
        if (status / 100 != 4)
                return FAILED;
        mf_error_clear(err);
        mf_error(err, -ENOENT, MAYFLY_STAGE_DISCOVERY, "%s answers %d", shown, status);
        return NOTHING;
}

/* Checks the URL that a page leads to: not to files of this host, and to plain http only if the page came that way. Returns
 * 0 or negative errno. */
static int may_lead_to(const struct search *search, const char *page, const char *url, struct mayfly_error *err)
{
        enum mf_scheme scheme;

        int r = mf_url_check(url, search->options->allow_http, &scheme, err);
        if (r < 0)
                return r;
        if (scheme == MF_SCHEME_FILE)
                return mf_error(err, -EACCES, MAYFLY_STAGE_DISCOVERY, "it leads to a file of this host");
        if (scheme == MF_SCHEME_HTTP && !search->options->allow_http && strncasecmp(page, "http:", 5) != 0)
                return mf_error(err, -EACCES, MAYFLY_STAGE_DISCOVERY, "it leads to plain http");
        return 0;
}

/* Adds the URL of a tag that matches our name. Returns 1, 0 when the tag is unusable (`why` is the reason), or -ENOMEM. */
static int use_tag(const struct search *search, const struct mf_tag *tag, const char *page, struct mf_urls *ret,
                   struct mayfly_error *why)
{
        char *url = search->name ? NULL : strdup(tag->template); /* a tag for keys has a URL, not a template */

        int r = search->name ? mf_image_name_render(search->name, tag->template, "aci", &url) : url ? 0 : -ENOMEM;
        if (r == -EINVAL) {
                mf_error(why, -ENOENT, MAYFLY_STAGE_DISCOVERY, "%.60s has no value; give that label", url);
                free(url);
                return 0;
        }
        if (r < 0)
                return r;
        r = may_lead_to(search, page, url, why);
        if (r < 0) {
                free(url);
                return 0;
        }
        r = mf_urls_add(ret, url,
                        search->name ? mf_url_of_template_signature(search->name, tag->template, url) : strdup(url));
        return r < 0 ? r : 1;
}

/* Adds the URLs of all matching tags of search->page, which came from `url`. */
static enum outcome read_page(const struct search *search, const char *url, struct mf_urls *ret,
                              struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct mf_tags tags = { 0 };
        char shown[MF_SHOWN_MAX];
        int r = 0;

        mf_show_url(shown, url, 0);
        if (mf_tags_parse(&tags, search->page.data ? search->page.data : "", search->page.size, &why) < 0) {
                mf_error(err, why.code, MAYFLY_STAGE_DISCOVERY, "the page %s %s", shown, why.message);
                return FAILED;
        }
        for (size_t i = 0; i < tags.n && r >= 0; i++)
                if (tags.list[i].of_keys == !search->name &&
                    strncmp(search->path, tags.list[i].prefix, strlen(tags.list[i].prefix)) == 0)
                        r = use_tag(search, &tags.list[i], url, ret, &why);
        mf_tags_clear(&tags);
        if (r < 0) {
                mf_error_oom(err, MAYFLY_STAGE_DISCOVERY);
                return FAILED;
        }
        if (ret->n > 0)
                return FOUND;
        mf_error(err, -ENOENT, MAYFLY_STAGE_DISCOVERY, "%s has no %sac-discovery%s tag for %.513s%s%.300s%s", shown,
                 why.code ? "usable " : "", search->name ? "" : "-pubkeys", search->path, why.code ? " (" : "",
                 why.message, why.code ? ")" : "");
        return NOTHING;
}

/* --- from page to page ------------------------------------------------------------------------------------------- */

/* Fills *ret with the URLs of the page of `path`, in the order to try. Returns 0 or -ENOMEM. */
static int list_pages(const struct search *search, const char *path, struct mf_urls *ret)
{
        static const char *const schemes[] = { "https", "http" };
        int r = 0;

        for (size_t i = 0; i < (search->options->allow_http ? 2U : 1U) && r == 0; i++) {
                mf_cleanup(mf_freep) char *url = NULL;
                if (asprintf(&url, "%s://%s%s?ac-discovery=1", schemes[i], path, strchr(path, '/') ? "" : "/") < 0) {
                        url = NULL;
                        return -ENOMEM;
                }
                r = mf_urls_add_mirrored(ret, search->mirrors, url, url);
        }
        return r;
}

/* Asks for the page of `path` at all its URLs. The outcome is NOTHING when one of them says so, even if the others fail: a
 * mirror may be the only one that can be reached. */
static enum outcome ask(struct search *search, const char *path, struct mf_urls *ret)
{
        struct mf_urls pages = { 0 };
        enum outcome best = FAILED;

        if (list_pages(search, path, &pages) < 0)
                mf_error_oom(&search->asked, MAYFLY_STAGE_DISCOVERY);
        for (size_t i = 0; i < pages.n && best != FOUND; i++) {
                struct mayfly_error why = MAYFLY_ERROR_INIT;
                enum outcome outcome = get_page(search, pages.list[i], &why);
                if (outcome == FOUND)
                        outcome = read_page(search, pages.list[i], ret, &why);
                if (outcome != FOUND)
                        mf_error_join(&search->asked, &why);
                if (outcome != FAILED)
                        best = outcome;
                if (why.code == -ECANCELED || why.code == -ENOMEM) {
                        search->asked = why;
                        best = FAILED;
                        break;
                }
        }
        mf_urls_clear(&pages);
        return best;
}

/* Asks for the pages of the name and then of its parents, until one has URLs. Returns 0 or negative errno. */
static int discover(struct search *search, struct mf_urls *ret, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *path = strdup(search->path);
        struct mf_urls urls = { 0 };
        enum outcome outcome = NOTHING;

        if (!path)
                return mf_error_oom(err, MAYFLY_STAGE_DISCOVERY);
        for (char *end = path; end && outcome == NOTHING;) {
                outcome = ask(search, path, &urls);
                end = strrchr(path, '/');
                if (end)
                        *end = '\0';
        }
        mf_buffer_clear(&search->page);
        if (outcome == FOUND) {
                *ret = urls;
                return 0;
        }
        mf_urls_clear(&urls);
        return mf_error(err, search->asked.code, search->asked.stage, "%s", search->asked.message);
}

int mf_discover(struct mf_urls *ret, const struct mf_image_name *name, const struct mf_mirrors *mirrors,
                const char *text, const struct mayfly_image_options *options, struct mayfly_error *err)
{
        struct search search = { .path = name->name,
                                 .name = name,
                                 .mirrors = mirrors,
                                 .text = text,
                                 .options = options,
                                 .begin_us = mf_now_us() };

        return discover(&search, ret, err);
}

int mf_discover_keys(struct mf_urls *ret, const char *prefix, const struct mf_mirrors *mirrors,
                     const struct mayfly_image_options *options, struct mayfly_error *err)
{
        struct search search = {
                .path = prefix, .mirrors = mirrors, .text = prefix, .options = options, .begin_us = mf_now_us()
        };

        return discover(&search, ret, err);
}
