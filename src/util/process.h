/* SPDX-License-Identifier: MIT */
#ifndef MF_PROCESS_H
#define MF_PROCESS_H

/* What /proc says of a process. */

#include <stddef.h>
#include <sys/types.h>

/* Copies what /proc/PID/status says after `name`, such as "PPid:". Returns 0 when it says nothing, else 1. */
int mf_process_status(pid_t pid, const char *name, char *ret, size_t size);
/* Does the same for the process whose directory of /proc is open. */
int mf_process_status_at(int directory, const char *name, char *ret, size_t size);

/* Counts the PID namespaces in which the process has a PID, from that of /proc inwards. Returns 0 for a process that is gone. */
unsigned mf_process_namespaces(pid_t pid);
unsigned mf_process_namespaces_at(int directory);

#endif
