/*  =========================================================================
    probe - proof that a process on another machine is dead

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A process that has died listens no more, so its machine refuses connections to
    its ports.  The probe connects to all of them, twice, 10 ms apart.  If every
    one is refused (ECONNREFUSED) both times, the process is dead.  Anything else,
    even once, proves nothing: a process that is stopped or hung still has its
    connections accepted by its kernel, and a cut link or a dead machine answers
    nothing at all.

    Plain non-blocking TCP; the owner polls.  One thread.  Times are monotonic ms.
*/

#ifndef PROBE_H_INCLUDED
#define PROBE_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_MAX 8          //  endpoints
#define PROBE_AGAIN_MS 10    //  between the two rounds
#define PROBE_TIMEOUT_MS 200 //  for one round

typedef struct probe probe_t;

typedef enum {
    PROBE_IDLE,      //  none was begun
    PROBE_RUNNING,   //  not known yet
    PROBE_PROVEN,    //  all refused twice: dead; idle again
    PROBE_NOT_PROVEN //  one was not refused; idle again
} probe_result_t;

//  Each endpoint is tcp://HOST:PORT; HOST is a numeric address (IPv6 in brackets), or the host of `peer`, which stands
//  for the address given to probe_set_address.  Returns NULL with errno EINVAL for any other, or for more than
//  PROBE_MAX.  Nothing is looked up: that could take long at the worst moment.
probe_t *probe_new (const char *peer, const char *const *endpoints, size_t count);
//  Ends a running probe, too.
void probe_destroy (probe_t **self_p);

//  The numeric address that the peer has now.
void probe_set_address (probe_t *self, const char *address);

//  Begins to probe, unless it is running.  Returns false if it can't: no endpoints, or an address isn't known yet.
bool probe_begin (probe_t *self, int64_t now);
//  Ends it without a result.
void probe_cancel (probe_t *self);
//  Goes on with it.
probe_result_t probe_step (probe_t *self, int64_t now);

//  What to poll for while it runs: puts the sockets that wait for output into fds and returns how many.
size_t probe_fds (const probe_t *self, int fds[PROBE_MAX]);
//  When the next step is due at the latest; INT64_MAX while idle.
int64_t probe_due (const probe_t *self);

#endif
