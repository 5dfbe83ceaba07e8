/* SPDX-License-Identifier: MIT */
#include "model/image-id.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

int mf_image_id_has_prefix(const char *text)
{
        return strncasecmp(text, MF_ID_PREFIX, MF_ID_PREFIX_LENGTH) == 0;
}

int mf_image_id_parse(const char *text, char ret[MF_ID_LENGTH + 1])
{
        if (!mf_image_id_has_prefix(text) || strlen(text) != MF_ID_LENGTH ||
            strspn(text + MF_ID_PREFIX_LENGTH, "0123456789abcdefABCDEF") != MF_ID_DIGITS)
                return -EINVAL;
        for (size_t i = 0; i <= MF_ID_LENGTH; i++)
                ret[i] = (char) tolower((unsigned char) text[i]);
        return 0;
}

/* Whether `text` is "sha256", the separator and 64 hex digits, or "sha512", the separator and 128, in lower case. */
static int is_digest(const char *text, char separator)
{
        static const struct {
                const char *name;
                size_t digits;
        } algorithms[] = { { "sha256", 64 }, { "sha512", MF_ID_DIGITS } };

        for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
                if (strncmp(text, algorithms[i].name, 6) == 0 && text[6] == separator)
                        return strlen(text + 7) == algorithms[i].digits &&
                               strspn(text + 7, "0123456789abcdef") == algorithms[i].digits;
        return 0;
}

int mf_image_id_is_canonical(const char *text)
{
        return is_digest(text, '-');
}

int mf_image_id_of_digest(const char *text, char ret[MF_ID_LENGTH + 1])
{
        if (!is_digest(text, ':'))
                return -EINVAL;
        strcpy(ret, text);
        ret[6] = '-';
        return 0;
}

void mf_digest_of_image_id(const char *id, char ret[MF_ID_LENGTH + 1])
{
        strcpy(ret, id);
        ret[6] = ':';
}
