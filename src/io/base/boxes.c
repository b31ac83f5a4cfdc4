/*  =========================================================================
    boxes - what libzmq asks of libsodium in a handshake of CURVE

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <zmq.h>

#include "core/wire/zmtp.h"
#include "io/base/boxes.h"
#include "io/base/gate.h"

//  RFC 26: what the nonces begin with.  INITIATE's box has the client's key and a box of its own before the properties.
#define HELLO "CurveZMQHELLO---"
#define WELCOME "WELCOME-"
#define INITIATE "CurveZMQINITIATE"
#define INITIATE_VOUCH 128
//  Handshakes with the other key whose WELCOME is still to come; libzmq makes it next.
#define ASKED_MOST 64

static struct {
    pthread_mutex_t mutex;
    atomic_bool two;
    uint8_t own[crypto_box_SECRETKEYBYTES], also[crypto_box_SECRETKEYBYTES];
    uint8_t asked[ASKED_MOST][crypto_box_PUBLICKEYBYTES]; //  by clients of these keys of the handshake
    size_t next;
} s_boxes = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static bool s_begins (const unsigned char *nonce, const char *with)
{
    return memcmp (nonce, with, strlen (with)) == 0;
}

void zb_boxes_answer (const char *own, const char *also)
{
    pthread_mutex_lock (&s_boxes.mutex);
    const void *done = zmq_z85_decode (s_boxes.own, own);
    done = done ? zmq_z85_decode (s_boxes.also, also) : NULL;
    assert (done);
    atomic_store (&s_boxes.two, true);
    pthread_mutex_unlock (&s_boxes.mutex);
}

//  The HELLO was made for the other key, perhaps.
static int s_open_hello (unsigned char *text, const unsigned char *box, unsigned long long size,
                         const unsigned char *nonce, const unsigned char *from, const unsigned char *to)
{
    int rc = -1;
    pthread_mutex_lock (&s_boxes.mutex);
    if (sodium_memcmp (to, s_boxes.own, sizeof s_boxes.own) == 0)
        rc = crypto_box_curve25519xsalsa20poly1305_open (text, box, size, nonce, from, s_boxes.also);
    if (rc == 0)
        memcpy (s_boxes.asked[s_boxes.next++ % ASKED_MOST], from, crypto_box_PUBLICKEYBYTES);
    pthread_mutex_unlock (&s_boxes.mutex);
    return rc;
}

int zb_boxes_open (unsigned char *text, const unsigned char *box, unsigned long long size, const unsigned char *nonce,
                   const unsigned char *from, const unsigned char *to)
{
    const size_t before = crypto_box_ZEROBYTES + INITIATE_VOUCH;
    int rc = crypto_box_curve25519xsalsa20poly1305_open (text, box, size, nonce, from, to);
    if (rc && atomic_load (&s_boxes.two) && s_begins (nonce, HELLO))
        rc = s_open_hello (text, box, size, nonce, from, to);
    if (rc == 0 && size > before && s_begins (nonce, INITIATE))
        zb_zmtp_anonymous (text + before, (size_t) size - before);
    return rc;
}

//  Whether this client's HELLO was opened with the other key; it is asked once.
static bool s_asked (const unsigned char *client)
{
    bool found = false;
    for (size_t index = 0; index < ASKED_MOST && !found; index++) {
        found = memcmp (s_boxes.asked[index], client, crypto_box_PUBLICKEYBYTES) == 0;
        if (found)
            memset (s_boxes.asked[index], 0, crypto_box_PUBLICKEYBYTES);
    }
    return found;
}

int zb_boxes_close (unsigned char *box, const unsigned char *text, unsigned long long size, const unsigned char *nonce,
                    const unsigned char *to, const unsigned char *from)
{
    if (!atomic_load (&s_boxes.two) || !s_begins (nonce, WELCOME))
        return crypto_box_curve25519xsalsa20poly1305 (box, text, size, nonce, to, from);
    pthread_mutex_lock (&s_boxes.mutex);
    const unsigned char *key = s_asked (to) ? s_boxes.also : from;
    int rc = crypto_box_curve25519xsalsa20poly1305 (box, text, size, nonce, to, key);
    pthread_mutex_unlock (&s_boxes.mutex);
    return rc;
}

int zb_boxes_key (unsigned char *key, const unsigned char *from, const unsigned char *to)
{
    int rc = crypto_box_curve25519xsalsa20poly1305_beforenm (key, from, to);
    if (rc == 0)
        zb_gate_key (key);
    return rc;
}
