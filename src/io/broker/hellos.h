/*  =========================================================================
    hellos - HELLOs that wait until this broker leads

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Between a client's vote and the first answer of the new active broker lie some
    milliseconds.  The clients of a failed broker all come in these; they wait here
    rather than being sent back and forth.
*/

#ifndef ZB_HELLOS_H_INCLUDED
#define ZB_HELLOS_H_INCLUDED

#include "core/wire/request.h"

typedef struct {
    int64_t since;         //  ms: when it came
    zb_request_t request;
} zb_hello_t;

typedef struct zb_hellos zb_hellos_t;

//  Holds at most `most` requests.
zb_hellos_t *zb_hellos_new (size_t most);
void zb_hellos_destroy (zb_hellos_t **self_p);
//  Copies the request; false if there is no room.
bool zb_hellos_add (zb_hellos_t *self, const zb_request_t *request, int64_t now);
size_t zb_hellos_size (const zb_hellos_t *self);
//  Takes the first; NULL at the end.  Valid until the next call or the destruction.
const zb_hello_t *zb_hellos_next (zb_hellos_t *self);
//  Puts the one that was taken last behind the others, as it was.
void zb_hellos_again (zb_hellos_t *self);

#endif
