/* SPDX-License-Identifier: MIT */

/* What Linux reads of a file to execute it. selftest/flow/test-build-app has more, with all architectures. */

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/executable.h"

static struct mf_executable parse(const void *data, size_t size)
{
        struct mf_executable executable;
        char *copy = malloc(size ? size : 1); /* no larger, for the sanitizer */

        assert_non_null(copy);
        memcpy(copy, data, size);
        assert_int_equal(mf_executable_parse(&executable, copy, size, size), 0);
        free(copy);
        return executable;
}

static void a_script_names_its_interpreter(void **state)
{
        static const struct {
                const char *line, *interpreter;
        } scripts[] = {
                { "#!/bin/sh\n", "/bin/sh" },
                { "#!/bin/sh", "/bin/sh" },
                { "#! /bin/sh -e\n", "/bin/sh" },
                { "#!\t \t/bin/sh\tx", "/bin/sh" },
                { "#!sh\n/bin/true", "sh" },
                { "#!/bin/sh\r\n", "/bin/sh\r" },
                { "#!", NULL },
                { "#!\n/bin/sh", NULL },
                { "#! \t ", NULL },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
                struct mf_executable executable = parse(scripts[i].line, strlen(scripts[i].line));
                assert_int_equal(executable.kind, MF_EXECUTABLE_SCRIPT);
                if (scripts[i].interpreter) {
                        assert_null(executable.problem);
                        assert_string_equal(executable.interpreter, scripts[i].interpreter);
                } else {
                        assert_null(executable.interpreter);
                        assert_non_null(executable.problem);
                }
                assert_int_equal(mf_executable_is_for(&executable, "amd64"), 1);
                mf_executable_clear(&executable);
        }
}

/* The name may have 255 bytes with the "#!". Linux sees the one behind it, too. */
static void a_first_line_has_an_end(void **state)
{
        (void) state;
        for (size_t at = 250; at < 260; at++)
                for (const char *end = "\n \t"; *end; end++) {
                        char line[300];
                        memset(line, 'x', sizeof(line));
                        memcpy(line, "#!/", 3);
                        line[at] = *end;
                        struct mf_executable executable = parse(line, sizeof(line));
                        assert_int_equal(executable.problem != NULL, at > 255);
                        mf_executable_clear(&executable);
                }
}

struct program {
        Elf64_Ehdr header;
        Elf64_Phdr loader, code;
        char path[8];
};

static struct program make_program(void)
{
        struct program program = {
                .header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
                            .e_type = ET_DYN,
                            .e_machine = EM_AARCH64,
                            .e_phoff = offsetof(struct program, loader),
                            .e_phentsize = sizeof(Elf64_Phdr),
                            .e_phnum = 2 },
                .loader = { .p_type = PT_INTERP, .p_offset = offsetof(struct program, path), .p_filesz = 8 },
                .code = { .p_type = PT_LOAD, .p_filesz = sizeof(struct program) },
                .path = "/lib/ld",
        };

        return program;
}

static void an_elf_file_names_its_loader(void **state)
{
        const struct program program = make_program();

        (void) state;
        struct mf_executable executable = parse(&program, sizeof(program));
        assert_int_equal(executable.kind, MF_EXECUTABLE_ELF);
        assert_null(executable.problem);
        assert_string_equal(executable.interpreter, "/lib/ld");
        assert_string_equal(mf_executable_arch(&executable), "aarch64");
        assert_int_equal(mf_executable_is_for(&executable, "aarch64"), 1);
        assert_int_equal(mf_executable_is_for(&executable, "aarch64_be"), 0);
        assert_int_equal(mf_executable_is_for(&executable, "amd64"), 0);
        assert_int_equal(mf_executable_is_for(&executable, "vax"), 1); /* nobody knows */
        mf_executable_clear(&executable);
        for (size_t size = 0; size < sizeof(program); size++) {
                executable = parse(&program, size);
                assert_non_null(executable.problem);
                mf_executable_clear(&executable);
        }
}

static void an_elf_file_may_lie(void **state)
{
        static const uint64_t numbers[] = { 0, 1, 64, sizeof(struct program), UINT32_MAX, INT64_MAX, UINT64_MAX };

        (void) state;
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                for (int field = 0; field < 5; field++) {
                        struct program program = make_program();
                        uint64_t *const fields[] = { &program.header.e_phoff, &program.loader.p_offset,
                                                     &program.loader.p_filesz, &program.code.p_offset,
                                                     &program.code.p_filesz };
                        *fields[field] = numbers[i];
                        struct mf_executable executable = parse(&program, sizeof(program));
                        mf_executable_clear(&executable);
                }
        struct program program = make_program();
        program.path[7] = 'x';
        struct mf_executable executable = parse(&program, sizeof(program));
        assert_non_null(executable.problem);
        mf_executable_clear(&executable);
}

/* Of a file whose beginning alone is known, nothing is said that may not be so. */
static void the_rest_of_a_file_is_taken_for_sound(void **state)
{
        struct program program = make_program();
        struct mf_executable executable;

        (void) state;
        program.loader.p_offset = 100000;
        assert_int_equal(mf_executable_parse(&executable, &program, sizeof(program), 200000), 0);
        assert_null(executable.problem);
        assert_null(executable.interpreter);
        mf_executable_clear(&executable);
        assert_int_equal(mf_executable_parse(&executable, &program, sizeof(program), 90000), 0);
        assert_non_null(executable.problem);
        mf_executable_clear(&executable);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_script_names_its_interpreter),        cmocka_unit_test(a_first_line_has_an_end),
                cmocka_unit_test(an_elf_file_names_its_loader),          cmocka_unit_test(an_elf_file_may_lie),
                cmocka_unit_test(the_rest_of_a_file_is_taken_for_sound),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
