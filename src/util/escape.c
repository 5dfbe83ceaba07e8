/* SPDX-License-Identifier: MIT */
#include "util/escape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/macro.h"

size_t mf_utf8_next(const char *text, int32_t *ret_code)
{
        static const int32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 }; /* shorter forms exist for what is below */
        const unsigned char *p = (const unsigned char *) text;
        size_t length = *p < 0x80 ? 1 : *p >= 0xf0 && *p < 0xf8 ? 4 : *p >= 0xe0 ? 3 : 2;
        int32_t code = length == 1 ? *p : *p & (0x7f >> length);

        *ret_code = -1;
        if ((*p >= 0x80 && *p < 0xc0) || *p >= 0xf8)
                return 1;
        for (size_t i = 1; i < length; i++) {
                if ((p[i] & 0xc0) != 0x80) /* as is the NUL at the end */
                        return 1;
                code = code << 6 | (p[i] & 0x3f);
        }
        if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
                return 1;
        *ret_code = code;
        return length;
}

int mf_is_printable(int32_t code)
{
        static const struct {
                int32_t first, last;
        } hidden[] = {
                { 0, 0x1f },          { 0x7f, 0x9f },     /* C0, DEL, C1 */
                { 0x61c, 0x61c },     { 0x200b, 0x200b }, /* a mark of direction, a space without width */
                { 0x200e, 0x200f },                       /* marks of direction */
                { 0x2028, 0x202e },   { 0x2060, 0x206f }, /* separators, embeddings, overrides, isolates */
                { 0xfeff, 0xfeff },                       /* the mark that some editors put at the begin of a file */
                { 0xfff9, 0xfffb },   { 0xfffe, 0xffff }, /* annotations, and what XML cannot have */
                { 0xe0000, 0xe007f },                     /* tags */
        };

        for (size_t i = 0; i < MF_ELEMENTSOF(hidden); i++)
                if (code >= hidden[i].first && code <= hidden[i].last)
                        return 0;
        return code >= 0;
}

struct writer {
        char *to;
        size_t size, length; /* the room, and the length of all pieces, written or not */
        int full;            /* a piece did not fit: what follows is counted only */
};

static void begin(struct writer *writer, char *to, size_t size)
{
        *writer = (struct writer){ .to = to, .size = size };
        if (size > 0)
                *to = '\0';
}

/* A piece is written as a whole or not at all. */
static void append(struct writer *writer, const char *piece, size_t n)
{
        if (!writer->full && writer->length + n < writer->size) {
                memcpy(writer->to + writer->length, piece, n);
                writer->to[writer->length + n] = '\0';
        } else {
                writer->full = 1;
        }
        writer->length += n;
}

size_t mf_escape(char *ret, size_t size, const char *text)
{
        struct writer writer;
        int32_t code;

        begin(&writer, ret, size);
        for (size_t n; *text; text += n) {
                char octal[4 * 4 + 1];
                n = mf_utf8_next(text, &code);
                if (mf_is_printable(code)) {
                        append(&writer, text, n);
                        continue;
                }
                for (size_t i = 0; i < n; i++)
                        snprintf(octal + 4 * i, 5, "\\%03o", (unsigned) (unsigned char) text[i]);
                append(&writer, octal, 4 * n);
        }
        return writer.length;
}

/* Writes the inner part of $'...'. */
static void append_escaped(struct writer *writer, const char *text)
{
        int32_t code;

        for (size_t n; *text; text += n) {
                char piece[5];
                n = mf_utf8_next(text, &code);
                if (code == '\n' || code == '\t')
                        append(writer, code == '\n' ? "\\n" : "\\t", 2);
                else if (code == '\'' || code == '\\')
                        append(writer, code == '\'' ? "\\'" : "\\\\", 2);
                else if (mf_is_printable(code))
                        append(writer, text, n);
                else
                        for (size_t i = 0; i < n; i++)
                                append(writer, piece,
                                       (size_t) snprintf(piece, sizeof(piece), "\\%03o",
                                                         (unsigned) (unsigned char) text[i]));
        }
}

static int is_all_printable(const char *text)
{
        int32_t code;

        while (*text) {
                text += mf_utf8_next(text, &code);
                if (!mf_is_printable(code))
                        return 0;
        }
        return 1;
}

size_t mf_shell_quote(char *ret, size_t size, const char *text)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
        struct writer writer;

        begin(&writer, ret, size);
        if (*text && text[strspn(text, plain)] == '\0') {
                append(&writer, text, strlen(text));
        } else if (!is_all_printable(text)) {
                append(&writer, "$'", 2);
                append_escaped(&writer, text);
                append(&writer, "'", 1);
        } else {
                append(&writer, "'", 1);
                for (size_t n; *text; text += n) {
                        n = strcspn(text, "'");
                        append(&writer, n ? text : "'\\''", n ? n : 4);
                        n = n ? n : 1;
                }
                append(&writer, "'", 1);
        }
        return writer.length;
}

size_t mf_json_quote(char *ret, size_t size, const char *text)
{
        struct writer writer;
        int32_t code;

        begin(&writer, ret, size);
        append(&writer, "\"", 1);
        for (size_t n; *text; text += n) {
                char piece[16];
                n = mf_utf8_next(text, &code);
                if (code < 0)
                        append(&writer, "\xef\xbf\xbd", 3); /* U+FFFD, the replacement character */
                else if (code == '"' || code == '\\')
                        append(&writer, code == '"' ? "\\\"" : "\\\\", 2);
                else if (mf_is_printable(code))
                        append(&writer, text, n);
                else if (code < 0x10000)
                        append(&writer, piece, (size_t) snprintf(piece, sizeof(piece), "\\u%04x", (unsigned) code));
                else /* a pair of surrogates */
                        append(&writer, piece,
                               (size_t) snprintf(piece, sizeof(piece), "\\u%04x\\u%04x",
                                                 0xd800U + (((unsigned) code - 0x10000) >> 10),
                                                 0xdc00U + ((unsigned) code & 0x3ff)));
        }
        append(&writer, "\"", 1);
        return writer.length;
}

/* What `write` makes of a text, allocated. */
static char *allocate(size_t (*write)(char *ret, size_t size, const char *text), const char *text)
{
        size_t size = write(NULL, 0, text) + 1;
        char *ret = malloc(size);

        if (ret)
                write(ret, size, text);
        return ret;
}

char *mf_escape_dup(const char *text)
{
        return allocate(mf_escape, text);
}

char *mf_json_quote_dup(const char *text)
{
        return allocate(mf_json_quote, text);
}
