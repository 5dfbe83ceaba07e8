/* SPDX-License-Identifier: MIT */
#ifndef MF_UNFLUSHED_H
#define MF_UNFLUSHED_H

/* Images and layers that are published before the disk has them.
 *
 * While a file `unflushed` is in the directory of an image or layer, the disk may lack some of it. The file has the ID
 * of the boot in which the directory was made. In that boot the directory can be used, for all processes see the same
 * page cache. In a later boot it must not be trusted. The file is made before all others in the directory and removed
 * after they were flushed: no order in which a disk writes shows the others without it. */

#define MF_UNFLUSHED_MARK "unflushed"

enum mf_unflushed {
        MF_FLUSHED,          /* no mark: the disk has all of it */
        MF_UNFLUSHED,        /* made in this boot */
        MF_UNFLUSHED_BEFORE, /* made in another boot, or the mark cannot be read */
        MF_FLUSH_FAILED      /* the disk refused some of it: of no use */
};

/* Marks the new, empty directory. Returns 0, -ENOSYS when the ID of the boot is unknown, or another negative errno. */
int mf_unflushed_mark(int dir_fd);

/* Flushes the new directory, unless it is marked. Returns 0 or negative errno. */
int mf_unflushed_or_flush(int dir_fd);

/* Returns in which state the directory is. */
enum mf_unflushed mf_unflushed_look(int dir_fd);

/* Returns whether the mark is old, and flushing is cheap now because the machine has little to write. */
int mf_unflushed_is_due(int dir_fd);

/* Flushes the directory and removes its mark. With `own_only` the files in rootfs are links to those of an image, whose
 * flush must find their errors. Returns negative errno when some of it is not on the disk: the mark says from then on
 * that the flush failed, because the kernel reports an error once. Returns 0 otherwise; the mark stays when not all
 * files could be looked at. */
int mf_unflushed_flush(int dir_fd, int own_only);

/* Removes the mark from the directory, whose content was seen to be on the disk. */
void mf_unflushed_remove(int dir_fd);

/* Flushes all images and layers of the store that are marked with this boot. Returns 0 or negative errno. */
int mf_unflushed_flush_all(int store);

#endif
