/* SPDX-License-Identifier: MIT */
#ifndef MF_MASKED_PATHS_H
#define MF_MASKED_PATHS_H

/* What docker hides of /proc and /sys, and more that is the whole machine's: without a user namespace, root inside reads
 * what the host's root reads. systemd-nspawn makes the rest read-only. mayfly(7) has the same list. */
/* clang-format off */
#define MF_MASKED_PATHS \
        "/proc/acpi", \
        "/proc/asound", \
        "/proc/interrupts", \
        "/proc/kcore", \
        "/proc/keys", \
        "/proc/kpagecgroup", \
        "/proc/kpagecount", \
        "/proc/kpageflags", \
        "/proc/latency_stats", \
        "/proc/sched_debug", \
        "/proc/scsi", \
        "/proc/slabinfo", \
        "/proc/timer_list", \
        "/proc/timer_stats", \
        "/proc/vmallocinfo", \
        "/sys/firmware", \
        "/sys/devices/virtual/powercap"
/* clang-format on */

#endif
