/*  =========================================================================
    zmtp - what a connection may send, read beside libzmq

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/limits.h"
#include "core/wire/zmtp.h"

//  A greeting: a signature of 10 bytes, whose last one is odd; a revision; of 2.0 and below the type of socket; of 3.0
//  and above a mechanism at 12, 64 bytes in all.
#define SIGNATURE 10
#define GREETING_2 12
#define GREETING_3 64
#define MECHANISM 12
#define MECHANISM_SIZE 20
//  The first command is READY; its property that names a routing id, and the first letter that makes another one of it.
#define READY_SIZE 6
#define ROUTING "Identity"
#define ROUTING_SIZE (sizeof ROUTING - 1)
//  And with CURVE a client sends HELLO and INITIATE.
#define CURVE_SHAKES 2
#define ROUTING_IGNORED 'i'
//  Flags of a frame.
#define MORE 1
#define LARGE 2
#define COMMAND 4
//  CURVE's MESSAGE (RFC 26): its name and the end of the nonce; in the box an authenticator, flags, and what the frame holds.
#define BOX_NONCE 8
#define BOX_NONCE_BEGINS "CurveZMQMESSAGEC"
#define BOX_FLAGS (8 + 8 + crypto_box_MACBYTES)
#define BOX_MORE 1
#define BOX_COMMAND 2
//  What libzmq keeps of a frame beside its bytes; the buffer that it reads into, which stays as long as a frame in it; and
//  the longest frame that it copies out of it.
#define FRAME_COST 64
#define BUFFER_COST 8192
#define COPIED_MOST 33

//  ---------------------------------------------------------------------------
//  The handshake

//  The bytes are libzmq's, which hands them to other threads by means that ThreadSanitizer can't see.
__attribute__ ((no_sanitize_thread)) static void s_change (uint8_t *byte, uint8_t to)
{
    *byte = to;
}

//  The properties of a READY: the size and text of a name, the size and bytes of a value.  Those that begin in the bytes
//  that came last, at `fresh`, are changed there.  What is malformed is left to libzmq, which refuses it.
static void s_properties (const uint8_t *text, size_t at, size_t end, size_t before, uint8_t *fresh)
{
    while (at + 1 < end) {
        const uint8_t *name = text + at;
        //  The name may not be there wholly; no other one of this size begins so.
        if (name[0] == ROUTING_SIZE && name[1] == ROUTING[0] && at + 1 >= before)
            s_change (&fresh[at + 1 - before], ROUTING_IGNORED);
        at += 1 + name[0];
        if (at + 4 > end)
            break;
        at += 4 + (size_t) zb_get32 (text + at);
    }
}

void zb_zmtp_anonymous (uint8_t *properties, size_t size)
{
    s_properties (properties, 0, size, 0, properties);
}

//  The first command behind a greeting of 3.0.  *taken stays 0 as long as it has not come wholly.
static zb_zmtp_fault_t s_command (zb_zmtp_t *self, size_t before, uint8_t *fresh, size_t *taken)
{
    const uint8_t *frame = self->handshake + GREETING_3;
    size_t size = self->came - GREETING_3;
    size_t head = size > 0 && frame[0] & LARGE ? 9 : 2;
    if (size < head)
        return ZB_ZMTP_FINE;
    uint64_t body = head == 9 ? zb_get64 (frame + 1) : frame[1];
    if (body > self->bounds->handshake - GREETING_3 - head)
        return ZB_ZMTP_HANDSHAKE;
    size_t end = GREETING_3 + head + (size_t) body;
    size_t there = end < self->came ? end : self->came;
    s_properties (self->handshake, GREETING_3 + head + READY_SIZE, there, before, fresh);
    if (end <= self->came)
        *taken = end;
    return ZB_ZMTP_FINE;
}

//  Looks at what has come from the first byte on; what came last, behind `before` bytes, is at `fresh`.  *taken is the
//  size of the handshake once it is over, as `over` says.
static zb_zmtp_fault_t s_look (zb_zmtp_t *self, size_t before, uint8_t *fresh, size_t *taken)
{
    const uint8_t *data = self->handshake;
    size_t size = self->came;
    *taken = 0;
    if (data[0] != 0xff || (size >= SIGNATURE && !(data[SIGNATURE - 1] & 1))) {
        self->over = self->old = self->routing = true;
        return ZB_ZMTP_FINE;
    }
    if (size < GREETING_2)
        return ZB_ZMTP_FINE;
    if (data[SIGNATURE] < 3) {
        self->over = self->routing = true;
        self->old = data[SIGNATURE] == 0;
        *taken = GREETING_2;
        return ZB_ZMTP_FINE;
    }
    if (size < GREETING_3)
        return ZB_ZMTP_FINE;
    char mechanism[MECHANISM_SIZE] = "NULL";
    if (memcmp (data + MECHANISM, mechanism, MECHANISM_SIZE) != 0) {
        static const char curve[MECHANISM_SIZE] = "CURVE";
        self->over = self->encrypted = true;
        self->shakes = memcmp (data + MECHANISM, curve, MECHANISM_SIZE) == 0 ? CURVE_SHAKES : 0;
        *taken = GREETING_3;
        return ZB_ZMTP_FINE;
    }
    zb_zmtp_fault_t fault = s_command (self, before, fresh, taken);
    self->over = *taken > 0;
    return fault;
}

//  ---------------------------------------------------------------------------
//  Frames

//  Bytes of the head as far as they are known, and of the body as soon as they are.  `peek` bytes of the body count as
//  head: the first two of a command, and of a box as many behind its flags.
static size_t s_head (const zb_zmtp_t *self, uint64_t *body, size_t *peek)
{
    const uint8_t *head = self->head;
    bool large = self->old ? head[0] == 0xff : (head[0] & LARGE) != 0;
    size_t size = !large ? 2 : self->old ? 10 : 9;
    *peek = 0;
    if (self->have < size)
        return size;
    *body = large ? zb_get64 (head + 1) : self->old ? head[0] : head[1];
    //  In ZMTP 1.0 the flags count as a byte of the body.
    if (self->old && *body)
        --*body;
    size_t skipped = self->keyed ? BOX_FLAGS + 1 : 0;
    if (!self->old && (head[0] & COMMAND || self->keyed) && *body >= skipped)
        *peek = skipped + (*body - skipped < 2 ? 0 : 2);
    return size + *peek;
}

//  ZMTP's heartbeats leave nothing behind.
static bool s_is_heartbeat (const uint8_t *name, uint64_t body)
{
    return body >= 2 && body <= ZB_HEARTBEAT_MAX && name[0] == 4 && name[1] == 'P';
}

//  Opens the first `peek` bytes of a box, as far as they are of its flags and behind them.  Whether all of it is as its
//  authenticator says is libzmq's to find out, which closes the connection if not.
static void s_peek (const zb_zmtp_t *self, uint8_t *box, size_t peek)
{
    uint8_t block[crypto_core_salsa20_INPUTBYTES] = {0}, stream[crypto_core_salsa20_OUTPUTBYTES];
    memcpy (block, box + BOX_NONCE, crypto_stream_salsa20_NONCEBYTES);
    crypto_core_salsa20 (stream, block, self->key, NULL);
    for (size_t at = BOX_FLAGS; at < peek; at++)
        box[at] ^= stream[crypto_box_ZEROBYTES + at - BOX_FLAGS];
    sodium_memzero (stream, sizeof stream);
}

//  The head of a frame is there, `peek` bytes of its body with it.
static zb_zmtp_fault_t s_frame (zb_zmtp_t *self, uint64_t body, size_t peek)
{
    uint8_t *first = self->head + self->have - peek;
    uint8_t flags = self->old ? first[-1] : self->head[0];
    bool more = (flags & MORE) != 0, command = !self->old && flags & COMMAND, heartbeat = command && !self->keyed;
    self->have = 0;
    self->left = body - peek;
    self->ends = self->counts = self->kept = false;
    if (self->routing) {
        self->routing = false;
        return body ? ZB_ZMTP_ROUTING : ZB_ZMTP_FINE;
    }
    if (self->shakes) {
        self->shakes--;
        return command && body <= self->bounds->handshake ? ZB_ZMTP_FINE : ZB_ZMTP_HANDSHAKE;
    }
    const zb_zmtp_bounds_t *bounds = self->bounds;
    if (self->encrypted && !self->keyed)
        return body > bounds->bytes ? ZB_ZMTP_BYTES : ZB_ZMTP_FINE;
    if (self->keyed && peek > BOX_FLAGS) {
        s_peek (self, first, peek);
        //  The frame's own flags are added to those of the box, or forgotten, as libzmq was built.
        more = more || first[BOX_FLAGS] & BOX_MORE;
        heartbeat = (first[BOX_FLAGS] & BOX_COMMAND) != 0;
        command = command || heartbeat;
        first += BOX_FLAGS + 1;
        body -= BOX_FLAGS + 1;
    }
    if (heartbeat && s_is_heartbeat (first, body))
        return ZB_ZMTP_FINE;
    if (bounds->most && ++self->all > bounds->most)
        return ZB_ZMTP_MOST;
    if (++self->frames > bounds->frames)
        return ZB_ZMTP_FRAMES;
    if (body > bounds->bytes - self->bytes)
        return ZB_ZMTP_BYTES;
    self->bytes += (size_t) body;
    self->memory += FRAME_COST + peek;
    self->counts = true;
    //  What is encrypted is decrypted where it was read.
    self->kept = self->left + peek > COPIED_MOST && self->left + peek < BUFFER_COST;
    self->ends = !command && !more;
    return ZB_ZMTP_FINE;
}

//  A frame is there wholly.
static void s_end (zb_zmtp_t *self)
{
    if (!self->ends)
        return;
    self->messages++;
    self->ended += self->memory;
    self->memory = 0;
    self->bytes = self->frames = 0;
    self->ends = false;
}

static zb_zmtp_fault_t s_frames (zb_zmtp_t *self, const uint8_t *data, size_t size)
{
    size_t came = size;
    uint64_t messages = self->messages;
    bool kept = false;
    while (size) {
        if (self->left) {
            size_t skip = self->left < size ? (size_t) self->left : size;
            data += skip;
            size -= skip;
            self->left -= skip;
            self->memory += self->counts ? skip : 0;
        }
        else {
            uint64_t body = 0;
            size_t peek;
            //  A head has two bytes at least.
            size_t some = (self->have ? s_head (self, &body, &peek) : 2) - self->have;
            some = some < size ? some : size;
            memcpy (self->head + self->have, data, some);
            self->have += (uint8_t) some;
            data += some;
            size -= some;
            if (self->have < s_head (self, &body, &peek))
                continue;
            zb_zmtp_fault_t fault = s_frame (self, body, peek);
            if (fault)
                return fault;
        }
        if (self->left == 0) {
            kept = kept || self->kept;
            s_end (self);
        }
    }
    //  The buffer of this read stays as long as a frame in it.
    if (kept && came < BUFFER_COST)
        *(self->messages > messages ? &self->ended : &self->memory) += BUFFER_COST - came;
    return ZB_ZMTP_FINE;
}

//  ---------------------------------------------------------------------------
//  The class

zb_zmtp_fault_t zb_zmtp_take (zb_zmtp_t *self, uint8_t *data, size_t size)
{
    if (self->over)
        return s_frames (self, data, size);
    if (size == 0)
        return ZB_ZMTP_FINE;
    size_t before = self->came, taken;
    //  What comes behind the handshake in the same read is of another measure.
    uint8_t *grown = (uint8_t *) realloc (self->handshake, before + size);
    assert (grown);
    memcpy (grown + before, data, size);
    self->handshake = grown;
    self->came += size;
    zb_zmtp_fault_t fault = s_look (self, before, data, &taken);
    if (!fault && !self->over && self->came > self->bounds->handshake)
        fault = ZB_ZMTP_HANDSHAKE;
    if (!fault && self->over)
        fault = s_frames (self, self->handshake + taken, self->came - taken);
    if (self->over)
        zb_zmtp_clear (self);
    return fault;
}

void zb_zmtp_key (zb_zmtp_t *self, const uint8_t *key)
{
    if (!self->encrypted || self->shakes || self->keyed)
        return;
    //  What XSalsa20 makes of a key and the beginning of a nonce, which is the same for all boxes.
    crypto_core_hsalsa20 (self->key, (const uint8_t *) BOX_NONCE_BEGINS, key, NULL);
    self->keyed = true;
}

void zb_zmtp_clear (zb_zmtp_t *self)
{
    sodium_memzero (self->key, sizeof self->key);
    self->keyed = false;
    free (self->handshake);
    self->handshake = NULL;
    self->came = 0;
}
