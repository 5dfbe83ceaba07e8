/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fetch/discovery.h"

#include <errno.h>
#include <libxml/HTMLparser.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "fetch/http.h"
#include "model/reference.h"
#include "model/show.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"

#define PAGE_MAX ((size_t) 512 * 1024) /* the parser takes the square of it at worst */
#define DEPTH_MAX 500U
#define TAGS_MAX 1000U
#define BLANKS " \t\r\n\f"

/* --- the tags of a page ------------------------------------------------------------------------------------------ */

struct reader {
        xmlParserCtxtPtr parser;
        struct mf_tags tags;
        unsigned depth;
        int result;
};

static void stop(struct reader *reader, int r)
{
        reader->result = r;
        xmlStopParser(reader->parser);
}

static void add_tag(struct reader *reader, const char *content, int of_keys)
{
        const char *prefix = content + strspn(content, BLANKS);
        size_t length = strcspn(prefix, BLANKS);
        const char *template = prefix + length + strspn(prefix + length, BLANKS);
        size_t size = strcspn(template, BLANKS);

        if (size == 0 || template[size + strspn(template + size, BLANKS)]) /* not two words */
                return;
        if (reader->tags.n >= TAGS_MAX) {
                stop(reader, -E2BIG);
                return;
        }
        struct mf_tag *grown = realloc(reader->tags.list, (reader->tags.n + 1) * sizeof(*grown));
        if (grown) {
                reader->tags.list = grown;
                grown[reader->tags.n] = (struct mf_tag){ strndup(prefix, length), strndup(template, size), of_keys };
                reader->tags.n++;
        }
        if (!grown || !grown[reader->tags.n - 1].prefix || !grown[reader->tags.n - 1].template)
                stop(reader, -ENOMEM);
}

static void on_start(void *userdata, const xmlChar *tag, const xmlChar **attributes)
{
        struct reader *reader = userdata;
        const char *name = NULL, *content = NULL;

        if (reader->result < 0)
                return;
        if (++reader->depth > DEPTH_MAX) {
                stop(reader, -EBADMSG);
                return;
        }
        if (strcasecmp((const char *) tag, "meta") != 0)
                return;
        for (const xmlChar **a = attributes; a && a[0]; a += 2) {
                if (strcasecmp((const char *) a[0], "name") == 0)
                        name = (const char *) a[1];
                else if (strcasecmp((const char *) a[0], "content") == 0)
                        content = (const char *) a[1];
        }
        if (name && content && (strcmp(name, "ac-discovery") == 0 || strcmp(name, "ac-discovery-pubkeys") == 0))
                add_tag(reader, content, name[strlen("ac-discovery")] != '\0');
}

static void on_end(void *userdata, const xmlChar *tag)
{
        struct reader *reader = userdata;

        (void) tag;
        if (reader->depth > 0)
                reader->depth--;
}

int mf_tags_parse(struct mf_tags *ret, const char *html, size_t size, struct mayfly_error *err)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        struct reader reader = { 0 };

        pthread_once(&once, xmlInitParser);
        reader.parser = htmlNewParserCtxt();
        if (!reader.parser || !reader.parser->sax) {
                htmlFreeParserCtxt(reader.parser);
                return mf_error_oom(err, MAYFLY_STAGE_DISCOVERY);
        }
        /* These two and no tree: nothing else of a page is kept. */
        memset(reader.parser->sax, 0, sizeof(*reader.parser->sax));
        reader.parser->sax->startElement = on_start;
        reader.parser->sax->endElement = on_end;
        reader.parser->userData = &reader;
        xmlDocPtr document = htmlCtxtReadMemory(reader.parser, html, (int) size, NULL, "UTF-8",
                                                HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                                        HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
        xmlFreeDoc(document);
        htmlFreeParserCtxt(reader.parser);
        if (reader.result == 0) {
                *ret = reader.tags;
                return 0;
        }
        mf_tags_clear(&reader.tags);
        if (reader.result == -ENOMEM)
                return mf_error_oom(err, MAYFLY_STAGE_DISCOVERY);
        if (reader.result == -E2BIG)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_DISCOVERY, "has more than %u ac-discovery tags", TAGS_MAX);
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_DISCOVERY, "has elements nested deeper than %u", DEPTH_MAX);
}

void mf_tags_clear(struct mf_tags *tags)
{
        for (size_t i = 0; i < tags->n; i++) {
                free(tags->list[i].prefix);
                free(tags->list[i].template);
        }
        free(tags->list);
        *tags = (struct mf_tags){ 0 };
}

/* --- lists of URLs ----------------------------------------------------------------------------------------------- */

static int grow(char ***list, size_t n)
{
        char **grown = realloc(*list, (n + 1) * sizeof(*grown));

        if (grown)
                *list = grown;
        return grown ? 0 : -ENOMEM;
}

int mf_urls_add(struct mf_urls *urls, char *url, char *signature)
{
        if (!url || !signature || grow(&urls->list, urls->n) < 0 || grow(&urls->signatures, urls->n) < 0) {
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

/* What is below the mirror's prefix is below its target; NULL: out of memory. */
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
        const char *path;                 /* whose page is asked for first */
        const struct mf_image_name *name; /* of the image; NULL: keys are looked for */
        const struct mf_mirrors *mirrors;
        const char *text; /* of the reference */
        const struct mayfly_image_options *options;
        uint64_t begin_us;
        struct mayfly_error asked; /* and what came of it */
        char *page;
        size_t size;
};

static int on_body(void *userdata, const void *data, size_t size)
{
        struct search *search = userdata;

        if (search->size + size > PAGE_MAX)
                return -EFBIG;
        char *grown = realloc(search->page, search->size + size);
        if (!grown)
                return -ENOMEM;
        search->page = grown;
        memcpy(grown + search->size, data, size);
        search->size += size;
        return 0;
}

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

/* What a page came to: it has tags that will do; it has none, or is not there (4xx); something went wrong. */
enum outcome { FOUND, NOTHING, FAILED };

/* Fills search->page. */
static enum outcome get_page(struct search *search, const char *url, struct mayfly_error *err)
{
        int status = 0;
        const struct mf_http_request request = {
                .url = url,
                .allow_http = search->options->allow_http,
                .ca_file = search->options->ca_file,
                .retries = search->options->retries,
                .stall_timeout_ms = search->options->stall_timeout_ms,
                .connect_timeout_ms = search->options->connect_timeout_ms,
                .body = on_body,
                .cancelled = is_cancelled,
                .status = &status,
                .userdata = search,
        };
        enum mf_scheme scheme;
        char shown[MF_SHOWN_MAX];

        mf_show_url(shown, url, 0);
        free(search->page);
        search->page = NULL;
        search->size = 0;
        int r = mf_url_check(url, search->options->allow_http, &scheme, err);
        if (r == 0) {
                struct mf_sigpipe sigpipe;
                mf_sigpipe_block(&sigpipe);
                r = mf_http_get(&request, err);
                mf_sigpipe_restore(&sigpipe);
        }
        if (r == 0)
                return FOUND;
        if (r == -EFBIG)
                mf_error(err, r, MAYFLY_STAGE_DISCOVERY, "the page %s has more than %zu bytes", shown, PAGE_MAX);
        else if (r == -ENOMEM)
                mf_error_oom(err, MAYFLY_STAGE_DISCOVERY);
        if (status / 100 != 4)
                return FAILED;
        *err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        mf_error(err, -ENOENT, MAYFLY_STAGE_DISCOVERY, "%s answers %d", shown, status);
        return NOTHING;
}

/* A page may not send us to files of this host, nor, unless it came from there itself, to its services. */
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

/* A tag for our name: 1 when its URL was added, 0 when it is of no use, for the reason given. */
static int use_tag(const struct search *search, const struct mf_tag *tag, const char *page, struct mf_urls *ret,
                   struct mayfly_error *why)
{
        char *url = search->name ? NULL : strdup(tag->template); /* that of keys is no template */

        int r = search->name ? mf_image_name_render(search->name, tag->template, "aci", &url) : url ? 0 : -ENOMEM;
        if (r == -EINVAL) {
                mf_error(why, -ENOENT, MAYFLY_STAGE_DISCOVERY, "%.60s has no value: give that label", url);
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

static enum outcome read_page(const struct search *search, const char *url, struct mf_urls *ret,
                              struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct mf_tags tags = { 0 };
        char shown[MF_SHOWN_MAX];
        int r = 0;

        mf_show_url(shown, url, 0);
        if (mf_tags_parse(&tags, search->page ? search->page : "", search->size, &why) < 0) {
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

/* Where the pages of one path may be, in the order to try. */
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

/* One path's. It has none when one place says so, be the others out of order: a mirror may be all there is. */
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
        free(search->page);
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
