/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_OPERAND_H
#define MF_CLI_OPERAND_H

/* What an operand names: a file, or an image elsewhere. */

#include <mayfly/image.h>

#include "util/progress.h"

/* Whether it is a path, whether or not there is a file: it begins with "/", "./" or "../", or ends in ".aci" and is
 * neither a URL nor a reference. */
int tool_is_path(const char *operand);

/* Whether it can be a reference. Returns TOOL_OK, or complains of a path and returns TOOL_USAGE. */
int tool_check_reference(const char *command, const char *operand);

/* The path to open: that of standard input for "-". */
const char *tool_open_path(const char *operand);

/* Whether a file is there that can be read. Returns TOOL_OK, or complains and returns TOOL_FAILED. */
int tool_check_path(const char *path);

/* Whether the store that was named is there; NULL is fine. For the library a store that is not there yet has no images,
 * but here it is a typo. Returns TOOL_OK, or complains and returns TOOL_FAILED. */
int tool_check_store(const char *store);

#define TOOL_ID_MAX 136 /* a whole image ID, "sha512-" and 128 digits, and a NUL */

/* Writes to `ret` the ID of the only image in the store that begins like the operand, if that is a shortened ID: "sha512-"
 * and 8 to 127 hex digits, or "sha256-" and 8 to 63. Sets *operand to it. Returns TOOL_OK, also for any other operand, or complains and returns
 * TOOL_FAILED when there is no such image or more than one. `store` is NULL for the default. */
int tool_complete_id(const char **operand, const char *store, char ret[TOOL_ID_MAX]);

/* Has *options show progress on standard error unless `quiet`; mf_progress_finish() ends it. */
void tool_show_progress(int quiet, struct mf_progress_printer *printer, struct mayfly_image_options *options);

#endif
