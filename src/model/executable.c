/* SPDX-License-Identifier: MIT */
#include "model/executable.h"

#include <elf.h>
#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>

#include "util/macro.h"

#define LINE_MAX_BYTES ((size_t) 256) /* of a script, which Linux reads; the last one may only end its first line */

#define CUT_SHORT "it is an ELF file that is cut short"
#define DAMAGED "its ELF header is damaged"

/* The beginning of a file. */
struct head {
        const unsigned char *data;
        size_t size;        /* of `data` */
        uint64_t file_size; /* of all */
        int is_big_endian;
};

/* --- scripts */

/* Parses "#! /bin/sh -e" as Linux does. Returns 0 or -ENOMEM. */
static int parse_script(struct mf_executable *ret, const struct head *head)
{
        const char *line = (const char *) head->data;
        size_t size = head->size < LINE_MAX_BYTES ? head->size : LINE_MAX_BYTES;
        const char *newline = memchr(line, '\n', size), *end = newline ? newline : line + size;
        const char *start = line + 2, *stop;

        ret->kind = MF_EXECUTABLE_SCRIPT;
        while (start < end && (*start == ' ' || *start == '\t'))
                start++;
        stop = start;
        while (stop < end && *stop != ' ' && *stop != '\t' && *stop != '\0')
                stop++;
        if (stop == end && !newline && size == LINE_MAX_BYTES)
                ret->problem = "its first line is longer than the 255 bytes that Linux reads";
        else if (stop == start)
                ret->problem = "its first line names no interpreter after \"#!\"";
        else if (!(ret->interpreter = strndup(start, (size_t) (stop - start))))
                return -ENOMEM;
        return 0;
}

/* --- ELF files */

/* Reads a number of `size` bytes. The caller has made sure that they are there. */
static uint64_t number(const struct head *head, uint64_t at, size_t size)
{
        uint64_t value = 0;

        for (size_t i = 0; i < size; i++)
                value = value << 8 | head->data[at + (head->is_big_endian ? i : size - 1 - i)];
        return value;
}

/* Where a field is in the structs of 32 and of 64 bits, and its size there. */
struct field {
        unsigned at[2], size[2];
};

#define FIELD(type, name)                                                                      \
        {                                                                                      \
                { offsetof(Elf32_##type, name), offsetof(Elf64_##type, name) },                \
                {                                                                              \
                        sizeof(((Elf32_##type *) 0)->name), sizeof(((Elf64_##type *) 0)->name) \
                }                                                                              \
        }

static const struct field type_field = FIELD(Ehdr, e_type), machine_field = FIELD(Ehdr, e_machine),
                          table_field = FIELD(Ehdr, e_phoff), entry_size_field = FIELD(Ehdr, e_phentsize),
                          entries_field = FIELD(Ehdr, e_phnum), segment_type_field = FIELD(Phdr, p_type),
                          segment_at_field = FIELD(Phdr, p_offset), segment_size_field = FIELD(Phdr, p_filesz);

/* Reads a field of the struct at `at`. */
static uint64_t get(const struct mf_executable *elf, const struct head *head, uint64_t at, const struct field *field)
{
        const int i = elf->is_64_bit;

        return number(head, at + field->at[i], field->size[i]);
}

/* Takes the dynamic loader's path, which ends in NUL. Returns 0 or -ENOMEM. */
static int take_loader(struct mf_executable *elf, const struct head *head, uint64_t at, uint64_t size)
{
        if (size < 2 || size > PATH_MAX)
                elf->problem = DAMAGED;
        if (elf->problem || at + size > head->size)
                return 0;
        if (head->data[at + size - 1] != '\0') {
                elf->problem = DAMAGED;
                return 0;
        }
        free(elf->interpreter);
        elf->interpreter = strdup((const char *) head->data + at);
        return elf->interpreter ? 0 : -ENOMEM;
}

/* Looks at one program header. Returns 0 or -ENOMEM. */
static int parse_segment(struct mf_executable *elf, const struct head *head, uint64_t at)
{
        const uint64_t type = get(elf, head, at, &segment_type_field);
        const uint64_t begin = get(elf, head, at, &segment_at_field), size = get(elf, head, at, &segment_size_field);

        if (type != PT_INTERP && type != PT_LOAD)
                return 0;
        if (size > 0 && (begin > head->file_size || size > head->file_size - begin))
                elf->problem = CUT_SHORT;
        return type == PT_INTERP && !elf->interpreter ? take_loader(elf, head, begin, size) : 0;
}

/* Looks at all program headers. Returns 0 or -ENOMEM. */
static int parse_segments(struct mf_executable *elf, const struct head *head)
{
        const uint64_t table = get(elf, head, 0, &table_field), n = get(elf, head, 0, &entries_field);
        const size_t entry_size = elf->is_64_bit ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
        int r = 0;

        if (get(elf, head, 0, &entry_size_field) != entry_size || n == 0)
                elf->problem = DAMAGED;
        else if (table > head->file_size || n * entry_size > head->file_size - table)
                elf->problem = CUT_SHORT;
        for (uint64_t i = 0; r == 0 && !elf->problem && i < n && table + (i + 1) * entry_size <= head->size; i++)
                r = parse_segment(elf, head, table + i * entry_size);
        return r;
}

/* Parses an ELF file. Returns 0 or -ENOMEM. */
static int parse_elf(struct mf_executable *ret, struct head *head)
{
        ret->kind = MF_EXECUTABLE_ELF;
        if (head->size <= EI_DATA) {
                ret->problem = CUT_SHORT;
                return 0;
        }
        const unsigned char class = head->data[EI_CLASS], data = head->data[EI_DATA];
        if ((class != ELFCLASS32 && class != ELFCLASS64) || (data != ELFDATA2LSB && data != ELFDATA2MSB)) {
                ret->problem = DAMAGED;
                return 0;
        }
        ret->is_64_bit = class == ELFCLASS64;
        ret->is_big_endian = head->is_big_endian = data == ELFDATA2MSB;
        if (head->size < (ret->is_64_bit ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr))) {
                ret->problem = CUT_SHORT;
                return 0;
        }
        ret->machine = (unsigned) get(ret, head, 0, &machine_field);
        const uint64_t type = get(ret, head, 0, &type_field);
        if (type != ET_EXEC && type != ET_DYN) {
                ret->problem = "it is an ELF file, but no program: an object file, for instance";
                return 0;
        }
        return parse_segments(ret, head);
}

/* --- any file */

int mf_executable_parse(struct mf_executable *ret, const void *data, size_t head_size, uint64_t size)
{
        struct head head = { .data = data, .size = head_size, .file_size = size };

        *ret = (struct mf_executable){ 0 };
        if (head_size >= 2 && memcmp(data, "#!", 2) == 0)
                return parse_script(ret, &head);
        if (head_size >= SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0)
                return parse_elf(ret, &head);
        ret->problem = size == 0 ? "it is empty" : "it is neither an ELF file nor a script that begins with \"#!\"";
        return 0;
}

void mf_executable_clear(struct mf_executable *executable)
{
        free(executable->interpreter);
        *executable = (struct mf_executable){ 0 };
}

/* --- architectures */

enum bits { ANY, BITS_32, BITS_64 };

static const struct {
        const char *arch;
        unsigned machine;
        enum bits bits;
        int is_big_endian;
} archs[] = {
        { "amd64", EM_X86_64, ANY, 0 }, /* of 32 bits it is x32, which is a matter of the kernel */
        { "i386", EM_386, BITS_32, 0 },   { "aarch64", EM_AARCH64, ANY, 0 }, { "aarch64_be", EM_AARCH64, ANY, 1 },
        { "armv7l", EM_ARM, BITS_32, 0 }, { "armv6l", EM_ARM, BITS_32, 0 },  { "arm", EM_ARM, BITS_32, 0 },
        { "armv7b", EM_ARM, BITS_32, 1 }, { "ppc64", EM_PPC64, BITS_64, 1 }, { "ppc64le", EM_PPC64, BITS_64, 0 },
        { "s390x", EM_S390, BITS_64, 1 },
};

/* Returns whether an ELF file is for the architecture in line `i` of the table. */
static int is_for(const struct mf_executable *elf, size_t i)
{
        return elf->machine == archs[i].machine && elf->is_big_endian == archs[i].is_big_endian &&
               (archs[i].bits == ANY || (archs[i].bits == BITS_64) == elf->is_64_bit);
}

const char *mf_executable_arch(const struct mf_executable *executable)
{
        for (size_t i = 0; executable->machine && i < MF_ELEMENTSOF(archs); i++)
                if (is_for(executable, i))
                        return archs[i].arch;
        return NULL;
}

int mf_executable_is_for(const struct mf_executable *executable, const char *arch)
{
        if (!executable->machine)
                return 1;
        for (size_t i = 0; i < MF_ELEMENTSOF(archs); i++)
                if (strcmp(archs[i].arch, arch) == 0)
                        return is_for(executable, i);
        return 1;
}
