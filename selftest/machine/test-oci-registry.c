/* SPDX-License-Identifier: MIT */

/* Containers of images that come from a registry, docker-registry on loopback with a password: by digest, as tests use them. */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"

static char directory[] = "/tmp/mayfly-registry-XXXXXX";
static char digest[80], where[64], store[64];
static pid_t registry;

/* Runs a command line, whose output goes to the file "out" of the directory. Returns its status. */
__attribute__((format(printf, 1, 2))) static int run(const char *format, ...)
{
        char line[2000], whole[2200];
        va_list args;

        va_start(args, format);
        vsnprintf(line, sizeof(line), format, args);
        va_end(args);
        snprintf(whole, sizeof(whole), "cd %s && { %s; } >>out 2>&1 || { cat out >&2; exit 1; }", directory, line);
        return system(whole);
}

/* Reads the first match of a pattern for scanf(3) in the lines of a file. Returns whether there is one. */
static int read_line(const char *name, const char *begin, const char *format, char *ret)
{
        char path[100], line[1000];
        int found = 0;

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        FILE *f = fopen(path, "re");
        while (f && !found && fgets(line, sizeof(line), f)) {
                const char *at = strstr(line, begin);
                found = at && sscanf(at + strlen(begin), format, ret) == 1;
        }
        if (f)
                fclose(f);
        return found;
}

/* Starts docker-registry, which wants the password of the user "me". */
static int start_registry(void)
{
        char port[8] = "", config[100];

        int r = run(
                "printf '%%s\\n' 'version: 0.1' 'storage: { filesystem: { rootdirectory: %s/registry } }' "
                "'http: { addr: 127.0.0.1:0 }' 'auth: { htpasswd: { realm: basic, path: %s/htpasswd } }' >config.yml "
                "&& "
                "printf '%%s\\n' 'me:$2b$04$DRR2lmn2aG/GL5PfCVsHgeIdqqzGm6x.96zJ.OPgDS7S49ntUOjHe' >htpasswd && : >log",
                directory, directory);
        snprintf(config, sizeof(config), "%s/config.yml", directory);
        registry = r == 0 ? fork() : -1;
        if (registry == 0) {
                char log[100];
                snprintf(log, sizeof(log), "%s/log", directory);
                if (!freopen(log, "w", stdout) || dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
                        _exit(1);
                execlp("docker-registry", "docker-registry", "serve", config, NULL);
                perror("docker-registry");
                _exit(1);
        }
        for (int i = 0; registry > 0 && i < 600 && !*port; i++)
                if (!read_line("log", "listening on 127.0.0.1:", "%7[0-9]", port))
                        nanosleep(&(struct timespec){ .tv_nsec = 100000000L }, NULL);
        snprintf(where, sizeof(where), "127.0.0.1:%s", port);
        return *port ? 0 : -1;
}

static int setup(void **state)
{
        (void) state;
        if (!mkdtemp(directory) || start_registry() < 0 ||
            run("python3 '%s/support/make-oci' %s >images", SELFTEST, directory) != 0)
                return -1;
        if (!read_line("images", "/layout@", "%79s", digest))
                return -1;
        if (run("skopeo copy -q --insecure-policy --preserve-digests --dest-tls-verify=false --dest-creds me:secret "
                "--tmpdir %s oci:layout "
                "docker://%s/team/app:1",
                directory, where) != 0 ||
            run("printf '{\"auths\":{\"%s\":{\"auth\":\"bWU6c2VjcmV0\"}}}' >auth.json", where) != 0)
                return -1;
        /* What the images share with those of other tests is fetched all the same. */
        snprintf(store, sizeof(store), "%s/store", directory);
        return setenv("MAYFLY_STORE", store, 1);
}

static int teardown(void **state)
{
        struct mayfly_gc_options options = MAYFLY_GC_OPTIONS_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char command[100];

        (void) state;
        if (registry > 0) {
                kill(registry, SIGTERM);
                waitpid(registry, NULL, 0);
        }
        options.all = 1; /* an ordinary user cannot remove all files of images with rm(1) */
        if (mayfly_store_gc(NULL, &options, &err) < 0)
                fail_msg("%s", err.message);
        snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command);
}

static void images_of_registries_run(void **state)
{
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;
        char reference[200], path[100], *log = NULL;

        (void) state;
        snprintf(reference, sizeof(reference), "oci:%s/team/app:1@%s", where, digest);
        snprintf(path, sizeof(path), "%s/auth.json", directory);
        unsetenv("REGISTRY_AUTH_FILE");
        assert_int_equal(mayfly_container_start(&c, MAYFLY_SPEC(.image = reference), &err), -EACCES);
        assert_non_null(strstr(err.message, "denies access to team/app without credentials (401"));
        setenv("REGISTRY_AUTH_FILE", path, 1);
        c = start_container(MAYFLY_SPEC(.image = reference));
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        if (mayfly_container_wait(c, FOREVER_MS, &end, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
        assert_string_equal(log, "from the image too in /work/made as 1000:1001 1001 1002\n");
        free(log);
        mayfly_container_free(c);
        /* The registry may go: all is stored. */
        kill(registry, SIGTERM);
        waitpid(registry, NULL, 0);
        registry = 0;
        unsetenv("REGISTRY_AUTH_FILE");
        c = start_container(MAYFLY_SPEC(.image = reference, .idle = 1));
        assert_int_equal(
                sh(c, "test \"$(cat /data/seed)\" = 'from the image' && test ! -e /srv/old && test -e /opaque/above && "
                      "test ! -e /opaque/below"),
                0);
        mayfly_container_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(images_of_registries_run) };

        return cmocka_run_group_tests(tests, setup, teardown);
}
