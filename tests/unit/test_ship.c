/*  =========================================================================
    test_ship - the link: sessions begin, end and are not forged; nothing else gets through

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "core/base/bytes.h"
#include "core/base/limits.h"
#include "io/store/ship.h"
#include "store_kit.h"

//  A node of the link that the test turns by hand, with a clock of its own.
typedef struct {
    zb_ship_t *ship;
    uint64_t events[ZB_SHIP_BEHIND + 1];
    zb_ship_event_t last;
    uint64_t epoch;
    char record[64];
} end_t;

static char s_path[2][64];
static uint8_t s_key[ZB_SEAL_KEY_SIZE];
static int64_t s_now = 1000000;

static end_t s_end (unsigned node)
{
    const char *what;
    end_t end = {.ship = zb_ship_new (node, s_path[node - 1], s_path[2 - node], s_key, NULL, &what)};
    assert_non_null (end.ship);
    return end;
}

static void s_turn (end_t *end)
{
    zb_ship_event_t event;
    while (zb_ship_recv (end->ship, &event, s_now)) {
        end->events[event.kind]++;
        end->last = event;
        if (event.kind == ZB_SHIP_GRANT)
            end->epoch = event.epoch;
        if (event.kind == ZB_SHIP_RECORD)
            snprintf (end->record, sizeof (end->record), "%.*s|%.*s", (int) event.control_size,
                      (const char *) event.control, (int) event.record_size, (const char *) event.record);
    }
    zb_ship_tick (end->ship, 4711, s_now);
}

//  Turns both until the one has had this many events of a kind.
static void s_until (end_t *one, end_t *other, end_t *which, zb_ship_kind_t kind, uint64_t count)
{
    int64_t end = zclock_mono () + patience_ms ();
    while (which->events[kind] < count) {
        if (zclock_mono () > end)
            fail_msg ("no event %d", kind);
        s_now += 10;
        s_turn (one);
        if (other)
            s_turn (other);
        zmq_pollitem_t items[] = {{.socket = zb_ship_socket (one->ship), .events = ZMQ_POLLIN}};
        zmq_poll (items, 1, 1);
    }
}

static void s_open (end_t *master, end_t *client)
{
    *master = s_end (1);
    *client = s_end (2);
    zb_ship_act (master->ship, ZB_SHIP_MASTER, 7);
    zb_ship_act (client->ship, ZB_SHIP_CLIENT, 6);
    s_until (master, client, client, ZB_SHIP_OPENED, 1);
    assert_int_equal (client->last.generation, 7);
    s_until (master, client, master, ZB_SHIP_OPENED, 1);
    assert_int_equal (zb_ship_session (master->ship), zb_ship_session (client->ship));
    assert_int_equal (zb_ship_peer_generation (master->ship), 6);
}

static void s_close (end_t *one, end_t *other)
{
    zb_ship_destroy (&one->ship);
    zb_ship_destroy (&other->ship);
}

static void test_session (void **state)
{
    (void) state;
    end_t master, client;
    s_open (&master, &client);
    zb_ship_record (master.ship, "control", 7, "record", 6);
    s_until (&master, &client, &client, ZB_SHIP_RECORD, 1);
    assert_string_equal (client.record, "control|record");
    zb_ship_record (client.ship, "request", 7, NULL, 0);
    s_until (&master, &client, &master, ZB_SHIP_RECORD, 1);
    assert_string_equal (master.record, "request|");
    zb_ship_ack (client.ship, 99, true);
    uint64_t acks = master.events[ZB_SHIP_ACK];
    s_until (&master, &client, &master, ZB_SHIP_ACK, acks + 1);
    zb_ship_grant (master.ship, 42);
    s_until (&master, &client, &client, ZB_SHIP_GRANT, 1);
    assert_int_equal (client.epoch, 42);
    s_until (&master, &client, &client, ZB_SHIP_TICK, 3);
    assert_int_equal (client.events[ZB_SHIP_OPENED], 1);
    s_close (&master, &client);
}

//  One who begins anew ends the session at the other end, and a new one begins.
static void test_anew (void **state)
{
    (void) state;
    end_t master, client;
    s_open (&master, &client);
    uint64_t session = zb_ship_session (client.ship);
    zb_ship_act (client.ship, ZB_SHIP_CLIENT, 7);
    s_until (&master, &client, &client, ZB_SHIP_OPENED, 2);
    s_until (&master, &client, &master, ZB_SHIP_OPENED, 2);
    assert_true (zb_ship_session (client.ship) != session);
    zb_ship_act (master.ship, ZB_SHIP_MASTER, 9);
    s_until (&master, &client, &client, ZB_SHIP_CLOSED, 1);
    s_until (&master, &client, &client, ZB_SHIP_OPENED, 3);
    assert_int_equal (client.last.generation, 9);
    //  The master steps down: nobody leads, no session.
    zb_ship_act (master.ship, ZB_SHIP_CLIENT, 9);
    s_until (&master, &client, &client, ZB_SHIP_CLOSED, 2);
    assert_int_equal (zb_ship_session (client.ship), 0);
    s_close (&master, &client);
}

//  The master leaves what the client asks for unread for longer than a silence may be.  The client can tell, and neither
//  takes the session for over.
static void test_rest (void **state)
{
    (void) state;
    end_t master, client;
    s_open (&master, &client);
    assert_true (zb_ship_is_read (client.ship));
    zb_ship_record (client.ship, "request", 7, NULL, 0);
    uint64_t ticks = client.events[ZB_SHIP_TICK];
    for (int64_t rested = s_now + 6000; s_now < rested;) {
        s_now += 100;
        zb_ship_rest (master.ship, s_now);
        assert_true (zb_ship_tick (master.ship, 4711, s_now));
        s_until (&client, NULL, &client, ZB_SHIP_TICK, ++ticks);
        assert_false (zb_ship_is_read (client.ship));
    }
    assert_int_equal (master.events[ZB_SHIP_RECORD], 0);
    s_until (&master, &client, &master, ZB_SHIP_RECORD, 1);
    ticks = client.events[ZB_SHIP_TICK];
    s_until (&master, &client, &client, ZB_SHIP_TICK, ticks + 2);
    assert_true (zb_ship_is_read (client.ship));
    assert_int_equal (client.events[ZB_SHIP_OPENED], 1);
    s_close (&master, &client);
}

//  The other process dies.
static void test_death (void **state)
{
    (void) state;
    end_t master, client;
    s_open (&master, &client);
    zb_ship_destroy (&client.ship);
    s_until (&master, NULL, &master, ZB_SHIP_CLOSED, 1);
    client = s_end (2);
    zb_ship_act (client.ship, ZB_SHIP_CLIENT, 6);
    s_until (&master, &client, &master, ZB_SHIP_OPENED, 2);
    s_close (&master, &client);
}

//  Silence ends a session, but not if the silence was our own.
static void test_silence (void **state)
{
    (void) state;
    end_t master, client;
    s_open (&master, &client);
    s_now += 60000;
    assert_true (zb_ship_tick (master.ship, 0, s_now));
    bool lives = true;
    int64_t begin = s_now;
    while (lives && s_now < begin + 60000)
        lives = zb_ship_tick (master.ship, 0, s_now += 100);
    assert_false (lives);
    assert_true (s_now - begin > 4000);
    s_close (&master, &client);
}

static void s_inject (zsock_t *sock, const zb_seal_t *seal, const uint8_t key[ZB_SEAL_KEY_SIZE], const char *payload,
                      size_t size)
{
    uint8_t frame[200];
    memcpy (frame + ZB_SEAL_SIZE, payload, size);
    zb_seal_write (seal, key, frame, frame + ZB_SEAL_SIZE, size);
    assert_true (zmq_send (zsock_resolve (sock), frame, ZB_SEAL_SIZE + size, 0) > 0);
}

//  A client whose generation is above the master's is let in when that has raised its own; until then it has no session.
static void test_generations (void **state)
{
    (void) state;
    end_t master = s_end (1), client = s_end (2);
    zb_ship_act (master.ship, ZB_SHIP_MASTER, 7);
    zb_ship_act (client.ship, ZB_SHIP_CLIENT, 8);
    s_until (&master, &client, &master, ZB_SHIP_BEHIND, 1);
    assert_int_equal (master.last.generation, 8);
    assert_int_equal (zb_ship_peer_generation (master.ship), 8);
    assert_int_equal (client.events[ZB_SHIP_OPENED], 0);
    zb_ship_act (master.ship, ZB_SHIP_MASTER, 9);
    s_until (&master, &client, &client, ZB_SHIP_OPENED, 1);
    assert_int_equal (zb_ship_peer_generation (client.ship), 9);
    s_close (&master, &client);
}

//  One that is out of reach is not counted up to: the client is not let in, and that is counted.
static void test_a_generation_out_of_reach (void **state)
{
    (void) state;
    end_t master = s_end (1), client = s_end (2);
    zb_ship_stats_t stats = {0};
    zb_ship_act (master.ship, ZB_SHIP_MASTER, 7);
    zb_ship_act (client.ship, ZB_SHIP_CLIENT, 7 + ZB_GENERATION_REACH + 1);
    int64_t end = zclock_mono () + patience_ms ();
    while (stats.beyond < 3) {
        assert_true (zclock_mono () < end);
        s_now += 10;
        s_turn (&master);
        s_turn (&client);
        zb_ship_stats (master.ship, &stats);
    }
    assert_int_equal (master.events[ZB_SHIP_BEHIND] + master.events[ZB_SHIP_OPENED], 0);
    assert_int_equal (zb_ship_peer_generation (master.ship), 0);
    zb_ship_act (client.ship, ZB_SHIP_CLIENT, 7 + ZB_GENERATION_REACH);
    s_until (&master, &client, &master, ZB_SHIP_BEHIND, 1);
    //  A client follows a master that is far above it: it counts nothing.
    zb_ship_act (client.ship, ZB_SHIP_CLIENT, 1);
    zb_ship_act (master.ship, ZB_SHIP_MASTER, 1000000);
    s_until (&master, &client, &client, ZB_SHIP_OPENED, 1);
    assert_int_equal (client.last.generation, 1000000);
    assert_int_equal (zb_ship_peer_generation (client.ship), 0);
    s_close (&master, &client);
}

//  The master dies, its store is set back to a copy, and it leads with the generation that it had: a client that has
//  followed it then would not see that it is another log.
static void test_a_generation_that_was_used (void **state)
{
    (void) state;
    end_t master, client;
    s_open (&master, &client);
    zb_ship_destroy (&master.ship);
    s_until (&client, NULL, &client, ZB_SHIP_CLOSED, 1);
    master = s_end (1);
    zb_ship_act (master.ship, ZB_SHIP_MASTER, 7);
    s_until (&master, &client, &master, ZB_SHIP_BEHIND, 1);
    assert_int_equal (client.events[ZB_SHIP_OPENED], 1);
    assert_int_equal (zb_ship_peer_generation (master.ship), 8);
    zb_ship_act (master.ship, ZB_SHIP_MASTER, 9);
    s_until (&master, &client, &client, ZB_SHIP_OPENED, 2);
    assert_int_equal (client.last.generation, 9);
    //  One that begins anew compares all.
    zb_ship_act (master.ship, ZB_SHIP_MASTER, 9);
    zb_ship_act (client.ship, ZB_SHIP_CLIENT, 9);
    s_until (&master, &client, &client, ZB_SHIP_OPENED, 3);
    s_close (&master, &client);
}

//  The same in a flood: what does not fit into the other one's pipe is left out.
static void s_flood (zsock_t *sock, unsigned node, uint64_t session, const char hello[9])
{
    uint8_t frame[ZB_SEAL_SIZE + 9];
    memcpy (frame + ZB_SEAL_SIZE, hello, 9);
    zb_seal_t seal = {.kind = 1, .node = (uint8_t) node, .session = session};
    zb_seal_write (&seal, s_key, frame, frame + ZB_SEAL_SIZE, 9);
    zmq_send (zsock_resolve (sock), frame, sizeof frame, ZMQ_DONTWAIT);
}

//  Frames that are noise, of the wrong key, node, kind or size, replayed, of another session: dropped and counted.  One
//  that would leave a gap ends the session.
static void test_forged (void **state)
{
    (void) state;
    end_t master, client;
    s_open (&master, &client);
    uint64_t session = zb_ship_session (client.ship);
    zsock_t *sock = zsock_new (ZMQ_PUSH);
    assert_int_equal (zsock_connect (sock, "%s", s_path[1]), 0);
    uint8_t other[ZB_SEAL_KEY_SIZE] = {1};
    char record[] = "\0\0\0\2ccrr";
    zb_seal_t good = {.kind = 3, .node = 1, .session = session, .sequence = 1000};
    zb_ship_stats_t stats;

    assert_true (zmq_send (zsock_resolve (sock), "noise", 5, 0) > 0);
    s_inject (sock, &good, other, record, 8);
    zb_seal_t forged = good;
    forged.node = 2;
    s_inject (sock, &forged, s_key, record, 8);
    forged = good;
    forged.kind = 77;
    s_inject (sock, &forged, s_key, record, 8);
    char overlong[] = "\0\0\0\7ccrr";
    s_inject (sock, &good, s_key, overlong, 8);
    s_inject (sock, &good, s_key, record, 3);
    zb_ship_stats (client.ship, &stats);
    while (stats.strangers < 6) {
        s_turn (&client);
        zb_ship_stats (client.ship, &stats);
    }
    uint64_t stale = stats.stale;
    forged = good;
    forged.sequence = 1;
    s_inject (sock, &forged, s_key, record, 8);
    forged = good;
    forged.session++;
    s_inject (sock, &forged, s_key, record, 8);
    while (stats.stale < stale + 2) {
        s_turn (&client);
        zb_ship_stats (client.ship, &stats);
    }
    assert_int_equal (client.events[ZB_SHIP_RECORD], 0);
    assert_int_equal (client.events[ZB_SHIP_CLOSED], 0);
    assert_int_equal (stats.strangers, 6);

    s_inject (sock, &good, s_key, record, 8);
    s_until (&master, &client, &client, ZB_SHIP_CLOSED, 1);
    s_until (&master, &client, &client, ZB_SHIP_OPENED, 2);
    assert_int_equal (client.events[ZB_SHIP_RECORD], 0);
    zsock_destroy (&sock);
    s_close (&master, &client);
}

//  The next frames of these kinds that arrive at a PULL.
static zmsg_t *s_record (zsock_t *sock, end_t *end, uint8_t kind)
{
    zsock_set_rcvtimeo (sock, 5);
    for (int64_t until = zclock_mono () + patience_ms ();;) {
        assert_true (zclock_mono () < until);
        s_now += 10;
        s_turn (end);
        zmsg_t *message = zmsg_recv (sock);
        if (message && zframe_data (zmsg_first (message))[5] == kind)
            return message;
        zmsg_destroy (&message);
    }
}

static void s_replay (zsock_t *sock, zmsg_t *message)
{
    zframe_t *frame = zmsg_first (message);
    assert_true (zmq_send (zsock_resolve (sock), zframe_data (frame), zframe_size (frame), 0) > 0);
}

//  HELLOs of any nonce, role and session, made up or recorded, in a flood: both answer, and nothing else comes of it.  The
//  session goes on, and one that begins meanwhile does begin.
static void test_hellos_change_nothing (void **state)
{
    (void) state;
    end_t master, client;
    s_open (&master, &client);
    uint64_t session = zb_ship_session (master.ship);
    zsock_t *to[2];
    for (int side = 0; side < 2; side++) {
        to[side] = zsock_new (ZMQ_PUSH);
        assert_int_equal (zsock_connect (to[side], "%s", s_path[side]), 0);
    }
    for (int count = 0; count < 300; count++) {
        char hello[20] = "";
        snprintf (hello, sizeof hello, "nonce%03d", count);
        hello[8] = (char) (count % 3);
        for (int side = 0; side < 2; side++)
            s_flood (to[side], 2 - (unsigned) side, (uint64_t) count / 3, hello);
        s_now += 10;
        s_turn (&master);
        s_turn (&client);
    }
    uint64_t ticks = master.events[ZB_SHIP_TICK];
    s_until (&master, &client, &master, ZB_SHIP_TICK, ticks + 10);
    assert_int_equal (zb_ship_session (master.ship), session);
    assert_int_equal (zb_ship_session (client.ship), session);
    for (int kind = 0; kind <= ZB_SHIP_BEHIND; kind++)
        if (kind != ZB_SHIP_TICK)
            assert_int_equal (master.events[kind] + client.events[kind], kind == ZB_SHIP_OPENED ? 2 : 0);
    //  A session begins in the middle of such a flood.
    zb_ship_act (client.ship, ZB_SHIP_CLIENT, 7);
    int64_t end = zclock_mono () + patience_ms ();
    for (int count = 0; master.events[ZB_SHIP_OPENED] < 2; count++) {
        char hello[9] = "flood";
        zb_put32 ((uint8_t *) hello + 4, (uint32_t) count);
        hello[8] = ZB_SHIP_CLIENT;
        for (int i = 0; i < 10; i++)
            s_flood (to[0], 2, 0, hello);
        s_now += 10;
        s_turn (&master);
        s_turn (&client);
        assert_true (zclock_mono () < end);
    }
    zsock_destroy (&to[0]);
    zsock_destroy (&to[1]);
    s_close (&master, &client);
}

//  A whole handshake that was recorded between the two is worth nothing when it is over: neither side takes its part again.
static void test_replay (void **state)
{
    (void) state;
    //  The test stands in the middle: it is the peer of both.
    end_t master = s_end (1), client = s_end (2);
    char *endpoint[2];
    zsock_t *in[2], *to[2];
    for (int side = 0; side < 2; side++) {
        endpoint[side] = strdup (s_path[side]);
        assert_non_null (endpoint[side]);
        snprintf (s_path[side] + strlen (s_path[side]), sizeof s_path[side] - strlen (s_path[side]), "t");
        in[side] = zsock_new (ZMQ_PULL);
        assert_true (zsock_bind (in[side], "%s", s_path[side]) >= 0);
        to[side] = zsock_new (ZMQ_PUSH);
        assert_int_equal (zsock_connect (to[side], "%s", endpoint[side]), 0);
    }
    s_close (&master, &client);
    const char *what;
    master = (end_t){.ship = zb_ship_new (1, endpoint[0], s_path[1], s_key, NULL, &what)};
    client = (end_t){.ship = zb_ship_new (2, endpoint[1], s_path[0], s_key, NULL, &what)};
    assert_non_null (master.ship);
    assert_non_null (client.ship);
    zb_ship_act (master.ship, ZB_SHIP_MASTER, 7);
    zb_ship_act (client.ship, ZB_SHIP_CLIENT, 6);
    zmsg_t *hello = s_record (in[0], &client, 1);
    s_replay (to[0], hello);
    zmsg_t *welcome = s_record (in[1], &master, 2);
    s_replay (to[1], welcome);
    zmsg_t *begin = s_record (in[0], &client, 7);
    s_replay (to[0], begin);
    s_until (&master, &client, &master, ZB_SHIP_OPENED, 1);
    uint64_t session = zb_ship_session (master.ship);
    assert_int_equal (session, zb_ship_session (client.ship));
    //  All of it again, in the session and after it.
    for (int round = 0; round < 2; round++) {
        s_replay (to[0], hello);
        s_replay (to[1], welcome);
        s_replay (to[0], begin);
        for (int turn = 0; turn < 20; turn++) {
            s_turn (&master);
            s_turn (&client);
            zclock_sleep (1);
        }
        assert_int_equal (zb_ship_session (master.ship), round ? 0 : session);
        assert_int_equal (zb_ship_session (client.ship), round ? 0 : session);
        zb_ship_act (master.ship, ZB_SHIP_MASTER, 7);
        zb_ship_act (client.ship, ZB_SHIP_CLIENT, 6);
    }
    assert_int_equal (master.events[ZB_SHIP_OPENED] + client.events[ZB_SHIP_OPENED], 2);
    zmsg_destroy (&hello);
    zmsg_destroy (&welcome);
    zmsg_destroy (&begin);
    for (int side = 0; side < 2; side++) {
        zsock_destroy (&in[side]);
        zsock_destroy (&to[side]);
        free (endpoint[side]);
    }
    s_close (&master, &client);
}

//  One side has lost the session and the other does not know: it is told when it speaks.
static void test_half_a_session (void **state)
{
    (void) state;
    end_t master, client;
    s_open (&master, &client);
    zb_ship_destroy (&client.ship);
    client = s_end (2);
    //  The master hears of it by its connection; a client that idles says nothing but END to what comes.
    zb_ship_act (client.ship, ZB_SHIP_IDLE, 6);
    s_until (&master, &client, &master, ZB_SHIP_CLOSED, 1);
    zb_ship_act (client.ship, ZB_SHIP_CLIENT, 6);
    s_until (&master, &client, &master, ZB_SHIP_OPENED, 2);
    //  And by a frame of a session that the other side is not in.
    zsock_t *sock = zsock_new (ZMQ_PUSH);
    assert_int_equal (zsock_connect (sock, "%s", s_path[0]), 0);
    uint64_t session = zb_ship_session (master.ship);
    s_inject (sock, &(zb_seal_t){.kind = 8, .node = 2, .session = session + 1}, s_key, "", 0);
    uint64_t ticks = master.events[ZB_SHIP_TICK];
    s_until (&master, &client, &master, ZB_SHIP_TICK, ticks + 3);
    assert_int_equal (zb_ship_session (master.ship), session);
    s_inject (sock, &(zb_seal_t){.kind = 8, .node = 2, .session = session}, s_key, "", 0);
    s_until (&master, NULL, &master, ZB_SHIP_CLOSED, 2);
    s_until (&master, &client, &master, ZB_SHIP_OPENED, 3);
    assert_int_equal (zb_ship_session (master.ship), zb_ship_session (client.ship));
    zsock_destroy (&sock);
    s_close (&master, &client);
}

//  The other side takes nothing more: what is under way is bounded, the rest is dropped and counted, nothing blocks, and
//  it goes on when the other side does.
static void test_window (void **state)
{
    (void) state;
    end_t master, client;
    s_open (&master, &client);
    size_t size = 1 << 20;
    char *record = calloc (1, size);
    zb_ship_stats_t stats;
    for (int i = 0; i < 80; i++)
        zb_ship_record (master.ship, "c", 1, record, size);
    zb_ship_stats (master.ship, &stats);
    assert_in_range (stats.dropped, 14, 18);
    s_until (&master, &client, &client, ZB_SHIP_RECORD, 80 - stats.dropped);
    uint64_t ticks = master.events[ZB_SHIP_TICK];
    s_until (&master, &client, &master, ZB_SHIP_TICK, ticks + 2);
    zb_ship_record (master.ship, "c", 1, record, size);
    s_until (&master, &client, &client, ZB_SHIP_RECORD, 81 - stats.dropped);
    assert_int_equal (client.events[ZB_SHIP_CLOSED], 0);
    free (record);
    s_close (&master, &client);
}

static int s_setup (void **state)
{
    (void) state;
    kit_quiet ();
    char *dir = kit_dir_new ();
    for (int i = 0; i < 2; i++)
        snprintf (s_path[i], sizeof (s_path[i]), "ipc://%s/%d", dir, i);
    zb_seal_key (s_key, "test", "secret");
    *state = dir;
    return 0;
}

static int s_teardown (void **state)
{
    char *dir = *state;
    kit_dir_destroy (&dir);
    return 0;
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (test_session, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_anew, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_death, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_silence, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_generations, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_a_generation_out_of_reach, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_a_generation_that_was_used, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_hellos_change_nothing, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_half_a_session, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_forged, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_replay, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_rest, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_window, s_setup, s_teardown),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
