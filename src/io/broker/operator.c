/*  =========================================================================
    operator - an operator's requests: who may ask, and who waits for the end of it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <assert.h>
#include <sodium.h>
#include <czmq.h>

#include "core/wire/proof.h"
#include "core/wire/seal.h"
#include "io/broker/operator.h"

struct zb_operator {
    uint8_t key[ZB_SEAL_KEY_SIZE];
    char challenge[ZB_CHALLENGE_SIZE + 1];
    zb_hellos_t *hellos; //  the request that waits, of the same form
    int64_t since;
    zb_verb_t verb;
};

static void s_challenge (zb_operator_t *self)
{
    uint8_t bytes[ZB_CHALLENGE_SIZE / 2];
    randombytes_buf (bytes, sizeof bytes);
    sodium_bin2hex (self->challenge, sizeof self->challenge, bytes, sizeof bytes);
}

zb_operator_t *zb_operator_new (const zb_config_t *config)
{
    zb_operator_t *self = (zb_operator_t *) zmalloc (sizeof *self);
    zb_seal_key (self->key, config->pair, config->secret);
    self->hellos = zb_hellos_new (1);
    s_challenge (self);
    return self;
}

void zb_operator_destroy (zb_operator_t **self_p)
{
    assert (self_p);
    zb_operator_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    zb_hellos_destroy (&self->hellos);
    sodium_memzero (self->key, sizeof self->key);
    freen (self);
}

bool zb_operator_proven (zb_operator_t *self, const zb_request_t *request)
{
    char *said = zsys_sprintf ("%s%s%.*s", zb_verb_name (request->verb), request->options.size ? " " : "",
                               (int) request->options.size, request->options.size ? (const char *) request->options.data : "");
    assert (said);
    bool proven = zb_proof_holds (request->proof, self->key, said, self->challenge);
    zstr_free (&said);
    if (proven)
        s_challenge (self);
    return proven;
}

const char *zb_operator_challenge (const zb_operator_t *self)
{
    return self->challenge;
}

bool zb_operator_hold (zb_operator_t *self, const zb_request_t *request, int64_t now)
{
    if (self->since || !zb_hellos_add (self->hellos, request, now))
        return false;
    self->since = now;
    self->verb = request->verb;
    return true;
}

zb_verb_t zb_operator_verb (const zb_operator_t *self)
{
    return self->verb;
}

int64_t zb_operator_since (const zb_operator_t *self)
{
    return self->since;
}

const zb_hello_t *zb_operator_take (zb_operator_t *self)
{
    self->since = 0;
    return zb_hellos_next (self->hellos);
}
