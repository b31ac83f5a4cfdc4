/*  =========================================================================
    backup - a folder with the store as it was at one commit

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

      BACKUP/MANIFEST   what it is, and the size and checksum of each file (io/store/record.h)
      BACKUP/env.1/     the tables' files, and the end of the log: recovered, so that nothing is to be
                        done before they are read

      zbroker backup 1
      level 3 0.2.0
      pair 00112233445566778899aabbccddeeff
      as backup
      taken 1764352800
      epoch 7
      commit 4711
      file 16384 0123...cdef table.acks
      file ...

    The second line is read by every later version, as that of the file `node` is.  The checksum is BLAKE2b
    of 32 bytes; it guards against damage, not against people.  A backup holds the pair's secret: mode 0600.
    A folder without a manifest is none.  No broker opens it: there is no file `node` in it.

    Functions that return an exit code: 0, or *error is a text, to be freed by the caller.
    Thread: any; they wait for the disk.
*/

#ifndef ZB_BACKUP_H_INCLUDED
#define ZB_BACKUP_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZB_BACKUP_HASH 64 //  hexadecimal digits

typedef struct {
    char name[32];
    uint64_t size;
    char hash[ZB_BACKUP_HASH + 1];
} zb_backup_file_t;

typedef struct {
    char *folder, *home; //  itself, and the environment in it
    unsigned level;      //  of the store
    char pair[33];       //  its id, hexadecimal; "-" of a store that has none
    char as[8];          //  whose it is: primary, backup, single
    int64_t taken;       //  s since 1970
    uint64_t epoch;      //  of the store's newest leadership
    uint64_t commit;     //  the newest that is in it
    size_t files;
    zb_backup_file_t *file;
} zb_backup_t;

//  Called now and then with the bytes that are done; what it returns as false ends the work.
typedef bool (zb_backup_progress_fn) (void *arg, uint64_t done);

//  Makes FOLDER of FOLDER.part, into which an environment was copied (io/store/copier.h): recovers it through all of
//  its log, checks its trees, writes the manifest, syncs all, renames it.
int zb_backup_finish (const char *folder, const char *as, char **error);
//  Makes one of a store that no broker uses.
int zb_backup_store (const char *dir, const char *folder, zb_backup_progress_fn *progress, void *arg, char **error);

//  Reads the manifest.
int zb_backup_open (zb_backup_t **self_p, const char *folder, char **error);
void zb_backup_close (zb_backup_t **self_p);
//  Bytes of all files.
uint64_t zb_backup_size (const zb_backup_t *self);
//  Whether a file is as it was written; if not, *why is what is wrong, to be freed.
bool zb_backup_file_whole (const zb_backup_t *self, size_t index, zb_backup_progress_fn *progress, void *arg,
                           char **why);
//  Makes a store of it, as primary, backup or single, in a folder that is not there yet.  It is another incarnation: it
//  has a pair id and a secret of its own, and remembers the former ones (core/pair/former.h); its epoch is
//  ZB_RESTORE_EPOCHS above the backup's, and it was alone in that one, so that it leads without waiting for anybody.
int zb_backup_restore (const zb_backup_t *self, const char *folder, const char *as, zb_backup_progress_fn *progress,
                       void *arg, char **error);

#endif
