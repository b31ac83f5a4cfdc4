/*  =========================================================================
    pages - the tables' pages on their way to the disk, so that a power cut tears none

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A disk writes a page in blocks, in any order, until it is synced.  Berkeley DB's log
    says what has changed in a page, not what was in it: of a page that is half old, half
    new it can make nothing.  So each page is written twice.  What Berkeley DB writes to
    a table's file is collected in memory; when it is enough, or the file is to be synced,
    it goes into one file, the doublewrite buffer, which is synced, and only then the pages
    go to their places.  When all files are synced, the buffer is emptied.  After a power cut
    what is whole in the buffer is written to its place again, before Berkeley DB looks at it.

      FOLDER/log.pages    batches, each with a checksum over all of it
      FOLDER/table.*      the files whose pages are written twice

    What follows for a reader of the disk at any moment: each page of a table, taken from
    the buffer if that has it, is one that Berkeley DB has written whole, and none is
    older than at the last sync of its file.  More is not needed: which of several pages are
    old and which are new does not matter to recovery, and the log is synced before a page
    is handed over here.

    Berkeley DB takes what begins with `log.` and goes on with other than digits for none
    of its files, and leaves it alone in a resync.

    Thread: any; one at a time gets in, and waits for the disk of whoever is inside.
*/

#ifndef ZB_PAGES_H_INCLUDED
#define ZB_PAGES_H_INCLUDED

#include <stddef.h>
#include <sys/types.h>

//  The doublewrite buffer's file in the folder.
#define ZB_DOUBLEWRITE "log.pages"

//  Bytes of a page of every table.
#define ZB_PAGE_SIZE 16384

typedef struct zb_pages zb_pages_t;

//  Writes to their places what a power cut has left in the doublewrite buffer of this folder, and from then on keeps the
//  pages of the tables in it.  So many pages are collected before they are written, and so many are in the buffer before
//  the files are synced and it is emptied.  Nobody has the tables open.  Returns NULL and errno on failure.
zb_pages_t *zb_pages_new (const char *folder, size_t collect, size_t buffer);
//  Writes and syncs what is left, and empties the buffer.  The tables are closed.
void zb_pages_destroy (zb_pages_t **self_p);

//  Writes what is collected to the buffer and to its place.  Returns 0 or an error number.  After ENOSPC it can be
//  tried again, all is still collected; any other error is final.
int zb_pages_flush (zb_pages_t *self);
//  The error with which the last attempt has ended; 0 if it went well.
int zb_pages_error (const zb_pages_t *self);

//  Reads from a table's file in this folder, which somebody has open, for a copy: each page is one that Berkeley DB has
//  written whole, be it collected still.  `offset` and `size` are multiples of ZB_PAGE_SIZE; while it reads, nobody
//  else gets in.  Returns the bytes, 0 at the end of the file; -1 and errno.
ssize_t zb_pages_copy (const char *folder, const char *name, void *data, size_t size, off_t offset);

//  What Berkeley DB is to call in place of the system's functions, for all files.  As it expects, those that return an
//  int, but for zb_pages_open, return 0 or an error number.  zb_pages_pwrite always takes a page of a table (Berkeley DB
//  would try again by means that are not seen here): if it can't be put out, syncs of the tables fail until it can.
int zb_pages_open (const char *path, int flags, ...);
int zb_pages_close (int fd);
ssize_t zb_pages_pread (int fd, void *data, size_t size, off_t offset);
ssize_t zb_pages_pwrite (int fd, const void *data, size_t size, off_t offset);
int zb_pages_fsync (int fd);
int zb_pages_ftruncate (int fd, off_t size);
int zb_pages_unlink (const char *path);
int zb_pages_rename (const char *from, const char *to);

#endif
