/*  =========================================================================
    record - a small text file that is replaced as a whole

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Written beside, synced, renamed, the folder synced: after a crash at any point the
    file holds the old or the new text.  Its last line is a checksum over all before
    it, which is added and taken off here:

      check 0123456789abcdef

    It guards against damage, not against people; but where others can write the folder, a
    link that they put there is not followed.  Thread: any, one at a time a file.
*/

#ifndef ZB_RECORD_H_INCLUDED
#define ZB_RECORD_H_INCLUDED

#include <stddef.h>

typedef enum {
    ZB_RECORD_FOUND,
    ZB_RECORD_ABSENT,  //  no file yet
    ZB_RECORD_DAMAGED, //  not as it was written, or longer than the caller's room
    ZB_RECORD_ERROR    //  it can't be read: errno
} zb_record_state_t;

//  Reads FOLDER/NAME.  When it is FOUND, *text is what was saved, to be freed by the caller; else NULL.
zb_record_state_t zb_record_load (const char *folder, const char *name, char **text);
//  Replaces FOLDER/NAME by the text, which ends with a newline; it is on the disk when this returns 0.  Returns -1 and
//  errno on failure: then the old file still stands, or whether the new one does is unknown (the fsync of the folder
//  failed).
int zb_record_save (const char *folder, const char *name, const char *text);

//  The same in two steps, where something else must not be done unless the record will be saved: all that may want room
//  or a descriptor is in the first.
typedef struct zb_record zb_record_t;

//  Writes and syncs the new text beside.  Returns NULL and errno on failure: then the old file still stands.
zb_record_t *zb_record_prepare (const char *folder, const char *name, const char *text);
//  Puts it in the old one's place and syncs the folder.  Destroys the record.  Returns as zb_record_save.
int zb_record_commit (zb_record_t **self_p);
//  Gives it up: the old file stays.
void zb_record_discard (zb_record_t **self_p);

#endif
