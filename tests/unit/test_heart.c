/*  =========================================================================
    test_heart - does the heart tell the truth about its peer?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Peers are another heart, a socket that sends frames made by hand, or a process of
    its own: this program again, so that it can be killed and stopped.
*/

#include "patterns/heart.h"

#include <czmq.h>
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "patience.h"


//  What one side says.
typedef struct {
    char text[64];
    atomic_bool silent;
    atomic_int number; //  of the last beat
    bool late;         //  it takes its time,
    atomic_int_least64_t began; //  and has begun then, the first time
} voice_t;

static size_t s_say (void *context, uint8_t *payload, size_t room)
{
    voice_t *voice = context;
    if (atomic_load (&voice->silent))
        return 0;
    int_least64_t none = 0, now = zclock_mono ();
    atomic_compare_exchange_strong (&voice->began, &none, now);
    while (voice->late && zclock_mono () < now + 3)
        ;
    return (size_t) snprintf ((char *) payload, room, "%s", voice->text);
}

static size_t s_count (void *context, uint8_t *payload, size_t room)
{
    voice_t *voice = context;
    return (size_t) snprintf ((char *) payload, room, "%d", atomic_fetch_add (&voice->number, 1) + 1);
}

//  The next event; fails the test if none comes.  It waits for the socket's word, as an owner does.
static const heart_event_t *s_next (heart_t *heart)
{
    const int64_t end = zclock_mono () + patience_ms ();
    for (;;) {
        const heart_event_t *event = heart_recv (heart);
        if (event)
            return event;
        const int64_t left = end - zclock_mono ();
        assert_true (left > 0);
        zmq_pollitem_t item = {.socket = zsock_resolve (heart_sock (heart)), .events = ZMQ_POLLIN};
        zmq_poll (&item, 1, (long) left);
    }
}

static const heart_event_t *s_next_kind (heart_t *heart, heart_kind_t kind)
{
    const int64_t end = zclock_mono () + patience_ms ();
    for (;;) {
        const heart_event_t *event = s_next (heart);
        if (event->kind == kind)
            return event;
        assert_true (zclock_mono () < end);
    }
}

static bool s_says (const heart_event_t *event, const char *text)
{
    return event->size == strlen (text) && memcmp (event->payload, text, event->size) == 0;
}

static void s_next_saying (heart_t *heart, const char *text)
{
    const int64_t end = zclock_mono () + patience_ms ();
    while (!s_says (s_next_kind (heart, HEART_BEAT), text))
        assert_true (zclock_mono () < end);
}

//  Waits until a counter has reached a number.
#define WAIT_FOR(heart, counter, least)                               \
    do {                                                              \
        const int64_t end = zclock_mono () + patience_ms ();          \
        while (heart_counters (heart).counter < (uint64_t) (least)) { \
            assert_true (zclock_mono () < end);                       \
            zclock_sleep (1);                                         \
        }                                                             \
    } while (0)

//  ---------------------------------------------------------------------------
//  Two hearts

static heart_t *s_heart (const char *bind, const char *peer, voice_t *voice)
{
    const heart_args_t args = {
        .name = "test", .bind = bind, .peer = peer, .interval = 20, .silence = 500, .fill = s_say, .context = voice};
    heart_t *heart = heart_new (&args);
    assert_non_null (heart);
    return heart;
}

static void test_beats_are_heard_and_echoed (void **unused)
{
    (void) unused;
    voice_t here = {.text = "here"};
    voice_t there = {.text = "there"};
    const int64_t start = zclock_mono ();
    heart_t *a = s_heart ("inproc://echo-a", "inproc://echo-b", &here);
    heart_t *b = s_heart ("inproc://echo-b", "inproc://echo-a", &there);
    assert_int_not_equal (heart_session (a), heart_session (b));

    const heart_event_t *event = s_next_kind (a, HEART_BEAT);
    assert_true (event->session_is_new);
    assert_true (event->session == heart_session (b));
    assert_true (s_says (event, "there"));
    while (event->echoed_ms == 0) {
        event = s_next_kind (a, HEART_BEAT);
        assert_false (event->session_is_new);
    }
    assert_true (event->echoed_ms >= start && event->echoed_ms <= event->heard_ms);
    //  The echo moves with the beats.
    const int64_t first = event->echoed_ms;
    while (s_next_kind (a, HEART_BEAT)->echoed_ms == first)
        ;
    s_next_saying (b, "here");
    heart_destroy (&a);
    heart_destroy (&b);
    assert_null (a);
}

static void test_an_update_is_published_at_once (void **unused)
{
    (void) unused;
    voice_t here = {.text = "here"};
    voice_t there = {.text = "there"};
    heart_args_t args = {.bind = "inproc://update-a", .peer = "inproc://update-b", .fill = s_say, .context = &here};
    //  Nothing but updates is heard within this test.
    args.interval = 1000000;
    args.silence = 2000000;
    heart_t *a = heart_new (&args);
    args.bind = "inproc://update-b";
    args.peer = "inproc://update-a";
    args.context = &there;
    heart_t *b = heart_new (&args);
    assert_non_null (a);
    assert_non_null (b);
    while (heart_counters (a).heard < 2) {
        heart_update (b);
        zclock_sleep (1);
    }
    heart_destroy (&a);
    heart_destroy (&b);
}

static void test_a_hung_owner_is_silent_not_dead (void **unused)
{
    (void) unused;
    voice_t here = {.text = "here"};
    voice_t there = {.text = "there"};
    heart_t *a = s_heart ("inproc://hung-a", "inproc://hung-b", &here);
    heart_t *b = s_heart ("inproc://hung-b", "inproc://hung-a", &there);
    s_next_saying (a, "there");
    atomic_store (&there.silent, true);
    assert_false (heart_peer_gone (a));
    const heart_event_t *event = s_next_kind (a, HEART_SILENT);
    assert_true (heart_peer_gone (a));
    assert_true (s_says (event, "there"));
    assert_true (event->session == heart_session (b));
    assert_false (event->session_is_new);
    WAIT_FOR (b, withheld, 1);
    atomic_store (&there.silent, false);
    event = s_next (a);
    assert_int_equal (event->kind, HEART_BEAT);
    assert_false (event->session_is_new);
    assert_false (heart_peer_gone (a));
    assert_int_equal (heart_counters (a).deaths, 0);
    heart_destroy (&a);
    heart_destroy (&b);
}

static void test_who_was_never_there_is_silent (void **unused)
{
    (void) unused;
    voice_t here = {.text = "here"};
    heart_t *a = s_heart ("inproc://alone-a", "inproc://alone-b", &here);
    const heart_event_t *event = s_next (a);
    assert_int_equal (event->kind, HEART_SILENT);
    assert_true (event->session == 0 && event->heard_ms == 0 && event->size == 0);
    assert_null (heart_recv (a));
    heart_destroy (&a);
}

//  Adds one to each byte, and a byte at the end that must be there.
static ssize_t s_seal (void *context, const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
    (void) context;
    assert (room > size);
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t) (in[i] + 1);
    out[size] = '!';
    return (ssize_t) size + 1;
}

static ssize_t s_open (void *context, const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
    (void) context;
    if (size == 0 || size > room + 1 || in[size - 1] != '!')
        return -1;
    for (size_t i = 0; i < size - 1; i++)
        out[i] = (uint8_t) (in[i] - 1);
    return (ssize_t) size - 1;
}

static void test_what_the_seal_refuses_is_not_heard (void **unused)
{
    (void) unused;
    voice_t here = {.text = "here"};
    voice_t there = {.text = "there"};
    heart_args_t args = {.bind = "inproc://seal-a", .peer = "inproc://seal-b", .interval = 20, .silence = 200};
    args.fill = s_say;
    args.open = s_open;
    args.context = &here;
    heart_t *a = heart_new (&args);
    heart_t *b = s_heart ("inproc://seal-b", "inproc://seal-a", &there);
    WAIT_FOR (a, refused, 2);
    assert_int_equal (heart_counters (a).heard, 0);
    heart_destroy (&a);
    heart_destroy (&b);

    args.bind = "inproc://seal-c";
    args.peer = "inproc://seal-d";
    args.seal = s_seal;
    heart_t *c = heart_new (&args);
    args.bind = "inproc://seal-d";
    args.peer = "inproc://seal-c";
    args.context = &there;
    heart_t *d = heart_new (&args);
    s_next_saying (c, "there");
    s_next_saying (d, "here");
    assert_int_equal (heart_counters (c).refused, 0);
    heart_destroy (&c);
    heart_destroy (&d);
}

//  The next event that answers this question; returns the number of the beat.
static int s_answer (heart_t *heart, uint64_t question)
{
    const int64_t end = zclock_mono () + patience_ms ();
    const heart_event_t *event = s_next_kind (heart, HEART_BEAT);
    while (event->answered < question) {
        assert_true (zclock_mono () < end);
        event = s_next_kind (heart, HEART_BEAT);
    }
    assert_int_equal (event->answered, question);
    char text[16] = "";
    assert_true (event->size < sizeof text);
    memcpy (text, event->payload, event->size);
    return atoi (text);
}

//  Regular beats are an hour apart here.
static void test_a_question_is_answered_at_once (void **unused)
{
    (void) unused;
    voice_t here = {.text = "here"}, there = {.text = "there"};
    heart_args_t args = {.bind = "inproc://ask-a",
                         .peer = "inproc://ask-b",
                         .interval = 3600000,
                         .silence = 2 * 3600000,
                         .fill = s_count,
                         .context = &here};
    heart_t *a = heart_new (&args);
    args.bind = "inproc://ask-b";
    args.peer = "inproc://ask-a";
    args.context = &there;
    heart_t *b = heart_new (&args);
    const int64_t until = zclock_mono () + patience_ms ();
    while (heart_counters (a).heard == 0 || heart_counters (b).heard == 0) {
        assert_true (zclock_mono () < until);
        heart_update (a);
        heart_update (b);
        zclock_sleep (5);
    }
    heart_ask (a, 5);
    int number = s_answer (a, 5);
    for (uint64_t question = 6; question < 10; question++) {
        //  A beat that asks nothing is not answered.
        heart_update (a);
        heart_ask (a, question);
        assert_int_equal (s_answer (a, question), ++number);
    }
    heart_destroy (&a);
    heart_destroy (&b);
}

//  ---------------------------------------------------------------------------
//  A heart, and frames made by hand

#define SESSION 0x1122334455667788u

static void s_put64 (uint8_t *to, uint64_t number)
{
    for (int i = 7; i >= 0; i--, number >>= 8)
        to[i] = (uint8_t) number;
}

//  The layout is written out here once more, so that a change of it is noticed.
static size_t s_frame (uint8_t *frame, uint64_t session, uint64_t sequence, const char *text)
{
    memset (frame, 0, HEART_HEADER_SIZE);
    memcpy (frame, "HART\1", 5);
    s_put64 (frame + 8, session);
    s_put64 (frame + 16, sequence);
    memcpy (frame + HEART_HEADER_SIZE, text, strlen (text));
    return HEART_HEADER_SIZE + strlen (text);
}

static void s_send (zsock_t *peer, uint64_t session, uint64_t sequence, const char *text)
{
    uint8_t frame[HEART_HEADER_SIZE + 64];
    size_t size = s_frame (frame, session, sequence, text);
    assert_int_equal (zmq_send (zsock_resolve (peer), frame, size, 0), size);
}

//  A socket in the peer's place, to which the heart listens already.
static zsock_t *s_fake (const char *endpoint, heart_t **heart, voice_t *voice)
{
    zsock_t *peer = zsock_new (ZMQ_XPUB);
    assert_non_null (peer);
    assert_true (zsock_bind (peer, "%s", endpoint) >= 0);
    char bind[64];
    snprintf (bind, sizeof bind, "%s-heart", endpoint);
    *heart = s_heart (bind, endpoint, voice);
    zsock_set_rcvtimeo (peer, patience_ms ());
    zframe_t *subscription = zframe_recv (peer);
    assert_non_null (subscription);
    zframe_destroy (&subscription);
    return peer;
}

static void test_foreign_frames_are_dropped_and_counted (void **unused)
{
    (void) unused;
    voice_t here = {.text = "here"};
    heart_t *heart;
    zsock_t *peer = s_fake ("inproc://foreign", &heart, &here);
    void *raw = zsock_resolve (peer);
    uint8_t *frame = calloc (1, HEART_HEADER_SIZE + HEART_PAYLOAD_MAX + 1);
    size_t size = s_frame (frame, SESSION, 1, "x");

    zmq_send (raw, "", 0, 0);
    zmq_send (raw, "3", 1, 0);
    zmq_send (raw, frame, HEART_HEADER_SIZE - 1, 0);
    for (size_t i = 0; i < 8; i++) {
        //  Magic, version, flags that nobody knows, and what must be zero.
        frame[i] ^= 0x40;
        zmq_send (raw, frame, size, 0);
        frame[i] ^= 0x40;
    }
    zmq_send (raw, frame, HEART_HEADER_SIZE + HEART_PAYLOAD_MAX + 1, 0);
    zmq_send (raw, frame, size, ZMQ_SNDMORE);
    zmq_send (raw, frame, size, 0);
    s_send (peer, 0, 1, "no session");
    s_send (peer, SESSION, 0, "no sequence");
    s_send (peer, heart_session (heart), 1, "own");
    s_send (peer, SESSION, 1, "good");

    assert_true (s_says (s_next_kind (heart, HEART_BEAT), "good"));
    WAIT_FOR (heart, heard, 1);
    heart_counters_t counters = heart_counters (heart);
    assert_int_equal (counters.malformed, 3 + 8 + 1 + 1 + 2);
    assert_int_equal (counters.own, 1);
    assert_int_equal (counters.heard, 1);
    //  An empty payload is a beat, and so is the longest.
    s_frame (frame, SESSION, 2, "");
    zmq_send (raw, frame, HEART_HEADER_SIZE + HEART_PAYLOAD_MAX, 0);
    assert_int_equal (s_next_kind (heart, HEART_BEAT)->size, HEART_PAYLOAD_MAX);
    s_send (peer, SESSION, 3, "");
    assert_int_equal (s_next_kind (heart, HEART_BEAT)->size, 0);
    free (frame);
    heart_destroy (&heart);
    zsock_destroy (&peer);
}

//  Stands still at the first frame, until the connection that it came over has ended.
static ssize_t s_open_late (void *context, const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
    atomic_bool *ended = context;
    while (!atomic_load (ended))
        zclock_sleep (1);
    assert (size <= room);
    memcpy (out, in, size);
    return (ssize_t) size;
}

static size_t s_say_nothing (void *context, uint8_t *payload, size_t room)
{
    (void) context, (void) payload, (void) room;
    return 0;
}

static int s_accept (int listener)
{
    struct pollfd item = {.fd = listener, .events = POLLIN};
    assert_int_equal (poll (&item, 1, patience_ms ()), 1);
    int peer = accept (listener, NULL, NULL);
    assert_true (peer >= 0);
    return peer;
}

static void s_write_all (int peer, const void *data, size_t size)
{
    for (const char *from = data; size;) {
        ssize_t written = send (peer, from, size, MSG_NOSIGNAL);
        assert_true (written > 0);
        from += written;
        size -= (size_t) written;
    }
}

//  More beats than two turns take, and a frame that breaks the protocol: libzmq gives the connection up, and tells of its end
//  before the heart has heard them all.  They are last words, and not a sign that somebody has connected again.
static void test_last_words_are_no_new_connection (void **unused)
{
    (void) unused;
    int listener = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    assert_int_equal (bind (listener, (struct sockaddr *) &address, length), 0);
    assert_int_equal (listen (listener, 8), 0);
    assert_int_equal (getsockname (listener, (struct sockaddr *) &address, &length), 0);
    char endpoint[64];
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", ntohs (address.sin_port));
    atomic_bool ended = false;
    const heart_args_t args = {.bind = "inproc://last-words",
                               .peer = endpoint,
                               .interval = 20,
                               .silence = 20 * patience_ms (),
                               .fill = s_say_nothing,
                               .open = s_open_late,
                               .context = &ended};
    heart_t *heart = heart_new (&args);
    assert_non_null (heart);

    enum { WORDS = 25000 };
    int peer = s_accept (listener);
    const uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    s_write_all (peer, greeting, sizeof greeting);
    s_write_all (peer, "\4\6\5READY", 8);
    uint8_t *words = calloc (WORDS, 2 + HEART_HEADER_SIZE + 1), *to = words;
    for (uint64_t sequence = 1; sequence <= WORDS; sequence++) {
        size_t size = s_frame (to + 2, SESSION, sequence, "x");
        to[1] = (uint8_t) size;
        to += 2 + size;
    }
    s_write_all (peer, words, (size_t) (to - words));
    //  A frame that is longer than any may be.
    s_write_all (peer, "\2\x7f\0\0\0\0\0\0\0", 9);
    char rest[256];
    ssize_t size;
    while ((size = read (peer, rest, sizeof rest)) > 0)
        ;
    close (peer);
    atomic_store (&ended, true);
    peer = s_accept (listener);
    close (peer);
    close (listener);
    free (words);
    heart_destroy (&heart);
}

static void test_a_new_session_replaces_the_old_one (void **unused)
{
    (void) unused;
    voice_t here = {.text = "here"};
    heart_t *heart;
    zsock_t *peer = s_fake ("inproc://session", &heart, &here);
    s_send (peer, SESSION, 5, "5");
    assert_true (s_next_kind (heart, HEART_BEAT)->session_is_new);
    s_send (peer, SESSION, 5, "again");
    s_send (peer, SESSION, 4, "late");
    s_send (peer, SESSION, 6, "6");
    s_next_saying (heart, "6");
    s_send (peer, SESSION + 1, 1, "new");
    const heart_event_t *event = s_next_kind (heart, HEART_BEAT);
    assert_true (event->session_is_new && event->session == SESSION + 1);
    s_send (peer, SESSION, 7, "of the dead");
    s_send (peer, SESSION + 1, 2, "2");
    event = s_next_kind (heart, HEART_BEAT);
    assert_true (s_says (event, "2"));
    assert_false (event->session_is_new);
    WAIT_FOR (heart, heard, 4);
    assert_int_equal (heart_counters (heart).stale, 3);
    assert_int_equal (heart_counters (heart).sessions, 2);
    heart_destroy (&heart);
    zsock_destroy (&peer);
}

//  An echo counts if it is of a beat that this session sent.
static void test_a_false_echo_is_none (void **unused)
{
    (void) unused;
    voice_t here = {.text = "here"};
    heart_t *heart;
    zsock_t *peer = s_fake ("inproc://false-echo", &heart, &here);
    uint8_t frame[HEART_HEADER_SIZE];
    s_frame (frame, SESSION, 1, "");
    s_put64 (frame + 24, heart_session (heart));
    s_put64 (frame + 32, 1000000);
    zmq_send (zsock_resolve (peer), frame, sizeof frame, 0);
    assert_true (s_next_kind (heart, HEART_BEAT)->echoed_ms == 0);
    s_frame (frame, SESSION, 2, "");
    s_put64 (frame + 24, heart_session (heart) + 1);
    s_put64 (frame + 32, 1);
    zmq_send (zsock_resolve (peer), frame, sizeof frame, 0);
    assert_true (s_next_kind (heart, HEART_BEAT)->echoed_ms == 0);
    WAIT_FOR (heart, sent, 1);
    s_frame (frame, SESSION, 3, "");
    s_put64 (frame + 24, heart_session (heart));
    s_put64 (frame + 32, 1);
    zmq_send (zsock_resolve (peer), frame, sizeof frame, 0);
    assert_true (s_next_kind (heart, HEART_BEAT)->echoed_ms != 0);
    heart_destroy (&heart);
    zsock_destroy (&peer);
}

//  What an echo's time is compared with was told to the heart before or after: only what was told before is in that beat.
static void test_an_echo_is_no_newer_than_what_it_says (void **unused)
{
    (void) unused;
    voice_t here = {.text = "here", .late = true};
    heart_t *heart;
    zsock_t *peer = s_fake ("inproc://late", &heart, &here);
    WAIT_FOR (heart, sent, 1);
    uint8_t frame[HEART_HEADER_SIZE];
    s_frame (frame, SESSION, 1, "");
    s_put64 (frame + 24, heart_session (heart));
    s_put64 (frame + 32, 1);
    zmq_send (zsock_resolve (peer), frame, sizeof frame, 0);
    const heart_event_t *event = s_next_kind (heart, HEART_BEAT);
    assert_true (event->echoed_ms != 0);
    assert_true (event->echoed_ms <= atomic_load (&here.began));
    heart_destroy (&heart);
    zsock_destroy (&peer);
}

//  A pause in our beats is told once it is over, too, and then no more.
static void test_the_owner_learns_of_pauses (void **unused)
{
    (void) unused;
    enum { PAUSE = 300 };
    voice_t here = {.text = "here"};
    heart_t *heart;
    zsock_t *peer = s_fake ("inproc://pauses", &heart, &here);
    WAIT_FOR (heart, sent, 1);
    heart_unsent (heart);
    const int64_t begin = zclock_mono ();
    atomic_store (&here.silent, true);
    int64_t unsent;
    while ((unsent = heart_unsent (heart)) < PAUSE) {
        assert_true (zclock_mono () < begin + patience_ms ());
        zclock_sleep (1);
    }
    const uint64_t sent = heart_counters (heart).sent;
    atomic_store (&here.silent, false);
    WAIT_FOR (heart, sent, sent + 1);
    assert_true (heart_unsent (heart) >= unsent);
    //  A busy machine makes pauses of its own, but not always one of that length.
    while (heart_unsent (heart) >= PAUSE) {
        assert_true (zclock_mono () < begin + patience_ms ());
        zclock_sleep (1);
    }
    heart_destroy (&heart);
    zsock_destroy (&peer);
}

static void test_the_owner_gets_the_newest_alone (void **unused)
{
    (void) unused;
    voice_t here = {.text = "here"};
    heart_t *heart;
    zsock_t *peer = s_fake ("inproc://newest", &heart, &here);
    for (uint64_t i = 1; i <= 50; i++) {
        char text[8];
        snprintf (text, sizeof text, "%u", (unsigned) i);
        s_send (peer, SESSION, i, text);
    }
    WAIT_FOR (heart, heard, 50);
    const heart_event_t *event = s_next_kind (heart, HEART_BEAT);
    assert_true (s_says (event, "50"));
    assert_true (event->session_is_new);
    //  Its end comes after it.
    assert_int_equal (s_next (heart)->kind, HEART_SILENT);
    assert_null (heart_recv (heart));
    heart_destroy (&heart);
    zsock_destroy (&peer);
}

static void test_what_cannot_work_is_refused_at_once (void **unused)
{
    (void) unused;
    voice_t here = {.text = "here"};
    heart_args_t args = {.bind = "tcp://127.0.0.1:*", .peer = "tcp://127.0.0.1:9", .fill = s_say, .context = &here};
    heart_t *first = heart_new (&args);
    assert_non_null (first);
    args.bind = heart_endpoint (first);
    assert_null (heart_new (&args));
    assert_int_equal (errno, EADDRINUSE);
    args.bind = "tcp://127.0.0.1:*";
    args.peer = "nowhere";
    assert_null (heart_new (&args));
    assert_int_equal (errno, EINVAL);
    args.peer = "tcp://localhost:9";
    args.interval = 100;
    args.silence = 150;
    assert_null (heart_new (&args));
    assert_int_equal (errno, EINVAL);
    args.silence = 0;
    //  To look a name up could take long; that of the peer is known by its beats.
    const char *probes[] = {"tcp://127.0.0.1:9", "tcp://[::1]:9", "tcp://localhost:9", ""};
    args.probe = probes;
    args.probes = 4;
    static const char *const wrong[] = {"", "tcp://127.0.0.1", "tcp://127.0.0.1:*", "tcp://elsewhere:9", "ipc://x:9"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        probes[3] = wrong[i];
        assert_null (heart_new (&args));
        assert_int_equal (errno, EINVAL);
    }
    args.probes = 3;
    heart_t *second = heart_new (&args);
    assert_non_null (second);
    heart_destroy (&second);
    heart_destroy (&first);
}

//  ---------------------------------------------------------------------------
//  A heart, and one in a process of its own

#define CHILD_INTERVAL 50
#define CHILD_SILENCE 1000

//  What the child says: how often it was stopped, and what it heard first after that.
static atomic_int s_child_pauses;
static atomic_int s_child_first;

static size_t s_child_say (void *context, uint8_t *payload, size_t room)
{
    (void) context;
    return (size_t) snprintf ((char *) payload, room, "%d %d", atomic_load (&s_child_pauses),
                              atomic_load (&s_child_first));
}

static int s_child (const char *bind, const char *peer)
{
    const heart_args_t args = {.name = "child",
                               .bind = bind,
                               .peer = peer,
                               .interval = CHILD_INTERVAL,
                               .silence = CHILD_SILENCE,
                               .fill = s_child_say};
    heart_t *heart = heart_new (&args);
    if (!heart)
        return 1;
    int64_t turn_ms = zclock_mono ();
    int64_t stop_ms = 0;
    //  It ends with its parent.
    const pid_t parent = getppid ();
    while (getppid () == parent && !zsys_interrupted) {
        const heart_event_t *event;
        zmq_pollitem_t item = {.socket = zsock_resolve (heart_sock (heart)), .events = ZMQ_POLLIN};
        zmq_poll (&item, 1, CHILD_INTERVAL);
        const int64_t now = zclock_mono ();
        //  Somewhere in the stop: what was heard before and after it lies on either side.
        if (now - turn_ms > CHILD_SILENCE)
            stop_ms = (turn_ms + now) / 2;
        turn_ms = now;
        while ((event = heart_recv (heart)))
            if (event->kind == HEART_BEAT && stop_ms && event->heard_ms > stop_ms && !atomic_load (&s_child_first)) {
                char text[16] = "";
                memcpy (text, event->payload, event->size < 15 ? event->size : 15);
                atomic_store (&s_child_first, atoi (text));
            }
        atomic_store (&s_child_pauses, (int) heart_counters (heart).pauses);
    }
    heart_destroy (&heart);
    return 0;
}

//  An endpoint that was free a moment ago.
static void s_free_endpoint (char *endpoint, size_t room)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    assert_true (fd >= 0);
    assert_int_equal (bind (fd, (struct sockaddr *) &address, size), 0);
    assert_int_equal (getsockname (fd, (struct sockaddr *) &address, &size), 0);
    close (fd);
    snprintf (endpoint, room, "tcp://127.0.0.1:%d", ntohs (address.sin_port));
}

static const char *s_program;

static pid_t s_spawn (const char *bind, const char *peer)
{
    pid_t pid = fork ();
    assert_true (pid >= 0);
    if (pid == 0) {
        execl (s_program, s_program, "child", bind, peer, (char *) NULL);
        _exit (127);
    }
    return pid;
}

static void s_kill (pid_t pid)
{
    kill (pid, SIGKILL);
    assert_int_equal (waitpid (pid, NULL, 0), pid);
}

static heart_t *s_parent (const char *peer, int64_t silence, voice_t *voice)
{
    const heart_args_t args = {.name = "parent",
                               .bind = "tcp://127.0.0.1:*",
                               .peer = peer,
                               .interval = 20,
                               .silence = silence,
                               .probe = &peer,
                               .probes = 1,
                               .fill = s_count,
                               .context = voice};
    heart_t *heart = heart_new (&args);
    assert_non_null (heart);
    return heart;
}

static void test_a_killed_process_is_dead (void **unused)
{
    (void) unused;
    voice_t here = {.text = ""};
    char endpoint[64];
    s_free_endpoint (endpoint, sizeof endpoint);
    //  So long a limit that nothing but proof ends the wait.
    heart_t *heart = s_parent (endpoint, 1000000, &here);
    for (int round = 0; round < 3; round++) {
        pid_t child = s_spawn (endpoint, heart_endpoint (heart));
        const heart_event_t *event = s_next (heart);
        assert_int_equal (event->kind, HEART_BEAT);
        assert_true (event->session_is_new);
        const uint64_t session = event->session;
        while (event->echoed_ms == 0)
            event = s_next_kind (heart, HEART_BEAT);
        s_kill (child);
        event = s_next_kind (heart, HEART_DEAD);
        assert_true (event->session == session);
        assert_null (heart_recv (heart));
    }
    assert_int_equal (heart_counters (heart).deaths, 3);
    assert_int_equal (heart_counters (heart).sessions, 3);
    heart_destroy (&heart);
}

static void test_a_stopped_process_is_silent_not_dead (void **unused)
{
    (void) unused;
    voice_t here = {.text = ""};
    char endpoint[64];
    s_free_endpoint (endpoint, sizeof endpoint);
    heart_t *heart = s_parent (endpoint, 300, &here);
    pid_t child = s_spawn (endpoint, heart_endpoint (heart));
    const heart_event_t *event = s_next_kind (heart, HEART_BEAT);
    const uint64_t session = event->session;
    while (event->echoed_ms == 0)
        event = s_next_kind (heart, HEART_BEAT);
    kill (child, SIGSTOP);
    s_next_kind (heart, HEART_SILENT);
    //  It has been looked for in vain more than once.
    WAIT_FOR (heart, probes, 3);
    const uint64_t sent = heart_counters (heart).sent;
    WAIT_FOR (heart, sent, sent + 75);
    assert_int_equal (heart_counters (heart).deaths, 0);

    //  What the child hears first is news, not what has piled up.
    const int number = atomic_load (&here.number);
    kill (child, SIGCONT);
    int pauses = 0;
    int first = 0;
    while (first == 0 || pauses == 0) {
        char text[64] = "";
        event = s_next_kind (heart, HEART_BEAT);
        assert_true (event->session == session);
        memcpy (text, event->payload, event->size < 63 ? event->size : 63);
        assert_int_equal (sscanf (text, "%d %d", &pauses, &first), 2);
    }
    assert_true (pauses > 0);
    assert_true (first > number);
    s_kill (child);
    s_next_kind (heart, HEART_DEAD);
    heart_destroy (&heart);
}

//  One port that answers is a sign of life.
static void test_death_takes_all_ports (void **unused)
{
    (void) unused;
    voice_t here = {.text = ""};
    char endpoint[64];
    zsock_t *alive = zsock_new (ZMQ_ROUTER);
    assert_true (zsock_bind (alive, "tcp://127.0.0.1:*") > 0);
    s_free_endpoint (endpoint, sizeof endpoint);
    const char *const probes[] = {endpoint, zsock_endpoint (alive)};
    heart_args_t args = {.bind = "tcp://127.0.0.1:*", .peer = endpoint, .interval = 20, .silence = 200};
    args.probe = probes;
    args.probes = 2;
    args.fill = s_count;
    args.context = &here;
    heart_t *heart = heart_new (&args);
    assert_non_null (heart);
    pid_t child = s_spawn (endpoint, heart_endpoint (heart));
    s_next_kind (heart, HEART_BEAT);
    s_kill (child);
    s_next_kind (heart, HEART_SILENT);
    WAIT_FOR (heart, probes, 2);
    assert_int_equal (heart_counters (heart).deaths, 0);
    zsock_destroy (&alive);
    s_next_kind (heart, HEART_DEAD);
    heart_destroy (&heart);
}

int main (int argc, char *argv[])
{
    if (argc == 4 && streq (argv[1], "child"))
        return s_child (argv[2], argv[3]);
    s_program = argv[0];
    zsys_init ();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_beats_are_heard_and_echoed),
        cmocka_unit_test (test_an_update_is_published_at_once),
        cmocka_unit_test (test_a_hung_owner_is_silent_not_dead),
        cmocka_unit_test (test_who_was_never_there_is_silent),
        cmocka_unit_test (test_what_the_seal_refuses_is_not_heard),
        cmocka_unit_test (test_foreign_frames_are_dropped_and_counted),
        cmocka_unit_test (test_last_words_are_no_new_connection),
        cmocka_unit_test (test_a_new_session_replaces_the_old_one),
        cmocka_unit_test (test_a_question_is_answered_at_once),
        cmocka_unit_test (test_a_false_echo_is_none),
        cmocka_unit_test (test_an_echo_is_no_newer_than_what_it_says),
        cmocka_unit_test (test_the_owner_learns_of_pauses),
        cmocka_unit_test (test_the_owner_gets_the_newest_alone),
        cmocka_unit_test (test_what_cannot_work_is_refused_at_once),
        cmocka_unit_test (test_a_killed_process_is_dead),
        cmocka_unit_test (test_a_stopped_process_is_silent_not_dead),
        cmocka_unit_test (test_death_takes_all_ports),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
