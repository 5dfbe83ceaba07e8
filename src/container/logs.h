/* SPDX-License-Identifier: MIT */
#ifndef MF_LOGS_H
#define MF_LOGS_H

/* The library's side of the log: a sealed memfd with a ring that mayfly-init writes, see protocol/message.h. */

#include <stddef.h>
#include <stdint.h>

/* Makes an empty log that keeps the last `capacity` bytes. *ret is its descriptor. Returns 0 or -errno. */
int mf_log_create(uint64_t capacity, int *ret);
/* Makes a file for what mayfly-launch, systemd-nspawn and mayfly-init say, which cannot grow over a bound. *ret is its
 * descriptor; all writers must share it or a copy of it. Returns 0 or -errno. */
int mf_boot_log_create(int *ret);
/* Copies the last `max` bytes that were written to it: *ret is allocated and NUL-terminated. Returns 0 or -errno. */
int mf_boot_log_read(int boot_log, size_t max, char **ret);
/* Copies the last `max` bytes: *ret is allocated and NUL-terminated. ret_size may be NULL. Returns 0 or -errno. */
int mf_log_read(int log, size_t max, char **ret, size_t *ret_size);

#endif
