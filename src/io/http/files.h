/*  =========================================================================
    files - the page's files, in the program

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_FILES_H_INCLUDED
#define ZB_FILES_H_INCLUDED

#include <stddef.h>

typedef struct {
    const char *path; //  as it is asked for
    const char *type;
    const char *data, *end;
} zb_file_t;

//  NULL: there is none of this path.
const zb_file_t *zb_file_find (const char *path);

#endif
