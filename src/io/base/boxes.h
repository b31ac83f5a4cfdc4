/*  =========================================================================
    boxes - what libzmq asks of libsodium in a handshake of CURVE

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The program's functions crypto_box, crypto_box_open and crypto_box_beforenm stand before
    libsodium's (io/base/calls), so that libzmq calls them.  Three things are done here that
    libzmq can't do:

    - INITIATE has a client's properties in a box.  "Identity" among them is renamed, so that no
      client chooses the routing id of its connection (core/wire/zmtp).
    - A socket of libzmq's has one secret key.  While a key is changed its listeners answer to
      another one, too: a HELLO that was made for that one is opened with it, and the WELCOME to
      the same client is closed with it.  Behind those two neither key is used any more.
    - The key of all that a connection says later is told to io/base/gate, which reads in it
      where a message ends.

    Thread: any.
*/

#ifndef ZB_BOXES_H_INCLUDED
#define ZB_BOXES_H_INCLUDED

//  From now on a listener with the secret key `own` answers to `also`, too; both are 40 characters of Z85.  One pair in a
//  process.
void zb_boxes_answer (const char *own, const char *also);

//  As libsodium's crypto_box, crypto_box_open and crypto_box_beforenm.
int zb_boxes_close (unsigned char *box, const unsigned char *text, unsigned long long size, const unsigned char *nonce,
                    const unsigned char *to, const unsigned char *from);
int zb_boxes_open (unsigned char *text, const unsigned char *box, unsigned long long size, const unsigned char *nonce,
                   const unsigned char *from, const unsigned char *to);
int zb_boxes_key (unsigned char *key, const unsigned char *from, const unsigned char *to);

#endif
