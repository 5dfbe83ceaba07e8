/* SPDX-License-Identifier: MIT */
#ifndef MF_SHOW_H
#define MF_SHOW_H

/* URLs and references in messages. */

#define MF_SHOWN_MAX 400

/* A copy of a URL or reference for messages, cut if it is long: no password, and if asked no query (they end up in
 * public logs), no control characters (a message is one line). */
void mf_show_url(char shown[MF_SHOWN_MAX], const char *text, int hide_query);

#endif
