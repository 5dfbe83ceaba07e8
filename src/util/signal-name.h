/* SPDX-License-Identifier: MIT */
#ifndef MF_SIGNAL_NAME_H
#define MF_SIGNAL_NAME_H

/* The number of a signal that is written as a number, or as a name with or without "SIG" in any case, also "RTMIN+3" and
 * "RTMAX-1". Returns 0 for what is none. */
int mf_signal_number(const char *text);

#endif
