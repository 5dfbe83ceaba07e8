/* SPDX-License-Identifier: MIT */

/* The interpreter or dynamic loader that a program names and that is not there, also in files that somebody has damaged on purpose. */

#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "init/init.h"
#include "util/macro.h"

#define LOADER "/nowhere/ld-musl.so.1"

static char path[] = "/tmp/mayfly-interpreter-XXXXXX";

/* Writes the file, and asks for it. Returns the name of what is missing, or "". */
static const char *ask(const void *data, size_t size)
{
        static struct mf_interpreter found;
        int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), (ssize_t) size);
        close(fd);
        memset(&found, 0, sizeof(found));
        return mf_interpreter_missing(path, &found) ? found.name : "";
}

static void test_scripts(void **state)
{
        static const struct {
                const char *text, *missing;
        } cases[] = { { "#!/nowhere/sh\n", "/nowhere/sh" },
                      { "#! \t/nowhere/sh -e\nexit\n", "/nowhere/sh" },
                      { "#!/nowhere/sh", "/nowhere/sh" },
                      { "#!/bin/sh\n", "" },
                      { "#!", "" },
                      { "#!\n/nowhere/sh", "" },
                      { "#!/nowhere/\033[2Jsh\n", "" }, /* nothing that a terminal obeys */
                      { "#!/nowhere/sh\r\n", "" },
                      { "#!/nowhere/a-name-that-is-longer-than-what-a-message-has-room-for-in-it\n", "" },
                      { "", "" },
                      { "text", "" } };

        (void) state;
        for (size_t i = 0; i < MF_ELEMENTSOF(cases); i++)
                assert_string_equal(ask(cases[i].text, strlen(cases[i].text)), cases[i].missing);
}

struct program {
        ElfW(Ehdr) elf;
        ElfW(Phdr) segments[2];
        char loader[sizeof(LOADER)];
};

static struct program make(void)
{
        struct program program = { .elf = { .e_phoff = offsetof(struct program, segments), .e_phnum = 2 },
                                   .segments = { { .p_type = PT_LOAD },
                                                 { .p_type = PT_INTERP,
                                                   .p_offset = offsetof(struct program, loader) } },
                                   .loader = LOADER };

        memcpy(program.elf.e_ident, ELFMAG, SELFMAG);
        program.elf.e_ident[EI_CLASS] = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
        return program;
}

static void test_programs(void **state)
{
        struct program program = make();

        (void) state;
        assert_string_equal(ask(&program, sizeof(program)), LOADER);
        for (size_t size = 0; size < offsetof(struct program, loader) + 1; size++) /* cut off */
                assert_string_equal(ask(&program, size), "");
        program.elf.e_ident[EI_CLASS] = 77;
        assert_string_equal(ask(&program, sizeof(program)), "");
        program = make();
        memcpy(program.loader, "/etc/passwd", sizeof("/etc/passwd")); /* which is there */
        assert_string_equal(ask(&program, sizeof(program)), "");
        program = make();
        program.elf.e_phoff = UINTPTR_MAX - 8;
        assert_string_equal(ask(&program, sizeof(program)), "");
        program.elf.e_phoff = sizeof(program);
        program.elf.e_phnum = UINT16_MAX;
        assert_string_equal(ask(&program, sizeof(program)), "");
        program = make();
        program.segments[1].p_offset = UINTPTR_MAX;
        assert_string_equal(ask(&program, sizeof(program)), "");
        program.segments[1].p_offset = sizeof(program);
        assert_string_equal(ask(&program, sizeof(program)), "");
}

/* What is no regular file is not opened: that of a FIFO would wait. */
static void test_others(void **state)
{
        struct mf_interpreter found;

        (void) state;
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mf_interpreter_missing(path, &found), 0);
        assert_int_equal(mkfifo(path, 0755), 0);
        assert_int_equal(mf_interpreter_missing(path, &found), 0);
        assert_int_equal(mf_interpreter_missing("/", &found), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_scripts), cmocka_unit_test(test_programs),
                                            cmocka_unit_test(test_others) };
        int fd = mkstemp(path);

        if (fd < 0)
                return 1;
        close(fd);
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        unlink(path);
        return failed;
}
