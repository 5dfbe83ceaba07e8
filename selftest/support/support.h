/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Archives made by hand, so that they can be as wrong as a test wants them. */
struct tar {
        char *data;
        size_t size;
};

/* One ustar entry. `type` is the header's type flag: '0' file, '1' hard link, '2' symlink, '3' device, '5' directory.
 */
void tar_add(struct tar *tar, const char *name, char type, unsigned mode, const char *link, const void *data,
             size_t size);
void tar_end(struct tar *tar);
/* The two that an ACI must have: a good manifest, and rootfs/. */
void tar_add_basics(struct tar *tar);
void tar_free(struct tar *tar);

#define GOOD_MANIFEST                                                                           \
        "{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"example.com/test\"," \
        "\"labels\":[{\"name\":\"os\",\"value\":\"linux\"},{\"name\":\"arch\",\"value\":\"amd64\"}]}"

/* "sha512-..." */
void image_id(const void *data, size_t size, char id[136]);
void write_file(const char *path, const void *data, size_t size);
/* Through gzip, bzip2 or xz, whatever `program` names; the caller frees. */
char *compress_with(const char *program, const void *data, size_t size, size_t *ret_size);
/* A new directory under $TMPDIR or /tmp; remove_directory() removes it. The caller frees. */
char *make_directory(void);
void remove_directory(char *path);
/* Entries in a directory, "." and ".." not counted; 0 when there is none. */
size_t count_entries(const char *directory, const char *name);

#endif
