/* SPDX-License-Identifier: MIT */
#ifndef ARM_H
#define ARM_H

/* Copies the program NAME.faulty of $MAYFLY_LIBEXEC_FAULTY to `directory`, as NAME, with `text` after `mark`: see faults.h.
 * The copy gets its name at once, because a container that ends may still execute the last one. Ends the program when it
 * cannot. */
void arm_program(const char *directory, const char *name, const char *mark, const char *text);

#endif
