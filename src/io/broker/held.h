/*  =========================================================================
    held - HELLOs that wait until this broker leads

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Between a client's vote and the first answer of the new active broker lie some
    milliseconds.  The clients of a failed broker all come in these; they are held
    rather than sent back and forth.
*/

#ifndef ZB_HELD_H_INCLUDED
#define ZB_HELD_H_INCLUDED

#include "core/wire/request.h"

typedef struct {
    int64_t since;         //  ms: when it came
    zb_request_t request;
} zb_hello_t;

typedef struct zb_held zb_held_t;

//  Holds at most `most` requests.
zb_held_t *zb_held_new (size_t most);
void zb_held_destroy (zb_held_t **self_p);
//  Copies the request; false if there is no room.
bool zb_held_add (zb_held_t *self, const zb_request_t *request, int64_t now);
size_t zb_held_size (const zb_held_t *self);
//  Takes the first; NULL at the end.  Valid until the next call or the destruction.
const zb_hello_t *zb_held_next (zb_held_t *self);
//  Puts the one that was taken last behind the others, as it was.
void zb_held_again (zb_held_t *self);

#endif
