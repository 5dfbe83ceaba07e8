/* SPDX-License-Identifier: MIT */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double bench_now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
        const double *one = a, *other = b;

        return *one < *other ? -1 : *one > *other;
}

double bench_median(double *values, size_t n)
{
        qsort(values, n, sizeof(*values), compare);
        return values[n / 2];
}

void bench_print_head(const char *what, const char *us, const char *them)
{
        printf("%-52s %10s %10s %8s\n", what, us, them, "ratio");
}

void bench_print_row(const char *what, double us, double them)
{
        printf("%-52s %10.2f %10.2f %8.2f\n", what, us, them, us / them);
        fflush(stdout);
}
