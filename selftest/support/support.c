/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "support.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/digest.h"
#include "util/fs.h"

/* A helper that cannot do its work ends the test program: nothing would be worth testing after it. */
static void must(int condition, const char *what)
{
        if (!condition) {
                perror(what);
                abort();
        }
}

static void append(struct tar *tar, const void *data, size_t size)
{
        tar->data = realloc(tar->data, tar->size + size + 1);
        must(tar->data != NULL, "realloc");
        memcpy(tar->data + tar->size, data, size);
        tar->size += size;
}

void tar_add(struct tar *tar, const char *name, char type, unsigned mode, const char *link, const void *data,
             size_t size)
{
        char header[512] = { 0 }, padding[512] = { 0 };
        unsigned sum = 0;

        memcpy(header, name, strlen(name) < 100 ? strlen(name) : 100);
        snprintf(header + 100, 8, "%07o", mode & 07777);
        snprintf(header + 108, 8, "%07o", 0);
        snprintf(header + 116, 8, "%07o", 0);
        snprintf(header + 124, 12, "%011zo", size);
        snprintf(header + 136, 12, "%011o", 1000000000);
        memset(header + 148, ' ', 8);
        header[156] = type;
        if (link)
                memcpy(header + 157, link, strlen(link) < 100 ? strlen(link) : 100);
        memcpy(header + 257,
               "ustar\0"
               "00",
               8);
        snprintf(header + 329, 8, "%07o", type == '3' ? 1 : 0);
        snprintf(header + 337, 8, "%07o", type == '3' ? 3 : 0);
        for (size_t i = 0; i < sizeof(header); i++)
                sum += (unsigned char) header[i];
        snprintf(header + 148, 8, "%06o", sum);
        append(tar, header, sizeof(header));
        if (size) {
                append(tar, data, size);
                append(tar, padding, (512 - size % 512) % 512);
        }
}

void tar_end(struct tar *tar)
{
        static const char zeros[1024];

        append(tar, zeros, sizeof(zeros));
}

void tar_add_basics(struct tar *tar)
{
        tar_add(tar, "manifest", '0', 0644, NULL, GOOD_MANIFEST, strlen(GOOD_MANIFEST));
        tar_add(tar, "rootfs/", '5', 0755, NULL, NULL, 0);
}

void tar_free(struct tar *tar)
{
        free(tar->data);
        *tar = (struct tar){ 0 };
}

void image_id(const void *data, size_t size, char id[136])
{
        struct mf_digest *digest = mf_digest_new();

        must(digest && mf_digest_update(digest, data, size) == 0 && mf_digest_final(digest, id) == 0, "digest");
        mf_digest_free(digest);
}

void write_file(const char *path, const void *data, size_t size)
{
        FILE *f = fopen(path, "we");

        must(f && fwrite(data, 1, size, f) == size && fclose(f) == 0, path);
}

char *compress_with(const char *program, const void *data, size_t size, size_t *ret_size)
{
        char in[] = "/tmp/mayfly-test-XXXXXX", command[128];
        int fd = mkstemp(in);
        size_t used = 0;
        char *out = malloc(size * 2 + 4096);

        must(fd >= 0 && out && write(fd, data, size) == (ssize_t) size, in);
        close(fd);
        snprintf(command, sizeof(command), "%s -c < %s", program, in);
        FILE *p = popen(command, "re");
        must(p != NULL, program);
        for (size_t n;
             (n = fread(out + used, 1, 65536 < size * 2 + 4096 - used ? 65536 : size * 2 + 4096 - used, p)) > 0;)
                used += n;
        must(pclose(p) == 0, program);
        unlink(in);
        *ret_size = used;
        return out;
}

char *make_directory(void)
{
        const char *base = getenv("TMPDIR");
        char *path = NULL;

        must(asprintf(&path, "%s/mayfly-test-XXXXXX", base ? base : "/tmp") > 0 && mkdtemp(path), "mkdtemp");
        return path;
}

void remove_directory(char *path)
{
        must(mf_remove_tree(AT_FDCWD, path) == 0, path);
        free(path);
}

size_t count_entries(const char *directory, const char *name)
{
        char path[4096];
        size_t n = 0;

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        DIR *dir = opendir(path);
        if (!dir)
                return 0;
        for (const struct dirent *e; (e = readdir(dir));)
                n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
        closedir(dir);
        return n;
}
