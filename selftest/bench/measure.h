/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>

double bench_now_ms(void);

/* Sorts the values. */
double bench_median(double *values, size_t n);

/* Prints the first line of a table, and a line with the ratio of two figures. */
void bench_print_head(const char *what, const char *us, const char *them);
void bench_print_row(const char *what, double us, double them);

#endif
