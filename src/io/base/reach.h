/*  =========================================================================
    reach - can this machine connect to an endpoint, and if not, why

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    ZeroMQ tries again for ever and does not say what is wrong.  This looks for itself:
    the name, as ZeroMQ takes it (IPv4), then one TCP connection, which is closed at
    once.  A name may take long to look up, so a thread of its own does it, one question
    at a time.  Thread of the functions: the owner's.
*/

#ifndef ZB_REACH_H_INCLUDED
#define ZB_REACH_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>

typedef struct zb_reach zb_reach_t;

zb_reach_t *zb_reach_new (void);
//  Does not wait for a question that is not answered yet.
void zb_reach_destroy (zb_reach_t **self_p);
//  Asks about tcp://HOST:PORT; false while another question is not answered.
bool zb_reach_ask (zb_reach_t *self, const char *endpoint);
//  The answer to the last question, once: a sentence that says what is wrong and what to do, "" if a connection was made.
bool zb_reach_answer (zb_reach_t *self, char *text, size_t size);
//  Whether the host of tcp://HOST:PORT has an IPv4 address.  Waits for the answer.  Returns 0; else -1 and the sentence.
int zb_reach_resolve (const char *endpoint, char *text, size_t size);

#endif
