/* SPDX-License-Identifier: MIT */
#ifndef MF_SHOW_H
#define MF_SHOW_H

/* Shows URLs and references in messages. */

#define MF_SHOWN_MAX 400

/* Copies a URL or reference for messages, cut if it is long, without passwords and control characters. With `hide_query` the
 * query is left out, too: messages end up in public logs. */
void mf_show_url(char shown[MF_SHOWN_MAX], const char *text, int hide_query);

#endif
