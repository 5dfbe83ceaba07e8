/* SPDX-License-Identifier: MIT */
#ifndef MF_TAGS_H
#define MF_TAGS_H

/* The tags of a page that say where images and keys are. The page is read as a browser reads it: what a browser takes
 * for text, a comment or a script is no tag. Only user of gumbo. */

#include <stddef.h>

#include <mayfly/error.h>

/* One <meta name="ac-discovery" content="PREFIX TEMPLATE">, or <meta name="ac-discovery-pubkeys" content="PREFIX URL">.
 */
struct mf_tag {
        char *prefix, *template;
        int of_keys;
};

struct mf_tags {
        struct mf_tag *list; /* as they come in the page */
        size_t n, allocated;
};

/* The tags of an HTML page, whatever else it has; none is no error. *ret is for mf_tags_clear(), set on success only.
 * -EBADMSG when it has too many tags or takes too much memory or time, -ENOMEM; the message continues "the page URL ".
 */
int mf_tags_parse(struct mf_tags *ret, const char *html, size_t size, struct mayfly_error *err);
void mf_tags_clear(struct mf_tags *tags);

#endif
