/* SPDX-License-Identifier: MIT */
#ifndef UPKEEP_H
#define UPKEEP_H

/* What test-verify and test-gc share: a store with a few images, and what was reported about it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mayfly/mayfly.h>
#include <time.h>

#define IMAGES 3
#define BIG (200U << 10) /* bytes of rootfs/big */

struct world {
        char *directory, store[512];
        char id[IMAGES][136], reference[IMAGES][1024];
        char told[1 << 16]; /* what was reported, a line each: "event image", "differs image path: what" */
        int cancel_at;      /* the report to cancel at, from 1 */
};
extern struct world world;

int set_up(void **state);
int tear_down(void **state);
struct mayfly_image *open_image(int i, int fetched); /* expected to be fetched or not */
void fetch_all(void);
char *in_image(int i, const char *name); /* a path; static */
void set_last_use(int i, time_t seconds_ago);
int is_stored(int i);
int on_report(const struct mayfly_store_report *report, void *userdata);
struct mayfly_verify_result verify(const char *image, int keep);
struct mayfly_gc_options gc_options(void);
struct mayfly_gc_result collect(const struct mayfly_gc_options *options);
void assert_told(const char *line);

#define world_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
