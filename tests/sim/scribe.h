/*  =========================================================================
    scribe - writes down what clients send and hear, for the judge of histories

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    It stands at the sockets of the clients' machine, so that it misses nobody: lines as in tests/history/reading.h.
*/

#ifndef SCRIBE_H_INCLUDED
#define SCRIBE_H_INCLUDED

#include <stddef.h>

typedef struct sock sock_t;
typedef struct packet packet_t;

//  A client's socket is to be connected; was closed; sends, has heard a message.  Others' are passed over.
void scribe_connected (const sock_t *sock, int machine);
void scribe_closed (const sock_t *sock);
void scribe_sent (const sock_t *sock, const packet_t *packet);
void scribe_heard (const sock_t *sock, const packet_t *packet);
//  An observer's line: "one", "split", "replay"; a body that the loser of a split keeps.
void scribe_note (const char *what);
void scribe_aside (const void *body, size_t size);

//  A file for the lines, beside the judgement; before the run.
void scribe_file (const char *path);
//  Judges all; what is wrong is a finding.  Returns the objects that were not decided.
size_t scribe_end (void);

#endif
