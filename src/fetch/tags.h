/* SPDX-License-Identifier: MIT */
#ifndef MF_TAGS_H
#define MF_TAGS_H

/* The tags of a page with the URLs of images and keys. mayfly reads the page as a browser does: text, comments and scripts
 * have no tags. tags.c is the only user of gumbo. */

#include <stddef.h>

#include <mayfly/error.h>

/* One <meta name="ac-discovery" content="PREFIX TEMPLATE">, or <meta name="ac-discovery-pubkeys" content="PREFIX URL">.
 */
struct mf_tag {
        char *prefix, *template;
        int of_keys;
};

struct mf_tags {
        struct mf_tag *list; /* in the order of the page */
        size_t n, allocated;
};

/* Finds the tags of an HTML page, which may have none. *ret is for mf_tags_clear(), set on success only. Returns 0, -EBADMSG
 * when the page has too many tags or takes too much memory or time, or -ENOMEM. The message continues "the page URL ". */
int mf_tags_parse(struct mf_tags *ret, const char *html, size_t size, struct mayfly_error *err);
void mf_tags_clear(struct mf_tags *tags);

#endif
