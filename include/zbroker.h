/*  =========================================================================
    zbroker - the client library of the zbroker message broker

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    This header is the library's manual.  It is C99 and C++, and needs nothing but
    libc; link with -lzbroker (pkg-config zbroker).

    Two brokers, a primary and a backup, behave as one.  A client object talks to
    whichever of them is active, and moves to the other when that one takes over.
    It resends by itself what was not answered, so that a program only sees that a
    call took a little longer.

    A complete program, which stores three messages and takes them out again:

    EXAMPLE BEGIN
    #include <stdio.h>
    #include <string.h>
    #include <zbroker.h>

    static int s_fail (zb_client_t *client, const char *what)
    {
        fprintf (stderr, "%s: %d %s\n", what, zb_client_error (client), zb_client_error_text (client));
        zb_client_destroy (&client);
        return 1;
    }

    int main (int argc, char *argv [])
    {
        //  NULL: the brokers that the environment's ZBROKER names, else the default pair on this machine.
        zb_client_t *client = zb_client_new (argc > 1? argv [1]: NULL);
        if (!client) {
            fprintf (stderr, "usage: example [ENDPOINT,ENDPOINT]\n");
            return 2;
        }
        //  With a name, a message is stored once, however often it has to be sent.
        zb_client_set_name (client, "example");
        zb_client_set_timeout (client, 10000);
        if (zb_client_create_queue (client, "orders", NULL))
            return s_fail (client, "create");

        const char *orders [] = { "one coffee", "two teas", "the bill" };
        for (int index = 0; index < 3; index++) {
            zb_receipt_t receipt;
            if (zb_client_put (client, "orders", orders [index], strlen (orders [index]), &receipt))
                return s_fail (client, "put");
            //  "both": on the disks of both brokers.  "solo": one of them is down.
            printf ("stored %s: %s\n", receipt.first, zb_level_name (receipt.level));
        }
        //  Each get acknowledges what the one before it brought.
        zb_messages_t *done = NULL;
        while (true) {
            zb_messages_t *messages = zb_client_get (client, "orders", 10, 200, zb_messages_ids (done));
            zb_messages_destroy (&done);
            if (!messages)
                return s_fail (client, "get");
            for (size_t index = 0; index < zb_messages_size (messages); index++) {
                const zb_message_t *message = zb_messages_at (messages, index);
                printf ("got %.*s\n", (int) message->size, (const char *) message->body);
            }
            if (zb_messages_size (messages) == 0) {
                zb_messages_destroy (&messages);
                break;
            }
            done = messages;
        }
        zb_client_destroy (&client);
        return 0;
    }
    EXAMPLE END

    What holds for all functions
    ----------------------------
    Units       Times are milliseconds, sizes are bytes.
    Text        Zero-terminated UTF-8.  Names of queues, producers and consumers have 1..255 bytes without control
                characters and spaces; '/', '*', '>', '#' and a leading '$' are reserved.
    Properties  and options are lines "name=value", a newline between; NULL and "" both mean none.
    Ownership   What is passed in is borrowed for the call and copied where it is needed longer.  What is returned as
                `const` belongs to the object it came from.  Each object is freed by its own _destroy, which takes the
                address of the pointer, sets it to NULL, and accepts a pointer to NULL.
    Errors      int functions return 0, or -1 on failure; functions that return a pointer return NULL on failure.
                zb_client_error and zb_client_error_text then tell why.  Bad use of an argument is ZB_ERR_ARGUMENT;
                a NULL client is a bug of the caller and asserts; so is lack of memory.
    Threads     A client object belongs to one thread at a time; so do the messages and lists it returned.  Different
                objects are independent: a program with many threads gives each its own client.  After fork (), the
                child makes its own clients and does not touch its parent's.
    Waiting     A call waits at most for the client's timeout (and zb_client_get for its own wait beyond that, while
                a broker serves it).  While it waits, callbacks of earlier asynchronous PUTs run.  A signal whose handler returns ends waiting with
                ZB_ERR_INTERRUPTED; the library installs no handlers.
    Absence     There is no background thread to call into.  The transport keeps connections alive while the program
                does something else, however long; but resending, moving to the other broker and callbacks happen only
                inside calls.  Whoever has PUTs in flight and nothing else to do calls zb_client_poll.
                A message that was not acknowledged within its lease (a queue's option; 30 s by default) is delivered
                again, whether its consumer has called in or not: see zb_client_extend.
*/

#ifndef ZBROKER_H_INCLUDED
#define ZBROKER_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZBROKER_VERSION_MAJOR 0
#define ZBROKER_VERSION_MINOR 2
#define ZBROKER_VERSION_PATCH 0

//  The endpoints that a client uses where nobody names others.
#define ZBROKER_DEFAULT_BROKERS "tcp://127.0.0.1:5560,tcp://127.0.0.1:5570"

typedef struct zb_client zb_client_t;
typedef struct zb_messages zb_messages_t;
typedef struct zb_properties zb_properties_t;
typedef struct zb_queues zb_queues_t;

//  How safe is what a broker answered OK?
typedef enum {
    ZB_LEVEL_NONE,   //  no answer
    ZB_LEVEL_BOTH,   //  synced to disk on both brokers
    ZB_LEVEL_SOLO,   //  synced to disk on the one broker that is left of the pair
    ZB_LEVEL_SHARED, //  synced to the store that both brokers share
    ZB_LEVEL_SINGLE  //  synced to disk on a broker that has no partner
} zb_level_t;

//  Why did a call fail?  The codes from 400 are the broker's own.
enum {
    ZB_ERR_NONE = 0,
    ZB_ERR_TIMEOUT = 1,       //  no broker gave an answer in time; whether the request was done is not known
    ZB_ERR_ARGUMENT = 2,      //  the caller's mistake; nothing was sent
    ZB_ERR_INTERRUPTED = 3,   //  a signal's handler ran
    ZB_ERR_WINDOW = 4,        //  the window of PUTs is full, and this call may not wait
    ZB_ERR_BEHIND = 5,        //  a PUT before this one has failed, so that it was not stored: see zb_client_set_failed
    ZB_ERR_BAD_REQUEST = 400, //  the broker found the request malformed
    ZB_ERR_FORBIDDEN = 403,   //  the client's past is not of this pair: a client object that talked to one pair and
                              //  then meets another (a store made anew) cannot go on; make a new one
    ZB_ERR_NOT_FOUND = 404,   //  no such queue
    ZB_ERR_CONFLICT = 409,    //  another process works under this name now, or the number of this PUT was taken
    ZB_ERR_GONE = 410,        //  what the property acks of this PUT names is settled, or another's; nothing was stored.
                              //  The same of an ack where a queue is one consumer's at a time, or goes by
                              //  key; nothing was done
    ZB_ERR_TOO_LARGE = 413,   //  more than the broker takes: by default 1 MiB a body, 1000 bodies, 16 MiB a PUT
    ZB_ERR_QUEUE_FULL = 429,  //  the queue has reached its limit; nothing was stored
    ZB_ERR_NOT_READY = 503,   //  brokers answered, but none would serve within the timeout; the text says why
    ZB_ERR_DISK_FULL = 507    //  the broker's disk is nearly full; nothing was stored
};

//  --- The client ---------------------------------------------------------------------------------------------------

//  Makes a client of the brokers in this list of endpoints, "tcp://HOST:PORT[,tcp://HOST:PORT]", at most 8 of them.
//  An address in front of both brokers (a TCP balancer) will do: a connection that lands on a passive broker is made
//  again.  With both endpoints a client is back sooner, as it need not try.
//  NULL: the environment's ZBROKER, else ZBROKER_DEFAULT_BROKERS.  Returns at once, whether they run or not; they are
//  connected to in the background.  Only endpoints in this list are ever used.
//  Returns NULL if the list is malformed.
zb_client_t *zb_client_new (const char *brokers);

//  Ends the client without waiting.  PUTs that were not answered may or may not be stored; their callbacks do not run
//  (zb_client_flush first, if that matters).  Not from a callback.
void zb_client_destroy (zb_client_t **self_p);

//  The name under which this client puts and gets, before the first call that needs a broker.  Default: none.
//  - As a producer: its PUTs are numbered and stored exactly once, across resends, reconnects and failovers.  One
//    process at a time: a newer client of the same name fences the older one, whose calls then fail with
//    ZB_ERR_CONFLICT for good.  A program that comes back under its name goes on where zb_client_last_number says.
//  - As a consumer: messages that were delivered under this name and not acknowledged come back at once when the
//    program, or its connection, starts anew; without a name only when their lease ends.
//  Without a name, PUTs are resent after a failover as well, but the broker cannot tell: a message MAY BE STORED TWICE.
int zb_client_set_name (zb_client_t *self, const char *name);

//  Who the client is to brokers with keys: a file that 'zbroker key new' or 'zbroker key bundle' has written, with the client's
//  key and those of the brokers, which it has to name as zb_client_new did.  Nobody else may be able to read it.  Before the
//  first call.  Everything is encrypted then.  A client whose key no broker knows gets no answer, and ZB_ERR_TIMEOUT.
int zb_client_set_key (zb_client_t *self, const char *file);

//  How long calls keep trying, in ms, from 0; -1 = for ever.  Default 30000.  It spans restarts and failovers of
//  brokers, so that it should not be shorter than a few seconds.  For a PUT it counts from the call.
int zb_client_set_timeout (zb_client_t *self, int64_t timeout);

//  How long a broker may be silent, in ms, while something is asked of it, until the other one is tried; 100 or more.
//  Default 2000.  A broker that died, or whose machine stopped answering, is noticed sooner, by the transport.
int zb_client_set_patience (zb_client_t *self, int64_t patience);

//  How many PUTs may be in flight, 1..256.  Default 256.  Only while none are.
int zb_client_set_window (zb_client_t *self, size_t window);

//  Waits until an active broker has greeted this client.  Optional: every other call does so by itself.
int zb_client_connect (zb_client_t *self);

//  What becomes of the PUTs behind one that fails?
typedef enum {
    ZB_FAILED_GO_ON, //  they are stored without it
    ZB_FAILED_STOP,  //  they fail, too, with ZB_ERR_BEHIND, and none of them is stored: what is stored has no gap
    ZB_FAILED_WAIT   //  as STOP; but a PUT for which there is no room (429, 507) is sent again until there is, and those
                     //  behind it wait with it.  That does not count for its timeout.
} zb_failed_t;

//  Default: ZB_FAILED_GO_ON.  Only while no PUT is in flight.  The others hold until the callback of the failed one has
//  run; what is put after that is sent.  Without a name they cost the window: one PUT is sent at a time, since the
//  broker would store what is behind a refused one.
//  If a PUT fails for time, nobody knows whether it was stored, nor those behind it that were sent: they fail for time,
//  too.
int zb_client_set_failed (zb_client_t *self, zb_failed_t failed);

//  Under a name: the next PUT has this number, from 1 to zb_client_last_number plus 1, the one after it the next, and so
//  on.  After zb_client_connect, and while no PUT is in flight.  A program that sends again what it may have sent before
//  it died hears what became of it, and whether its input is still the same: a PUT under a number that is stored is
//  answered as a duplicate, and with ZB_ERR_CONFLICT if it is another one, or older than the last 256.  Wait for those
//  answers before what is new.
int zb_client_resume (zb_client_t *self, uint64_t number);

//  The endpoint of the broker that serves this client, or was the last to do so; "" before the first.
const char *zb_client_endpoint (const zb_client_t *self);

//  "restored at commit N" if an operator has put a backup in the place of the brokers' store while this client used it, else "".
//  The client has gone on: what was answered OK after the backup was made is not there.  A producer with a name gets
//  ZB_ERR_CONFLICT for numbers beyond the ones that are stored: it starts anew, at zb_client_last_number.
const char *zb_client_restored (const zb_client_t *self);

//  The number of PUTs that are stored under this client's name, by this process and all before it: the PUT with this
//  number and all before it are safe.  Valid after zb_client_connect; grows with each OK.  Refused PUTs do not count.
//  0 without a name.  A program that numbers its input in the same way resumes here after a crash, and has each of
//  its messages stored exactly once.
uint64_t zb_client_last_number (const zb_client_t *self);

//  The error of the last call that failed: ZB_ERR_*.  Stays until the next failure.
int zb_client_error (const zb_client_t *self);
//  In words, for people; "" if nothing has failed yet.  Valid until the next call.
const char *zb_client_error_text (const zb_client_t *self);

//  The level of the last OK to an ack, create, purge or delete; ZB_LEVEL_NONE where the broker told none.
zb_level_t zb_client_level (const zb_client_t *self);
//  "both" "solo" "shared" "single" or "none".
const char *zb_level_name (zb_level_t level);

//  --- Properties ---------------------------------------------------------------------------------------------------

//  Makes the lines that a PUT takes as its properties (zb_client_create_queue and others as their options) one by one:
//
//      zb_properties_t *properties = zb_properties_new ();
//      zb_properties_set (properties, "reply-to", "replies-7f3a");
//      zb_properties_set_number (properties, "expires", 30000);
//      zb_client_put_many (client, "prices", zb_properties_lines (properties), &body, 1, NULL);
//      zb_properties_destroy (&properties);
//
//  Those that a broker knows are in PROTOCOL.md: acks, delay, due, expires, key, message-id, priority, subject; all others are
//  the program's own.  What is wrong with a name or a value is told by -1 and zb_properties_wrong, and changes nothing; a broker
//  may refuse more.
zb_properties_t *zb_properties_new (void);
void zb_properties_destroy (zb_properties_t **self_p);
//  The property has this value, in place of one that it had; NULL: it is gone.  A name has 1..255 bytes without '=', white
//  space and control characters, a value has no control characters; both are UTF-8.
int zb_properties_set (zb_properties_t *self, const char *name, const char *value);
int zb_properties_set_number (zb_properties_t *self, const char *name, uint64_t value);
//  The instruction acks of zb_client_put_many: these messages of this queue or subscription (ids as zb_messages_ids has
//  them, at most 1000) are acknowledged in the commit that stores the PUT.  NULL: none are.
int zb_properties_set_acks (zb_properties_t *self, const char *queue, const char *ids);
//  All of them; valid until the next change.  NULL has none.
const char *zb_properties_lines (const zb_properties_t *self);
//  What was wrong where the newest -1 came; "" if nothing was.
const char *zb_properties_wrong (const zb_properties_t *self);

//  --- Putting ------------------------------------------------------------------------------------------------------

//  One body.
typedef struct {
    const void *data;
    size_t size;
} zb_body_t;

//  What became of a PUT.
typedef struct {
    int error;        //  ZB_ERR_NONE: stored, and as safe as `level` says
    const char *text; //  the error in words, "" if none; valid until the callback returns, or until the next call
    zb_level_t level;
    bool duplicate;  //  it had been stored already, and was not stored again
    uint64_t number; //  the PUT's number under the client's name; without a name, its number in this client
    char first[32];  //  ids of the first and the last message, those between are the numbers between; "0" if a
                     //  duplicate's message is gone already
    char last[32];
} zb_receipt_t;

//  Stores one message and waits until it is safe.  A body may be empty (data NULL, size 0).  `receipt` may be NULL.
//  Sends again by itself until there is an answer: see zb_client_set_name for what that means without a name.
//  Fails with what the broker says, with ZB_ERR_NOT_READY or ZB_ERR_TIMEOUT when time ran out (the message may or may
//  not be stored; under a name, zb_client_last_number tells after the next zb_client_connect).
int zb_client_put (zb_client_t *self, const char *queue, const void *data, size_t size, zb_receipt_t *receipt);

//  Stores several messages, all or none, with the same properties: 1..1000 bodies, by default 16 MiB together.
//  Properties are lines "name=value", a newline between, or NULL.  The line "acks=QUEUE ID ID..." is an instruction (at most
//  1000 ids, those of zb_messages_ids for one): these messages are acknowledged in the commit that stores the new ones.  If one of them
//  is settled already, or another consumer has it, this fails with ZB_ERR_GONE, and nothing is done: throw the result away.
//  Under a name that is exactly once; without one, a PUT that was sent again may fail so because it was stored at first.
//  ZB_ERR_NOT_FOUND: the queue is gone, and nothing is acknowledged; if it was a reply queue, nobody waits for the reply any more:
//  acknowledge the request, or it comes back when its lease ends.
//  It takes a store of level 3 (ZB_ERR_NOT_READY).
int zb_client_put_many (zb_client_t *self, const char *queue, const char *properties, const zb_body_t *bodies,
                        size_t count, zb_receipt_t *receipt);

//  Is told what became of a PUT.  Runs in the caller's thread, inside any call that talks to brokers, once for each
//  PUT that zb_client_put_async accepted, in the order of the PUTs.  `receipt` is valid until it returns.
//  It may call zb_client_put_async and what does not wait; other calls fail with ZB_ERR_ARGUMENT.
typedef void (zb_put_fn) (const zb_receipt_t *receipt, void *arg);

//  Sends a PUT without waiting for its answer; bodies are copied.  `fn` may be NULL.
//  If the window is full, this call WAITS until there is room (callbacks of earlier PUTs run meanwhile), up to the
//  client's timeout, and fails with what kept it.  Whoever must not wait looks at zb_client_inflight before.  From a
//  callback it does not wait, but fails with ZB_ERR_WINDOW.
//  Order: PUTs of one client are stored in the order of the calls, also across failovers.  If one is refused (say,
//  404 or 429), those behind it are sent on without it, unless zb_client_set_failed says otherwise.
//  Under a name, a PUT of which a try got no answer may be stored at the other broker; so it is not given up for want of
//  room (429, 507), but sent again until there is room or its time is over.
int zb_client_put_async (zb_client_t *self, const char *queue, const char *properties, const zb_body_t *bodies,
                         size_t count, zb_put_fn *fn, void *arg);

//  PUTs whose callback has not run yet.
size_t zb_client_inflight (const zb_client_t *self);

//  Does what there is to do (resend, move, run callbacks) for up to `wait` ms, 0 = only what needs no waiting, and
//  returns as soon as a callback has run or nothing is in flight.  Interrupted by a signal, it just returns.
//  Returns the number of PUTs in flight.
size_t zb_client_poll (zb_client_t *self, int64_t wait);

//  Waits until nothing is in flight.  Fails if one of the PUTs since the last flush failed, with the error of the
//  first.  All are answered or given up after the timeout, so that this returns.
int zb_client_flush (zb_client_t *self);

//  --- Getting ------------------------------------------------------------------------------------------------------

//  A delivered message.
typedef struct {
    const char *id;   //  opaque text; for ack, nack and extend
    const void *body; //  not zero-terminated
    size_t size;
    unsigned deliveries;    //  1 = the first time; more: somebody had it and did not acknowledge it
    const char *properties; //  lines "name=value", a newline between; "" if none
} zb_message_t;

//  Takes up to `max` messages (1..1000) from the head of the queue, and waits up to `wait` ms for the first one.
//  `acks`, if not NULL, is acknowledged with it (ids as for zb_client_ack): one round trip for both.
//  Returns the messages: none of them if `wait` ran out.  They are this client's until they are acknowledged, given
//  back, or their lease ends.  NULL on failure; then the acks may or may not have been taken, and can be sent again.
//  Interrupted by a signal, it returns what has arrived by then, and fails only if that is nothing.
zb_messages_t *zb_client_get (zb_client_t *self, const char *queue, size_t max, int64_t wait, const char *acks);

//  Looks at up to `max` messages (1..1000) and takes none: those behind the message with the id `position`, or from the first on
//  (NULL).  None: there are no more behind it; fewer than `max`: ask again behind the last one.  Each has the properties zb-state
//  (ready, leased or delayed), zb-by (who has it) and zb-until (ms since 1970), before its own.  Their ids are not this client's:
//  an ack of them is done all the same.  A broker of 0.1 knows no such thing (ZB_ERR_BAD_REQUEST).
zb_messages_t *zb_client_peek (zb_client_t *self, const char *queue, const char *position, size_t max);

//  Reads up to `max` messages (1..1000) of a topic without a subscription, and waits up to `wait` ms for the first one.
//  Nothing is taken: `deliveries` is 0, there is nothing to acknowledge.  The position is "first", "new", a message id (what is
//  behind it: the last one that was read), or "@" and ms since 1970; `filter` (may be NULL) is patterns of subjects.  Of the
//  broker's properties zb-skipped says that messages before the first one are gone.  NULL on failure.  It takes a broker of
//  0.2 and a store of level 3 (ZB_ERR_NOT_READY).
zb_messages_t *zb_client_read (zb_client_t *self, const char *topic, const char *position, size_t max, int64_t wait,
                               const char *filter);

size_t zb_messages_size (const zb_messages_t *self);
//  NULL if there is no such message.
const zb_message_t *zb_messages_at (const zb_messages_t *self, size_t index);
//  The ids of all messages, ready for ack, nack and extend.  NULL if there are none or self is NULL.
const char *zb_messages_ids (const zb_messages_t *self);
//  The queue that they came from.
const char *zb_messages_queue (const zb_messages_t *self);
//  Frees the messages and all that was returned of them; acknowledges nothing.
void zb_messages_destroy (zb_messages_t **self_p);

//  The value of a message's property; NULL if it has none of that name.  Writes at most `size` bytes with the final
//  zero to `value` and returns it; a longer value is cut.
const char *zb_message_property (const zb_message_t *self, const char *name, char *value, size_t size);

//  These take ids of one queue: an id, or several with a space between, or zb_messages_ids; at most 64 KiB.
//  Ids of messages that are gone already are no error.

//  The messages are done and never come again; waits until that is safe.  See zb_client_level.  Where the queue is one
//  consumer's at a time, or goes by key (its option mode=exclusive, mode=key), ZB_ERR_GONE: one of them is settled already, by this client or another, or another
//  consumer has it, and nothing was done; so it is with the acks of zb_client_get.
int zb_client_ack (zb_client_t *self, const char *queue, const char *ids);
//  They go back to the queue for others at once.
int zb_client_nack (zb_client_t *self, const char *queue, const char *ids);
//  The same, but nobody gets them before `delay` ms have passed.  A broker that takes over knows nothing of that: they are
//  ready at once then.  It takes a broker of 0.2 (ZB_ERR_BAD_REQUEST from an older one) and a store of level 3 (ZB_ERR_NOT_READY).
int zb_client_nack_later (zb_client_t *self, const char *queue, const char *ids, int64_t delay);
//  The same (delay 0: at once), and nobody has tried to work on them: in a queue with the option retry-delay or max-deliveries
//  that is no try, and its delay is left out.  For what a consumer has not begun when it ends.
int zb_client_nack_untried (zb_client_t *self, const char *queue, const char *ids, int64_t delay);
//  They can't be worked on: they go to the queue's dead letters (its option dead-letter) with what tells why, in one commit;
//  waits until that is safe.  At most 1000 at a time (ZB_ERR_TOO_LARGE).  ZB_ERR_GONE: another consumer has one of them, and
//  nothing was done.  It takes a broker and a store as zb_client_nack_later does.
int zb_client_reject (zb_client_t *self, const char *queue, const char *ids);
//  Moves messages to another queue, the oldest first: up to `count` (0: all) of those that are there when it begins and that
//  no consumer has.  Each is in exactly one of the two.  *moved (may be NULL) is how many were, also where it returns -1.  If
//  a failover makes the client ask twice with a count, up to as many more are moved.  It takes a broker and a store as above.
int zb_client_move (zb_client_t *self, const char *from, const char *to, uint64_t count, uint64_t *moved);
//  Their leases start anew.
int zb_client_extend (zb_client_t *self, const char *queue, const char *ids);

//  --- Queues and brokers -------------------------------------------------------------------------------------------

//  Creates a queue, or changes the options of an existing one; those not named stay as they are.  With full=drop-oldest a PUT that
//  is beyond max-messages or max-bytes is stored, and the oldest messages are dropped.  With dedupe=MS a PUT whose property message-id was put
//  within that time is a duplicate, with the ids of the first.  With unused=MS it is deleted, with what is in it,
//  when nobody has got from it, looked at it or created it for so long: ZB_ERR_NOT_FOUND, make it again.
int zb_client_create_queue (zb_client_t *self, const char *queue, const char *options);

//  Creates a topic, or changes its options.  What is put into it goes to each of its subscriptions.  It is kept until all of these
//  are done with it, or (keep=all) up to max-age, keep-messages and max-bytes: what a subscription gets after something was
//  deleted that it had not done has the property zb-skipped.
int zb_client_topic (zb_client_t *self, const char *topic, const char *options);

//  Creates a subscription, whose name is TOPIC/SUBSCRIPTION, or changes its options.  Two of them are only for a new one:
//  from (new, first, a message id, or @ and ms since 1970) and filter (patterns of subjects: PROTOCOL.md).  It is got from, acknowledged, purged
//  and deleted by that name as a queue is.
int zb_client_subscribe (zb_client_t *self, const char *subscription, const char *options);

//  Moves a subscription to a position: "first", the oldest that its topic keeps; a message id, behind that one; or "@" and ms
//  since 1970, what was put at or after that time.  Its leases end, and what it had acknowledged behind the position comes
//  again.  It takes a broker of 0.2 and a store of level 3 (ZB_ERR_NOT_READY).
int zb_client_seek (zb_client_t *self, const char *subscription, const char *position);

//  Deletes all its messages.  If a failover makes the client ask twice, so are those that came in between.
int zb_client_purge_queue (zb_client_t *self, const char *queue);

//  Deletes the queue with its messages.
int zb_client_delete_queue (zb_client_t *self, const char *queue);

//  The queues whose names match the pattern; NULL = all.  More than 10,000 are asked for one page after the other: one that is
//  made or deleted meanwhile may be missed or listed.
zb_queues_t *zb_client_list_queues (zb_client_t *self, const char *pattern);
//  The same with topics and subscriptions among them; each has a line kind=queue, kind=topic or kind=subscription.
zb_queues_t *zb_client_list_topics (zb_client_t *self, const char *pattern);

size_t zb_queues_size (const zb_queues_t *self);
//  NULL if there is no such queue.
const char *zb_queues_name (const zb_queues_t *self, size_t index);
//  Its options and counts: lines "name=value", a newline between.
const char *zb_queues_lines (const zb_queues_t *self, size_t index);
void zb_queues_destroy (zb_queues_t **self_p);

//  The brokers of this client's list, in its order.
size_t zb_client_brokers (const zb_client_t *self);
//  The endpoint; NULL if there is no such broker.
const char *zb_client_broker (const zb_client_t *self, size_t index);
//  What that broker says of itself, as JSON; active or not.  On a connection of its own; it disturbs nothing.
//  Waits up to `wait` ms.  Valid until the next zb_client_status.
const char *zb_client_status (zb_client_t *self, size_t index, int64_t wait);
//  What happened to that broker lately, as JSON (PROTOCOL.md, "Who watches"): what came after the event with the id `after`, or the
//  newest (NULL or ""); `max` of them, a number, or NULL.  Waits, and is valid, as above.  A broker of 0.1 knows none
//  (ZB_ERR_BAD_REQUEST).
const char *zb_client_events (zb_client_t *self, size_t index, const char *after, const char *max, int64_t wait);

//  Who is there, as JSON (PROTOCOL.md, "Who watches"): sessions whose names fit the pattern (NULL: all), those behind the number `after`
//  (NULL: from the first on).  Waits, is valid, and fails as above.
const char *zb_client_clients (zb_client_t *self, size_t index, const char *pattern, const char *after, int64_t wait);

//  --- The library --------------------------------------------------------------------------------------------------

//  The version that the program runs with, which need not be that of this header.  Each pointer may be NULL.
void zbroker_version (int *major, int *minor, int *patch);
//  As text, "MAJOR.MINOR.PATCH".
const char *zbroker_version_text (void);

#ifdef __cplusplus
}
#endif

#endif
