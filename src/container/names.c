/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/names.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/macro.h"

#define NAME_MAX_LENGTH 253U
#define LABEL_MAX_LENGTH 63U

static const char *label_fault(const char *label, size_t length)
{
        if (length == 0)
                return "a part of it between dots is empty";
        if (length > LABEL_MAX_LENGTH)
                return "a part of it between dots is longer than 63 characters";
        if (label[0] == '-' || label[length - 1] == '-')
                return "a part of it between dots begins or ends with \"-\"";
        for (size_t i = 0; i < length; i++)
                if (!isascii((unsigned char) label[i]) || (!isalnum((unsigned char) label[i]) && label[i] != '-'))
                        return "it may have letters, digits, \"-\" and \".\"";
        return NULL;
}

const char *mf_host_name_fault(const char *name)
{
        const char *label = name;

        if (!*name)
                return "it is empty";
        if (strlen(name) > NAME_MAX_LENGTH)
                return "it is longer than 253 characters";
        for (;;) {
                size_t length = strcspn(label, ".");
                const char *fault = label_fault(label, length);
                if (fault)
                        return fault;
                if (!label[length])
                        break;
                label += length + 1;
        }
        /* Else it would be taken for an address. */
        return strspn(label, "0123456789") == strlen(label) ? "its last part is a number" : NULL;
}

int mf_aliases_check(const char *const *aliases, struct mayfly_error *err)
{
        for (size_t i = 0; aliases && aliases[i]; i++) {
                if (i >= MF_ALIASES_MAX)
                        return mf_error(err, -E2BIG, MAYFLY_STAGE_SPEC,
                                        "the spec has more than %u aliases; leave out some, or end the list with NULL",
                                        MF_ALIASES_MAX);
                const char *fault = mf_host_name_fault(aliases[i]);
                if (!fault && strcasecmp(aliases[i], "localhost") == 0)
                        fault = "each container has that name for itself";
                if (fault)
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "the alias \"%.260s\" of the spec is no host name: %s", aliases[i], fault);
        }
        return 0;
}

/* Whether the word is in the list, whose words are separated by blanks. */
static int has_word(const struct mf_buffer *list, const char *word, size_t length)
{
        const char *at = list->data;

        while (at && *at) {
                size_t n = strcspn(at, " ");
                if (n == length && strncasecmp(at, word, n) == 0)
                        return 1;
                at += n + (at[n] == ' ');
        }
        return 0;
}

static int add_word(struct mf_buffer *list, const char *word, size_t length)
{
        if (length == 0 || has_word(list, word, length))
                return 0;
        if (list->size > 0 && mf_buffer_add(list, " ", 1) < 0)
                return -ENOMEM;
        return mf_buffer_add(list, word, length);
}

char *mf_names_join(const char *machine, const char *hostname, const char *const *aliases)
{
        mf_cleanup(mf_buffer_clear) struct mf_buffer list = { 0 };
        const char *random = strrchr(machine, '-'); /* see mf_container_choose_name() */

        /* The first is what a program gets that asks for the whole name of its host. */
        int r = hostname ? add_word(&list, hostname, strlen(hostname)) : 0;
        if (r == 0)
                r = add_word(&list, machine, strlen(machine));
        if (r == 0 && random)
                r = add_word(&list, machine, (size_t) (random - machine));
        for (size_t i = 0; r == 0 && aliases && aliases[i]; i++)
                r = add_word(&list, aliases[i], strlen(aliases[i]));
        return r == 0 && list.data ? strdup(list.data) : NULL;
}
