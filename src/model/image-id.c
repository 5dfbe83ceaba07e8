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

int mf_image_id_is_canonical(const char *text)
{
        char id[MF_ID_LENGTH + 1];

        return mf_image_id_parse(text, id) == 0 && strcmp(text, id) == 0;
}
