/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/frames.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/macro.h"

#define UNKNOWN " in ?? ()"
#define FROM " from "

char *mf_frames_line(char **rest)
{
        char *line = strsep(rest, "\n");
        const size_t length = line ? strlen(line) : 0;

        if (length > 0 && line[length - 1] == ' ')
                line[length - 1] = '\0';
        return line;
}

/* Takes a line "0xBEGIN 0xEND 0xSIZE 0xOFFSET PATH". */
static int take_line(struct mf_mappings *mappings, char *line)
{
        uint64_t begin, end;
        int at = 0;

        if (sscanf(line, " 0x%" SCNx64 " 0x%" SCNx64 " 0x%*x 0x%*x %n", &begin, &end, &at) < 2 || at == 0 || !line[at])
                return 0;
        struct mf_mapping *grown = mf_grow(mappings->list, mappings->n, &mappings->allocated, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        mappings->list = grown;
        grown[mappings->n++] = (struct mf_mapping){ begin, end, line + at };
        return 0;
}

int mf_mappings_take(struct mf_mappings *ret, char *text)
{
        char *rest = text;
        int r = 0;

        *ret = (struct mf_mappings){ .text = text };
        for (char *line; r == 0 && (line = mf_frames_line(&rest));)
                r = take_line(ret, line);
        return r;
}

void mf_mappings_clear(struct mf_mappings *mappings)
{
        free(mappings->list);
        free(mappings->text);
        *mappings = (struct mf_mappings){ 0 };
}

const struct mf_mapping *mf_mappings_find(const struct mf_mappings *mappings, uint64_t address)
{
        for (size_t i = 0; i < mappings->n; i++)
                if (address >= mappings->list[i].begin && address < mappings->list[i].end)
                        return &mappings->list[i];
        return NULL;
}

/* Where the file begins in memory: a shared library's addresses count from there. */
static uint64_t begin_of(const struct mf_mappings *mappings, const char *path)
{
        uint64_t begin = UINT64_MAX;

        for (size_t i = 0; i < mappings->n; i++)
                if (strcmp(mappings->list[i].path, path) == 0 && mappings->list[i].begin < begin)
                        begin = mappings->list[i].begin;
        return begin;
}

/* Reads the address of a line "#1  0xADDRESS in ?? ()...". Returns 0 for another line. */
static int read_unknown(const char *line, size_t length, uint64_t *ret)
{
        const char *unknown = memmem(line, length, UNKNOWN, strlen(UNKNOWN));

        return unknown && *line == '#' && sscanf(line, "#%*u 0x%" SCNx64 " in", ret) == 1;
}

/* Adds the end of the line of a frame. gdb itself may have named the library. */
static int add_place(struct mf_buffer *ret, const struct mf_mappings *mappings, const struct mf_frames_program *program,
                     uint64_t address, int is_named)
{
        const struct mf_mapping *mapping = mf_mappings_find(mappings, address);
        char number[24];

        if (!mapping)
                return 0;
        int is_program = program->mapping && strcmp(mapping->path, program->mapping->path) == 0;
        const char *path = is_program ? program->path : mapping->path;
        const uint64_t shift = is_program ? program->shift : begin_of(mappings, mapping->path);
        snprintf(number, sizeof(number), "+0x%" PRIx64, address - shift);
        int r = is_named ? 0 : mf_buffer_add(ret, FROM, strlen(FROM));
        if (r == 0 && !is_named)
                r = mf_buffer_add(ret, path, strlen(path));
        return r == 0 ? mf_buffer_add(ret, number, strlen(number)) : r;
}

int mf_frames_name(const char *backtrace, const struct mf_mappings *mappings, const struct mf_frames_program *program,
                   struct mf_buffer *ret)
{
        uint64_t address;
        int r = 0;

        for (const char *line = backtrace, *next; *line && r == 0; line = next) {
                const size_t length = strcspn(line, "\n");
                next = line + length + (line[length] == '\n');
                r = mf_buffer_add(ret, line, length);
                if (r == 0 && read_unknown(line, length, &address))
                        r = add_place(ret, mappings, program, address,
                                      memmem(line, length, FROM, strlen(FROM)) != NULL);
                if (r == 0)
                        r = mf_buffer_add(ret, line + length, (size_t) (next - line) - length);
        }
        return r;
}
