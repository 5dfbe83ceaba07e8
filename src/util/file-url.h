/* SPDX-License-Identifier: MIT */
#ifndef MF_FILE_URL_H
#define MF_FILE_URL_H

/* The URL of an absolute path, "file:///dir/name", with %XX for what may not stand in a URL. Allocated; NULL when there
 * is no memory. */
char *mf_file_url(const char *path);

/* The same for any path: its directory is made absolute and free of symbolic links. NULL, with errno, when that cannot
 * be done. */
char *mf_file_url_of(const char *path);

/* Returns the path in a file URL, with %XX turned back, allocated; NULL when there is no memory. */
char *mf_file_url_path(const char *url);

#endif
