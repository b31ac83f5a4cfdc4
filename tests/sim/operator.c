/*  =========================================================================
    operator - moves the role, and has brokers lead that wait

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    As zbroker's commands switchover and promote do: STATUS tells the challenge, the
    proof goes with the request.  Promoting is rash here: whoever waits is told to lead,
    though its peer may be there again a moment later.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "core/wire/proof.h"
#include "core/wire/seal.h"
#include "machines.h"
#include "plain.h"

static bool s_moved, s_asked;

//  The text of a member, the first one of this name behind `from`; false if there is none.
static bool s_member (const char *from, const char *name, char *value, size_t size)
{
    char key[32];
    snprintf (key, sizeof key, "\"%s\":", name);
    const char *at = from ? strstr (from, key) : NULL;
    at = at ? strchr (at + strlen (key), '"') : NULL;
    if (!at)
        return false;
    snprintf (value, size, "%.*s", (int) strcspn (at + 1, "\""), at + 1);
    return true;
}

static bool s_connect (client_t *self, int broker)
{
    if (self->socket)
        zmq_close (self->socket);
    self->broker = broker;
    self->socket = zmq_socket (NULL, ZMQ_DEALER);
    zmq_connect (self->socket, broker ? "tcp://10.0.0.2:5560" : "tcp://10.0.0.1:5560");
    return true;
}

static void s_prove (char proof[ZB_PROOF_SIZE + 1], const char *verb, const char *challenge)
{
    uint8_t key[ZB_SEAL_KEY_SIZE];
    const zb_config_t *config = machines_config ();
    zb_seal_key (key, config->pair, config->secret);
    zb_proof_make (proof, key, verb, challenge);
}

//  Asks a broker for its status, and then for this; true if it is OK.
static bool s_operate (client_t *self, int broker, const char *verb)
{
    char id[24], role[16] = "", challenge[64] = "", witness[64] = "", json[8192];
    char proof[ZB_PROOF_SIZE + 1], second[ZB_PROOF_SIZE + 1] = "";
    bool promotes = strcmp (verb, "PROMOTE") == 0;
    s_connect (self, broker);
    snprintf (id, sizeof id, "s%" PRIu64, ++self->serial);
    frame_t status[] = {TEXT ("ZB1"), TEXT ("STATUS"), TEXT (id)};
    if (!plain_ask (self, status, 3, PATIENCE))
        return false;
    snprintf (json, sizeof json, "%.*s", (int) zmq_msg_size (&self->frame[4]),
              (const char *) zmq_msg_data (&self->frame[4]));
    s_member (json, "role", role, sizeof role);
    char *of_witness = strstr (json, "\"witness\":{");
    if (s_member (of_witness, "challenge", witness, sizeof witness))
        s_prove (second, "force", witness);
    //  The witness's is not the broker's.
    if (of_witness)
        memset (of_witness, ' ', strcspn (of_witness, "}"));
    s_member (json, "challenge", challenge, sizeof challenge);
    if (strcmp (role, promotes ? "waiting" : "active"))
        return false;
    s_prove (proof, verb, challenge);
    snprintf (id, sizeof id, "o%" PRIu64, ++self->serial);
    frame_t request[] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (proof), TEXT ("accept-loss"), TEXT (second)};
    if (promotes)
        history_promotes ();
    bool good = plain_ask (self, request, promotes ? *second ? 6 : 5 : 4, 5 * PATIENCE);
    if (good && promotes)
        history_promoted (broker ? BACKUP : PRIMARY);
    world_note ("%s at %s: %s", verb, machine_of (broker ? BACKUP : PRIMARY)->name, good ? "OK" : "not");
    return good;
}

static void *s_be_operator (void *arg)
{
    client_t *self = arg;
    while (world_now () < self->until) {
        plain_nap (200 * MS, 2 * SECOND);
        //  Promoting twice in a row has no use.
        if (world_chance (600))
            s_operate (self, (int) world_random (2), "SWITCHOVER");
        else
            s_operate (self, (int) world_random (2), "PROMOTE");
    }
    return NULL;
}

static void *s_be_updater (void *arg)
{
    client_t *self = arg;
    while (world_now () < self->until) {
        plain_nap (500 * MS, 3 * SECOND);
        s_operate (self, (int) world_random (2), "UPGRADE");
    }
    return NULL;
}

static void *s_move_once (void *arg)
{
    client_t *self = arg;
    int broker = machine_says (BACKUP, "ACTIVE");
    s_moved = s_operate (self, broker, "SWITCHOVER");
    s_asked = true;
    return NULL;
}

void operator_start (int64_t until)
{
    plain_start ("op", "", 0, s_be_operator, until);
}

void updater_start (int64_t until)
{
    plain_start ("up", "", 0, s_be_updater, until);
}

void operator_move (void)
{
    s_moved = s_asked = false;
    plain_start ("op", "", 0, s_move_once, INT64_MAX);
}

bool operator_has_asked (bool *moved)
{
    *moved = s_moved;
    return s_asked;
}
