/*  =========================================================================
    folder - the names in a folder, on its disk

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_FOLDER_H_INCLUDED
#define ZB_FOLDER_H_INCLUDED

//  Syncs a folder, so that what was made, renamed and removed in it is on the disk.  Returns -1 and errno on failure.
//  Thread: any; it may take as long as the disk does.
int zb_folder_sync (const char *folder);

#endif
