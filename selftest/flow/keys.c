/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support.h"
#include "trust/keyring.h"

#define QUIET "--batch --quiet --no-tty --pinentry-mode loopback --passphrase ''"

static const char *const people[] = { "alice", "bob", "carol", "old", "gone", "sub" };
#define N_PEOPLE (sizeof(people) / sizeof(people[0]))

static char *home, fingerprints[N_PEOPLE][65];

const char *keys_directory(void)
{
        return home;
}

static int run(const char *format, ...)
{
        char *command = NULL;
        va_list args;

        va_start(args, format);
        assert_true(vasprintf(&command, format, args) > 0);
        va_end(args);
        int status = system(command); // NOLINT(cert-env33-c): what is run is the test's
        free(command);
        return status;
}

int keys_gpg(const char *format, ...)
{
        char *arguments = NULL;
        va_list args;

        va_start(args, format);
        assert_true(vasprintf(&arguments, format, args) > 0);
        va_end(args);
        int status = run("gpg --homedir %s " QUIET " %s 2>%s/log", home, arguments, home);
        free(arguments);
        return status;
}

static char *read_file(const char *path)
{
        FILE *f = fopen(path, "re");
        char *text = calloc(1, 70000);

        assert_true(f && text);
        assert_true(fread(text, 1, 69999, f) < 69999);
        fclose(f);
        return text;
}

static void note_fingerprint(size_t who)
{
        char command[400], line[1024];

        snprintf(command, sizeof(command), "gpg --homedir %s --batch --with-colons --list-keys %s@example.com", home,
                 people[who]);
        FILE *p = popen(command, "re");
        assert_non_null(p);
        while (fgets(line, sizeof(line), p))
                if (strncmp(line, "fpr:", 4) == 0 && !fingerprints[who][0])
                        sscanf(line, "fpr:::::::::%64[0-9A-F]", fingerprints[who]);
        pclose(p);
        assert_int_equal(strlen(fingerprints[who]), 40);
}

void keys_start(void)
{
        home = make_directory();
        for (size_t i = 0; i < N_PEOPLE; i++) {
                const char *who = people[i];
                assert_int_equal(keys_gpg("--faked-system-time 20190101T000000 --quick-generate-key '%s "
                                          "<%s@example.com>' ed25519 %s %s",
                                          who, who, strcmp(who, "sub") == 0 ? "cert" : "sign",
                                          strcmp(who, "old") == 0 ? "20200101T000000" : "never"),
                                 0);
                note_fingerprint(i);
        }
        assert_int_equal(
                keys_gpg("--faked-system-time 20190101T000001 --quick-add-key %s ed25519 sign never", fingerprints[5]),
                0);
        assert_int_equal(keys_gpg("--armor --export gone@example.com > %s/gone!", home), 0);
        assert_int_equal(run("sed 's/^:---/---/' %s/openpgp-revocs.d/%s.rev > %s/rev", home, fingerprints[4], home), 0);
        /* The private key stays good for signing in a copy; the public one is exported as revoked. */
        assert_int_equal(
                run("mkdir -m 700 %s/r && gpg --homedir %s/r " QUIET " --import %s/gone! %s/rev 2>/dev/null && "
                    "gpg --homedir %s/r " QUIET " --armor --export > %s/gone && gpgconf --homedir %s/r --kill all",
                    home, home, home, home, home, home, home),
                0);
}

void keys_stop(void)
{
        run("gpgconf --homedir %s --kill all", home);
        remove_directory(home);
}

const char *keys_fingerprint(const char *who)
{
        for (size_t i = 0; i < N_PEOPLE; i++)
                if (strcmp(people[i], who) == 0)
                        return fingerprints[i];
        fail_msg("%s is nobody", who);
        return NULL;
}

char *keys_export(const char *who)
{
        char path[500];

        snprintf(path, sizeof(path), "%s/%s", home, who);
        if (strncmp(who, "gone", 4) != 0)
                assert_int_equal(keys_gpg("--armor --export %s@example.com > %s", who, path), 0);
        return read_file(path);
}

char *keys_sign(const char *who, const char *options, const char *command, const void *data, size_t size)
{
        char in[500], out[500];

        snprintf(in, sizeof(in), "%s/data", home);
        snprintf(out, sizeof(out), "%s/sig", home);
        write_file(in, data, size);
        unlink(out);
        assert_int_equal(keys_gpg("%s -u %s@example.com --armor -o %s %s %s", options, who, out,
                                  command ? command : "--detach-sign", in),
                         0);
        return read_file(out);
}

int keys_verify(const char *const *who, const char *signature, const void *data, size_t size)
{
        char sig[500], file[500];

        snprintf(sig, sizeof(sig), "%s/asked", home);
        snprintf(file, sizeof(file), "%s/data", home);
        write_file(sig, signature, strlen(signature));
        write_file(file, data, size);
        assert_int_equal(run("mkdir -m 700 %s/v", home), 0);
        for (; *who; who++) {
                free(keys_export(*who));
                assert_int_equal(run("gpg --homedir %s/v " QUIET " --import %s/%s 2>/dev/null", home, home, *who), 0);
        }
        int status = run("gpg --homedir %s/v " QUIET " --trust-model always --status-fd 1 --verify %s %s 2>/dev/null | "
                         "grep -q '^.GNUPG:. GOODSIG'",
                         home, sig, file);
        run("gpgconf --homedir %s/v --kill all; rm -rf %s/v", home, home);
        return status == 0;
}

void keys_trust(const char *directory, const char *prefix, const char *who)
{
        char name[32], *text = keys_export(who), *path = NULL;

        snprintf(name, sizeof(name), "%.*s", (int) strcspn(who, "!"), who);
        assert_int_equal(mf_keyring_write(directory, prefix, keys_fingerprint(name), text, strlen(text), &path, NULL),
                         0);
        free(path);
        free(text);
}
