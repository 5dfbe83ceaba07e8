/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "support/small-image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/mayfly-images-XXXXXX";

/* Runs a command, of an ordinary user in the user's namespace: elsewhere the user can give no file away. A command of ours that fails
 * ends the program: there is nothing to test without the image. */
static void shell(const char *line)
{
        static char as_user[1024];

        if (!*as_user) /* a test may set another MAYFLY_LIBEXEC later */
                snprintf(as_user, sizeof(as_user),
                         "exec env MAYFLY_LIBEXEC='%s' '%s' unshare sh -c \"$MAYFLY_TEST_LINE\"",
                         getenv("MAYFLY_LIBEXEC"), getenv("MAYFLY_TEST_TOOL"));
        setenv("MAYFLY_TEST_LINE", line, 1);
        if (system(geteuid() == 0 ? line : as_user) != 0) {
                fprintf(stderr, "this failed: %s\n", line);
                exit(1);
        }
        unsetenv("MAYFLY_TEST_LINE");
}

static void remove_directory(void)
{
        char line[128];

        snprintf(line, sizeof(line), "rm -rf %s", directory);
        shell(line);
}

const char *small_image(const char *name, const char *app, const char *prepare)
{
        return small_image_for("amd64", name, app, prepare);
}

const char *small_image_for(const char *arch, const char *name, const char *app, const char *prepare)
{
        /* The links of busybox are made once: each is a process. */
        static const char script[] =
                "set -e; mkdir -p %1$s/%2$s/etc; cd %1$s; if [ ! -e applets ]; then mkdir making; "
                "cp \"$(command -v busybox)\" making/; for applet in $(making/busybox --list); do "
                "[ $applet = busybox ] || ln -s busybox making/$applet; done; mv making applets; fi; "
                "cp -a applets %2$s/bin; cd %2$s; "
                "printf 'root:x:0:0::/:/bin/sh\\nwww:x:33:33::/:/bin/sh\\n' >etc/passwd; "
                "printf 'root:x:0:\\nwww:x:33:\\n' >etc/group; %3$s\n"
                "'%4$s' build --quiet --compression=none --manifest %1$s/%2$s.json . %1$s/%2$s.aci >%1$s/%2$s.ref";
        static char *reference;
        static int made;
        char path[128];
        char *line;
        size_t size = 0;

        if (!made++) {
                if (!mkdtemp(directory))
                        exit(1);
                atexit(remove_directory);
        }
        snprintf(path, sizeof(path), "%s/%s.json", directory, name);
        FILE *f = fopen(path, "we");
        if (!f)
                exit(1);
        fprintf(f,
                "{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"example.com/%s\",\"labels\":"
                "[{\"name\":\"os\",\"value\":\"linux\"},{\"name\":\"arch\",\"value\":\"%s\"}]%s%s}",
                name, arch, app ? ",\"app\":" : "", app ? app : "");
        fclose(f);
        if (asprintf(&line, script, directory, name, prepare ? prepare : "", getenv("MAYFLY_TEST_TOOL")) < 0)
                exit(1);
        shell(line);
        free(line);
        snprintf(path, sizeof(path), "%s/%s.ref", directory, name);
        f = fopen(path, "re");
        reference = NULL; /* the last one is its holder's */
        if (!f || getline(&reference, &size, f) <= 0)
                exit(1);
        fclose(f);
        reference[strcspn(reference, "\n")] = '\0';
        return reference;
}
