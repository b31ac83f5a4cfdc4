/*  =========================================================================
    lock - the lock on a store's folder, and what it says of its holder

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Whoever opens a store holds an exclusive lock on DIR/LOCK.  It is the lock of an
    open file description (F_OFD_SETLK): it ends with the process and with nothing
    else.  The text in the file stays when the lock goes, so that the next one knows
    who was there before:

      zbroker lock 1
      kind shared
      store 00112233445566778899aabbccddeeff
      epoch 7
      state held
      host alpha
      boot 3b9ff7c1-6d43-4c0c-a2b4-6a2c8f6e0c47
      pid 4711
      since 1764092400
      renewed 1764092407
      end

    `store` is drawn when the file is made and never changes: two brokers that see the
    same one look at the same folder, or at copies of it.  `boot` tells machines of one
    name apart.  Always 512 bytes, filled up with newlines, written at once.

    The file is made whole or not at all (written beside, then linked).  If it vanishes
    while somebody holds the lock, the next lock is on another file: then `state lost`
    says that the lock alone proves nothing, and the holder learns of it in zb_lock_confirm.

    Thread: one at a time.  Functions that return -1 set errno.
*/

#ifndef ZB_LOCK_H_INCLUDED
#define ZB_LOCK_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZB_LOCK_ID_SIZE 16
#define ZB_LOCK_HOST_MAX 64

typedef enum { ZB_KIND_SINGLE, ZB_KIND_REPLICATED, ZB_KIND_SHARED, ZB_KINDS } zb_kind_t;

typedef enum {
    ZB_LOCK_RELEASED, //  the last holder closed the store and gave the lock back; or nobody ever held it
    ZB_LOCK_HELD,     //  it holds it, or died with it
    ZB_LOCK_LOST,     //  the file was made anew beside a store: an earlier holder may still be there
    ZB_LOCK_STATES
} zb_lock_state_t;

//  What the file says.
typedef struct {
    zb_kind_t kind;
    uint8_t store[ZB_LOCK_ID_SIZE];
    uint64_t epoch; //  of the holder's leadership; 0: the store is new
    zb_lock_state_t state;
    char host[ZB_LOCK_HOST_MAX + 1]; //  "-" if there was none
    char boot[37];
    long pid;
    int64_t since;   //  seconds since 1970, by the holder's clock
    int64_t renewed; //  the same, of the last writing
} zb_holder_t;

typedef struct zb_lock zb_lock_t;

//  For the store in this folder, which exists.  Touches nothing.
zb_lock_t *zb_lock_new (const char *dir);
//  Ends the lock, if it is held.
void zb_lock_destroy (zb_lock_t **self_p);

//  Makes the file if it is absent, of this kind; LOST if `used`: there is a store beside it, or this object has seen the
//  file before.  Then its words of before are kept.  Returns 0 or -1.
int zb_lock_make (zb_lock_t *self, zb_kind_t kind, bool used);
//  Reads the file, and whether anybody else holds the lock, without taking it.  Returns 0 or -1; errno is EBADMSG if the
//  text makes no sense.
int zb_lock_look (zb_lock_t *self, zb_holder_t *holder, bool *held);
//  Takes the lock; the text stays as it is until zb_lock_sign.  Returns 0 or -1: EAGAIN if somebody else has it.
int zb_lock_take (zb_lock_t *self);
//  Gives it back; the text stays.
void zb_lock_drop (zb_lock_t *self);
bool zb_lock_is_held (const zb_lock_t *self);
//  What the file said when it was last read or written.
const zb_holder_t *zb_lock_holder (const zb_lock_t *self);

//  As the holder: writes the text with this process as the holder, and syncs it.  Returns 0 or -1.
int zb_lock_sign (zb_lock_t *self, zb_kind_t kind, uint64_t epoch, zb_lock_state_t state);
//  As the holder, before and after it signs: whether the file that is locked is still the one in the folder, others see
//  the lock, nobody else has it, and the text is what this object has read or written last: whoever had the lock in
//  between and opened the store has signed.  Touches nothing.  Returns 0 or -1: ESTALE if it is another file, ENOLCK if
//  there is no lock or another one's, EBADMSG if the text is another one, else the error of the system.
int zb_lock_check (zb_lock_t *self);
//  As the holder: whether the file that is locked is still the one in the folder; with `rewrite` all that zb_lock_check
//  looks at, and whether the text can be written and synced through the locked descriptor.  Returns 0 or -1, as it does.
int zb_lock_confirm (zb_lock_t *self, bool rewrite);

//  Words for the holder: "process 4711 on alpha, since 2026-11-25 17:40:00 UTC".  To be freed by the caller.
char *zb_holder_text (const zb_holder_t *holder);
//  Whether this process's machine, in its present boot, is the holder's.
bool zb_holder_is_here (const zb_holder_t *holder);
const char *zb_kind_name (zb_kind_t kind);

#endif
