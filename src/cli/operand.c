/* SPDX-License-Identifier: MIT */
#include "cli/operand.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <mayfly/store.h>

#include "cli/cli.h"

int tool_is_path(const char *operand)
{
        size_t n = strlen(operand);

        if (*operand == '/' || strncmp(operand, "./", 2) == 0 || strncmp(operand, "../", 3) == 0)
                return 1;
        return n >= 4 && strcasecmp(operand + n - 4, ".aci") == 0 && strncasecmp(operand, "aci:", 4) != 0 &&
               !strstr(operand, "://");
}

int tool_check_reference(const char *command, const char *operand)
{
        if (!tool_is_path(operand))
                return TOOL_OK;
        return tool_usage(command, "'%s' is a path, not a reference; mayfly pin prints the reference of a file",
                          operand);
}

const char *tool_open_path(const char *operand)
{
        return strcmp(operand, "-") == 0 ? "/dev/stdin" : operand;
}

int tool_check_path(const char *path)
{
        if (access(path, R_OK) == 0)
                return TOOL_OK;
        return tool_fail("%s cannot be read: %s; check the path", path, strerror(errno));
}

int tool_check_store(const char *store)
{
        if (!store || access(store, F_OK) == 0)
                return TOOL_OK;
        return tool_fail("the store \"%s\" cannot be read: %s; check --store", store, strerror(errno));
}

static int is_short_id(const char *text)
{
        int is_512 = strncmp(text, "sha512-", 7) == 0, is_256 = strncmp(text, "sha256-", 7) == 0;
        size_t n = is_512 || is_256 ? strspn(text + 7, "0123456789abcdef") : 0;

        return n >= 8 && n < (is_512 ? 128U : 64U) && !text[7 + n];
}

int tool_complete_id(const char **operand, const char *store, char ret[TOOL_ID_MAX])
{
        struct mayfly_stored_image **images = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        size_t found = 0, n = strlen(*operand);

        if (!is_short_id(*operand))
                return TOOL_OK;
        if (mayfly_store_list(&images, store, &err) < 0)
                return tool_fail("%s", err.message);
        for (struct mayfly_stored_image **image = images; *image; image++)
                if (strncmp((*image)->id, *operand, n) == 0 && found++ == 0)
                        snprintf(ret, TOOL_ID_MAX, "%s", (*image)->id);
        mayfly_store_list_free(images);
        if (found == 0)
                return tool_fail("no image in the store has an ID that begins with %s; mayfly images lists them",
                                 *operand);
        if (found > 1)
                return tool_fail("%zu images in the store have IDs that begin with %s; write more of it", found,
                                 *operand);
        *operand = ret;
        return TOOL_OK;
}

void tool_show_progress(int quiet, struct mf_progress_printer *printer, struct mayfly_image_options *options)
{
        mf_progress_init(printer, stderr);
        if (quiet)
                return;
        options->progress = mf_progress_print;
        options->progress_userdata = printer;
}
