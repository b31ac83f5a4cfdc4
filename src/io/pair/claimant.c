/*  =========================================================================
    claimant - the broker's side of the witness

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <sodium.h>

#include "core/pair/consent.h"
#include "io/pair/claimant.h"

#define INTERVAL 200    //  ms between two tries
#define LOOK_EVERY 1000 //  ms between two looks at a witness that is not needed
#define SILENCE 2000    //  ms without an answer until the connection is made anew

struct zb_claimant {
    zsock_t *sock;
    char *endpoint;
    const zb_keys_t *keys;
    int64_t connected_ms; //  0 = nothing was said yet
    char *pair;
    uint8_t key[ZB_SEAL_KEY_SIZE];
    zb_claim_t claim; //  what was said last
    int64_t said_ms;  //  0 = nothing was said yet
    int64_t heard_ms; //  0 = never
    uint64_t tried;   //  the nonce with which the newest claim was said again
    witness_verdict_t verdict;
    uint8_t proof[ZB_CLAIM_PROOF_SIZE];
    char challenge[ZB_CLAIM_CHALLENGE_SIZE];
};

//  Anew, if there is a connection: libzmq gives one up for good when what came over it breaks the protocol.
static void s_connect (zb_claimant_t *self)
{
    zsock_destroy (&self->sock);
    self->sock = zsock_new (ZMQ_DEALER);
    assert (self->sock);
    zsock_set_linger (self->sock, 0);
    //  Nothing is queued for a witness that is away: it would be old when it arrives.
    zsock_set_immediate (self->sock, 1);
    zsock_set_reconnect_ivl (self->sock, 50);
    zsock_set_reconnect_ivl_max (self->sock, INTERVAL);
    zsock_set_heartbeat_ivl (self->sock, 500);
    zsock_set_heartbeat_timeout (self->sock, 2000);
    zsock_set_sndhwm (self->sock, 2);
    zsock_set_maxmsgsize (self->sock, 512);
    zb_keys_connect (self->keys, zsock_resolve (self->sock), self->keys ? self->keys->witness : "");
    int rc = zsock_connect (self->sock, "%s", self->endpoint);
    assert (rc == 0);
}

zb_claimant_t *zb_claimant_new (const zb_config_t *config, const zb_keys_t *keys)
{
    assert (config->as != ZB_SINGLE && config->witness);
    zb_claimant_t *self = (zb_claimant_t *) zmalloc (sizeof *self);
    self->pair = strdup (config->pair);
    assert (self->pair);
    zb_seal_key (self->key, config->pair, config->secret);
    self->claim.node = (unsigned) config->as;
    randombytes_buf (&self->claim.session, sizeof self->claim.session);
    self->keys = keys;
    self->endpoint = strdup (config->witness);
    assert (self->endpoint);
    s_connect (self);
    return self;
}

void zb_claimant_destroy (zb_claimant_t **self_p)
{
    assert (self_p);
    zb_claimant_t *self = *self_p;
    if (self) {
        zsock_destroy (&self->sock);
        free (self->pair);
        free (self->endpoint);
        free (self);
        *self_p = NULL;
    }
}

void *zb_claimant_socket (zb_claimant_t *self)
{
    return zsock_resolve (self->sock);
}

//  Sends the claim as it is now, under a new number.
static void s_send (zb_claimant_t *self, int64_t now)
{
    int64_t since = self->heard_ms > self->connected_ms ? self->heard_ms : self->connected_ms;
    if (!since)
        self->connected_ms = now;
    else if (now - since >= SILENCE) {
        s_connect (self);
        self->connected_ms = now;
    }
    self->said_ms = now;
    self->claim.sequence++;
    memset (self->claim.proof, 0, sizeof self->claim.proof);
    if (self->claim.event == WITNESS_FORCE)
        memcpy (self->claim.proof, self->proof, sizeof self->proof);
    uint8_t frame[ZB_CLAIM_SIZE];
    zb_claim_write (&self->claim, self->key, frame);
    void *socket = zsock_resolve (self->sock);
    if (zmq_send (socket, self->pair, strlen (self->pair), ZMQ_SNDMORE | ZMQ_DONTWAIT) != -1)
        zmq_send (socket, frame, sizeof frame, ZMQ_DONTWAIT);
}

void zb_claimant_say (zb_claimant_t *self, witness_event_t event, uint64_t epoch, int64_t now)
{
    bool same = self->said_ms && self->claim.event == event && self->claim.epoch == epoch;
    if (same && now - self->said_ms < INTERVAL)
        return;
    self->claim.event = event;
    self->claim.epoch = epoch;
    s_send (self, now);
}

void zb_claimant_look (zb_claimant_t *self, int64_t now)
{
    bool same = self->said_ms && self->claim.event == ZB_CLAIM_LOOK;
    if (same && now - self->said_ms < LOOK_EVERY)
        return;
    self->claim.event = ZB_CLAIM_LOOK;
    self->claim.epoch = 0;
    s_send (self, now);
}

void zb_claimant_name (zb_claimant_t *self, const uint8_t id[ZB_CLAIM_ID_SIZE])
{
    memcpy (self->claim.id, id, sizeof self->claim.id);
}

void zb_claimant_prove (zb_claimant_t *self, const char *proof, size_t size)
{
    size_t found = 0;
    if (sodium_hex2bin (self->proof, sizeof self->proof, proof, size, NULL, &found, NULL) ||
        found != sizeof self->proof)
        memset (self->proof, 0, sizeof self->proof);
}

const char *zb_claimant_challenge (zb_claimant_t *self)
{
    if (self->claim.nonce)
        zb_claim_challenge (self->claim.nonce, self->challenge);
    return self->challenge;
}

int64_t zb_claimant_heard (const zb_claimant_t *self)
{
    return self->heard_ms;
}

witness_verdict_t zb_claimant_verdict (const zb_claimant_t *self)
{
    return self->verdict;
}

const char *zb_claimant_why (const zb_claimant_t *self)
{
    return zb_reason_row (zb_consent_refusal (self->verdict))->why;
}

//  One answer; false if it is not what was asked for last.
static bool s_read (zb_claimant_t *self, zmsg_t *message, zb_ruling_t *ruling)
{
    zframe_t *name = zmsg_first (message);
    zframe_t *sealed = zmsg_next (message);
    const char *why;
    return name && sealed && zframe_streq (name, self->pair) &&
           zb_ruling_read (ruling, self->key, zframe_data (sealed), zframe_size (sealed), &why) == 0 &&
           ruling->node == self->claim.node && ruling->session == self->claim.session &&
           ruling->sequence == self->claim.sequence;
}

//  Takes note of an answer; whether it is one for whoever has said something.
static bool s_heard (zb_claimant_t *self, const zb_ruling_t *ruling, int64_t now)
{
    self->heard_ms = now;
    self->claim.nonce = ruling->nonce;
    if (ruling->verdict == WITNESS_AGAIN) {
        //  Once for each nonce: what does not help is tried again in its own time.
        if (self->tried != ruling->nonce) {
            self->tried = ruling->nonce;
            s_send (self, now);
        }
        return false;
    }
    self->verdict = ruling->verdict > WITNESS_AGAIN ? ruling->verdict : WITNESS_GRANTED;
    return self->claim.event != ZB_CLAIM_LOOK;
}

bool zb_claimant_recv (zb_claimant_t *self, zb_ruling_t *ruling, int64_t now)
{
    bool found = false;
    while (!found && zsock_events (self->sock) & ZMQ_POLLIN) {
        zmsg_t *message = zmsg_recv_nowait (self->sock);
        found = message && s_read (self, message, ruling) && s_heard (self, ruling, now);
        zmsg_destroy (&message);
    }
    return found;
}
