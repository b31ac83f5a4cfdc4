/*  =========================================================================
    part - a folder that is there when it is complete, and not before

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    FOLDER is filled as FOLDER.part, with an environment's folder in it, and renamed when all of it
    is synced.  A lock on a file in it says that somebody is at work; what a process that was
    killed has left is taken away by the next one.  Thread: any, one at a time an object.
*/

#ifndef ZB_PART_H_INCLUDED
#define ZB_PART_H_INCLUDED

#include <stdbool.h>

#define ZB_PART ".part"     //  what the folder's name has behind it until all is there
#define ZB_PART_ENV "env.1" //  the environment in it
#define ZB_PART_LOCK "LOCK.part"

typedef struct {
    char *folder; //  FOLDER
    char *path;   //  FOLDER.part
    char *env;    //  FOLDER.part/env.1
    int lock;
} zb_part_t;

//  Makes FOLDER.part, empty but for the environment's folder.  Returns NULL and a text, to be freed by the caller:
//  FOLDER is there, FOLDER.part is not of this class, somebody is at work in it, or the system says no.
zb_part_t *zb_part_new (const char *folder, char **why);
//  Gives the lock back.  `remove`: with all that was made.
void zb_part_destroy (zb_part_t **self_p, bool remove);
//  Syncs FOLDER.part, whose files are synced, and renames it; by whoever has the lock, or works for him.  Returns 0, or
//  -1 and errno.
int zb_part_publish (const char *folder);

#endif
