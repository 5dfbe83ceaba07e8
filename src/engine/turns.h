/* SPDX-License-Identifier: MIT */
#ifndef MF_TURNS_H
#define MF_TURNS_H

#include <stdint.h>

/* Turns: how many containers of a process may have a connection to the system bus at once, for starting or stopping.
 * dbus-daemon allows a user 256 connections, and systemd-nspawn keeps one for each registered container. */

/* Waits until there is a turn. Returns 0, or -EBUSY when there was none before `deadline_us` (of mf_now_us()). */
int mf_turn_take(uint64_t deadline_us);
void mf_turn_give_back(void);

#endif
