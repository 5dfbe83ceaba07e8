/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "signed.h"

char *trusted;
char url[700];

int signed_setup(void **state)
{
        setup(state);
        trusted = make_directory();
        snprintf(url, sizeof(url), "%sa.aci", world.base);
        unsetenv("MAYFLY_SIGNATURES");
        world.options.trusted_keys = trusted;
        world.options.signatures = MAYFLY_SIGNATURES_REQUIRED;
        serve_good_image(IMAGE);
        return 0;
}

int count_processes(void)
{
        DIR *dir = opendir("/proc");
        int n = 0;

        assert_non_null(dir);
        for (const struct dirent *e; (e = readdir(dir));) {
                char path[300], text[4096] = "";
                snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
                int fd = e->d_name[0] >= '1' && e->d_name[0] <= '9' ? open(path, O_RDONLY | O_CLOEXEC) : -1;
                if (fd < 0)
                        continue;
                ssize_t size = read(fd, text, sizeof(text) - 1);
                close(fd);
                n += size > 0 && memmem(text, (size_t) size, world.directory, strlen(world.directory)) != NULL;
        }
        closedir(dir);
        return n;
}

void wait_for_processes_to_end(void)
{
        for (int i = 0; i < 500 && count_processes() > 0; i++)
                usleep(10000);
        assert_int_equal(count_processes(), 0);
}

int signed_teardown(void **state)
{
        wait_for_processes_to_end();
        assert_int_equal(count_entries(world.directory, "tmp"), 0);
        remove_directory(trusted);
        return teardown(state);
}

char *serve_signature(char *text)
{
        serve(ASC, text, strlen(text));
        return text;
}

char *sign_by(const char *who)
{
        return serve_signature(keys_sign(who, "", NULL, world.image->data, world.image->size));
}

void refuses(int code, const char *format, ...)
{
        char message[1000];
        va_list args;

        va_start(args, format);
        vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        finds_nothing(url, code, message);
        assert_int_equal(world.err.stage, MAYFLY_STAGE_SIGNATURE);
}

int gpg_says(const char *one, const char *other, const char *signature)
{
        const char *const who[] = { one, other, NULL };

        return keys_verify(who, signature, world.image->data, world.image->size);
}

int signed_group_setup(void **state)
{
        (void) state;
        keys_start();
        return 0;
}

int signed_group_teardown(void **state)
{
        (void) state;
        keys_stop();
        return 0;
}
