/*  =========================================================================
    test_role_shared - who may serve from a store that both brokers share

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One role, whose lock and peer are played by the test.
*/

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "core/pair/role.h"

#define LEASE 3000

static const uint8_t s_entropy[ZB_PAIR_SIZE + ZB_SECRET_SIZE] = {1};
static const uint8_t s_store[ZB_PAIR_SIZE] = {7}, s_another[ZB_PAIR_SIZE] = {8};

//  Takes what the role wants; returns the kinds as bits.
static unsigned s_take (zb_role_t *role)
{
    zb_do_t effect;
    unsigned kinds = 0;
    while (zb_role_next (role, &effect))
        kinds |= 1u << effect.kind;
    return kinds;
}

//  A broker of a pair whose store has this epoch, at time 1000.
static zb_role_t s_role (unsigned node, uint64_t epoch)
{
    zb_role_t role;
    zb_role_init (&role, node, true, false, 500, 1000, s_entropy);
    zb_role_share (&role, LEASE);
    zb_role_lock (&role, false, s_store, epoch, "nobody", 1000);
    zb_role_opened (&role, epoch == 0, true, false, 0, 0, 1000);
    zb_role_tick (&role, false, 1000);
    s_take (&role);
    return role;
}

static void s_hear (zb_role_t *role, bstar_state_t state, const uint8_t store[ZB_PAIR_SIZE], uint64_t epoch,
                    int64_t now)
{
    zb_beat_t beat = {.node = 3 - role->node, .state = state, .settled = true, .complete = true, .shared = true};
    beat.serving = state == BSTAR_ACTIVE;
    memcpy (beat.pair, store, ZB_PAIR_SIZE);
    zb_lineage_t lineage = {0};
    while (lineage.size < epoch && beat.serving)
        zb_lineage_raise (&lineage, beat.node, lineage.size + 1);
    zb_beat_tell (&beat, &lineage);
    zb_role_beat (role, &beat, now - 10, now);
}

//  A client says HELLO, and again after the look at the lock that it may have caused.
static zb_vote_t s_vote (zb_role_t *role, bool held, uint64_t epoch, int64_t now, const char **why)
{
    int code;
    while (role->ticked_ms < now)
        zb_role_tick (role, false, role->ticked_ms + 100 < now ? role->ticked_ms + 100 : now);
    zb_vote_t vote = zb_role_vote (role, NULL, now, &code, why);
    if (vote == ZB_VOTE_LATER && s_take (role) & 1u << ZB_DO_READ) {
        zb_role_lock (role, held, s_store, epoch, "process 4711 has it", now);
        zb_role_meta (role, NULL, 0, now);
        vote = zb_role_vote (role, NULL, now, &code, why);
    }
    return vote;
}

//  From "it shall lead" until it serves.
static void s_lead (zb_role_t *role, uint64_t epoch, int64_t now)
{
    assert_true (s_take (role) & 1u << ZB_DO_LEAD);
    zb_role_lock (role, true, s_store, epoch, "we", now);
    assert_int_equal (zb_role_meta (role, NULL, 0, now), 0);
    zb_role_led (role, now);
    assert_true (s_take (role) & 1u << ZB_DO_START);
    zb_role_closed (role, 1);
    zb_role_confirmed (role, now);
    zb_role_durable (role, 1, 0, now);
    s_take (role);
}

static void test_one_alone_comes_back (void **state)
{
    (void) state;
    const char *why;
    zb_durable_t durable;
    zb_role_t role = s_role (2, 4);
    assert_int_equal (s_vote (&role, false, 4, 1100, &why), ZB_VOTE_REFUSE);
    assert_int_equal (s_vote (&role, false, 4, 2000, &why), ZB_VOTE_LATER);
    s_lead (&role, 5, 2010);
    assert_int_equal (zb_role_release (&role, 2020, &durable), ZB_RELEASE_HERE);
    assert_int_equal (durable, ZB_DURABLE_SHARED);
    //  Stopped, it does not know whose the lock is.
    assert_int_equal (zb_role_release (&role, 2010 + LEASE, &durable), ZB_RELEASE_HOLD);
    zb_role_confirmed (&role, 2010 + LEASE);
    assert_int_equal (zb_role_release (&role, 2020 + LEASE, &durable), ZB_RELEASE_HERE);
}

static void test_a_new_store_is_not_begun_alone (void **state)
{
    (void) state;
    const char *why;
    zb_role_t role = s_role (1, 0);
    assert_int_equal (s_vote (&role, false, 0, 2000, &why), ZB_VOTE_REFUSE);
    assert_non_null (strstr (why, "new pair"));
    s_hear (&role, BSTAR_BACKUP, s_store, 0, 2100);
    assert_int_equal (role.bstar.state, BSTAR_ACTIVE);
    //  The other one waits for it.
    role = s_role (2, 0);
    s_hear (&role, BSTAR_PRIMARY, s_store, 0, 2100);
    assert_int_equal (role.bstar.state, BSTAR_BACKUP);
}

static void test_the_lock_is_waited_for (void **state)
{
    (void) state;
    const char *why;
    zb_role_t role = s_role (2, 4);
    zb_role_lock (&role, true, s_store, 4, "process 4711 has it", 1000);
    s_hear (&role, BSTAR_ACTIVE, s_store, 4, 1100);
    assert_int_equal (role.bstar.state, BSTAR_PASSIVE);
    assert_true (role.in_step);
    assert_int_equal (s_vote (&role, true, 4, 1200, &why), ZB_VOTE_PASSIVE);
    //  It is silent, but not dead.
    for (int64_t now = 2000; now < 4000; now += 100) {
        assert_int_equal (s_vote (&role, true, 4, now, &why), ZB_VOTE_REFUSE);
        assert_string_equal (why, "process 4711 has it");
    }
    assert_int_equal (s_vote (&role, false, 4, 4000, &why), ZB_VOTE_LATER);
    s_lead (&role, 5, 4010);
    //  An active broker does not step back for another that says it is active: the lock decides.
    s_hear (&role, BSTAR_ACTIVE, s_store, 4, 4100);
    assert_int_equal (role.bstar.state, BSTAR_ACTIVE);
}

static void test_denied (void **state)
{
    (void) state;
    const char *why;
    zb_role_t role = s_role (1, 4);
    assert_int_equal (s_vote (&role, false, 4, 2000, &why), ZB_VOTE_LATER);
    s_take (&role);
    //  Another one was faster.
    zb_role_lock (&role, true, s_store, 5, "process 4711 has it", 2010);
    zb_role_denied (&role, NULL, 2010);
    assert_int_equal (role.bstar.state, BSTAR_PRIMARY);
    assert_int_equal (role.phase, ZB_PHASE_IDLE);
    assert_int_equal (s_vote (&role, true, 5, 2100, &why), ZB_VOTE_REFUSE);
    //  The fence fails: not again at once.
    assert_int_equal (s_vote (&role, false, 5, 2200, &why), ZB_VOTE_LATER);
    s_take (&role);
    zb_role_lock (&role, false, s_store, 5, "nobody", 2300);
    zb_role_denied (&role, "the fence failed", 2300);
    assert_int_equal (s_vote (&role, false, 5, 2400, &why), ZB_VOTE_REFUSE);
    assert_string_equal (why, "the fence failed");
    assert_int_equal (s_vote (&role, false, 5, 2300 + LEASE, &why), ZB_VOTE_LATER);
    //  What was asked for before it was told otherwise does not count.
    s_take (&role);
    zb_role_lock (&role, false, s_store, 5, "nobody", 9000);
    zb_role_denied (&role, NULL, 9000);
    zb_role_led (&role, 9001);
    assert_int_equal (role.phase, ZB_PHASE_IDLE);
}

static void s_never (zb_role_t *role, int64_t now, const char *words)
{
    const char *why;
    assert_false (role->in_step);
    zb_role_tick (role, false, now - 1000);
    for (int64_t end = now + 5000; now < end; now += 500) {
        assert_int_equal (s_vote (role, false, role->lock_epoch, now, &why), ZB_VOTE_REFUSE);
        assert_non_null (strstr (why, words));
    }
}

static void test_another_folder (void **state)
{
    (void) state;
    zb_role_t role = s_role (2, 4);
    s_hear (&role, BSTAR_ACTIVE, s_another, 4, 1100);
    s_never (&role, 3000, "another folder");
    //  A new one, too.
    role = s_role (2, 0);
    s_hear (&role, BSTAR_ACTIVE, s_another, 1, 1100);
    s_never (&role, 3000, "another folder");
}

static void test_an_old_copy (void **state)
{
    (void) state;
    zb_role_t role = s_role (2, 4);
    s_hear (&role, BSTAR_ACTIVE, s_store, 5, 1100);
    s_never (&role, 3000, "older copy");
}

static void test_not_a_shared_one (void **state)
{
    (void) state;
    zb_role_t role = s_role (2, 4);
    zb_beat_t beat = {.node = 1, .state = BSTAR_ACTIVE, .serving = true};
    zb_role_beat (&role, &beat, 1000, 1100);
    s_never (&role, 3000, "--shared");
}

static void test_locks_that_do_not_reach_the_peer (void **state)
{
    (void) state;
    zb_role_t role = s_role (2, 4);
    s_hear (&role, BSTAR_ACTIVE, s_store, 4, 1100);
    zb_role_lock (&role, false, s_store, 4, "nobody", 1200);
    s_hear (&role, BSTAR_ACTIVE, s_store, 4, 1300);
    s_never (&role, 3000, "do not reach");
    //  Seen held, all is well again.
    zb_role_lock (&role, true, s_store, 4, "it", 9000);
    zb_role_tick (&role, false, 9050);
    s_hear (&role, BSTAR_ACTIVE, s_store, 4, 9100);
    assert_string_equal (zb_role_why (&role, 9100), "passive, in sync: only the other broker has the shared store open");
    assert_true (role.in_step);
}

static void test_a_death_is_no_doubt (void **state)
{
    (void) state;
    const char *why;
    //  The lock is free since its holder died, which was heard a moment ago.
    zb_role_t role = s_role (2, 4);
    s_hear (&role, BSTAR_ACTIVE, s_store, 4, 1100);
    zb_role_lock (&role, false, s_store, 4, "nobody", 1200);
    zb_role_dead (&role, 1210);
    s_take (&role);
    zb_role_meta (&role, NULL, 0, 1210);
    assert_int_equal (s_vote (&role, false, 4, 1220, &why), ZB_VOTE_LATER);
    //  It died, came back and leads again, between two looks.
    role = s_role (2, 5);
    s_hear (&role, BSTAR_ACTIVE, s_store, 4, 1100);
    zb_role_lock (&role, false, s_store, 5, "nobody", 1200);
    s_hear (&role, BSTAR_ACTIVE, s_store, 5, 1300);
    assert_non_null (strstr (zb_role_why (&role, 1310), "not seen yet"));
    assert_false (role.in_step);
    zb_role_lock (&role, true, s_store, 5, "process 4711 has it", 1450);
    assert_true (role.in_step);
}

//  A peer whose lock was seen held while it served; then the lock goes, and it serves on.
static zb_role_t s_bereft (void)
{
    zb_role_t role = s_role (2, 4);
    zb_role_lock (&role, true, s_store, 5, "process 4711 has it", 1050);
    s_hear (&role, BSTAR_ACTIVE, s_store, 5, 1100);
    zb_role_lock (&role, false, s_store, 5, "nobody", 1200);
    s_hear (&role, BSTAR_ACTIVE, s_store, 5, 1300);
    assert_false (role.in_step);
    assert_non_null (strstr (zb_role_why (&role, 1310), "lost the lock"));
    return role;
}

static void test_a_holder_without_its_lock_has_to_end_first (void **state)
{
    (void) state;
    const char *why;
    //  It is proven dead: the folder is the right one, so there is nothing to wait for.
    zb_role_t role = s_bereft ();
    zb_role_dead (&role, 1310);
    s_take (&role);
    zb_role_meta (&role, NULL, 0, 1310);
    assert_int_equal (s_vote (&role, false, 5, 1320, &why), ZB_VOTE_LATER);
    s_lead (&role, 6, 1330);
    //  It has come back without the lock.
    role = s_bereft ();
    s_hear (&role, BSTAR_PRIMARY, s_store, 5, 1400);
    assert_null (strstr (zb_role_why (&role, 1410), "lost the lock"));
    assert_int_equal (s_vote (&role, false, 5, 2000, &why), ZB_VOTE_LATER);
    //  It is only silent: within its lease it learns of the loss, and ends.
    role = s_bereft ();
    assert_int_equal (s_vote (&role, false, 5, 1300 + LEASE, &why), ZB_VOTE_REFUSE);
    assert_non_null (strstr (why, "lost the lock"));
    assert_int_equal (s_vote (&role, false, 5, 1400 + LEASE, &why), ZB_VOTE_LATER);
    //  It was not silent: this process was stopped.
    role = s_bereft ();
    zb_role_tick (&role, false, 1400 + LEASE);
    s_hear (&role, BSTAR_ACTIVE, s_store, 5, 1500 + LEASE);
    assert_int_equal (s_vote (&role, false, 5, 2200 + LEASE, &why), ZB_VOTE_REFUSE);
    assert_non_null (strstr (why, "lost the lock"));
}

static void test_a_lock_may_go_before_its_holder_is_heard_to_serve (void **state)
{
    (void) state;
    const char *why;
    //  It was seen held in the epoch of which the peer speaks later.
    zb_role_t role = s_role (2, 4);
    zb_role_lock (&role, true, s_store, 5, "process 4711 has it", 1050);
    zb_role_lock (&role, false, s_store, 5, "nobody", 1100);
    s_hear (&role, BSTAR_ACTIVE, s_store, 5, 1150);
    zb_role_lock (&role, false, s_store, 5, "nobody", 1200);
    s_hear (&role, BSTAR_ACTIVE, s_store, 5, 1300);
    assert_non_null (strstr (zb_role_why (&role, 1310), "lost the lock"));
    zb_role_dead (&role, 1310);
    s_take (&role);
    zb_role_meta (&role, NULL, 0, 1310);
    assert_int_equal (s_vote (&role, false, 5, 1320, &why), ZB_VOTE_LATER);
    //  What a process had that died since says nothing of the one that serves.
    role = s_role (2, 4);
    zb_role_lock (&role, true, s_store, 5, "process 4711 has it", 1050);
    zb_role_dead (&role, 1060);
    zb_role_lock (&role, false, s_store, 5, "nobody", 1100);
    s_hear (&role, BSTAR_ACTIVE, s_store, 5, 1150);
    zb_role_lock (&role, false, s_store, 5, "nobody", 1200);
    s_hear (&role, BSTAR_ACTIVE, s_store, 5, 1300);
    zb_role_dead (&role, 1310);
    s_never (&role, 3000, "do not reach");
}

static void test_a_death_does_not_make_it_the_right_folder (void **state)
{
    (void) state;
    //  A copy that was made while the peer served has its epoch, too; nobody was ever seen to hold its lock in that.
    zb_role_t role = s_role (2, 4);
    zb_role_lock (&role, true, s_store, 4, "process 4711 has it", 1050);
    s_hear (&role, BSTAR_ACTIVE, s_store, 4, 1100);
    zb_role_lock (&role, false, s_store, 5, "nobody", 1200);
    s_hear (&role, BSTAR_ACTIVE, s_store, 5, 1210);
    zb_role_lock (&role, false, s_store, 5, "nobody", 1250);
    s_hear (&role, BSTAR_ACTIVE, s_store, 5, 1300);
    zb_role_dead (&role, 1310);
    s_take (&role);
    zb_role_meta (&role, NULL, 0, 1310);
    s_never (&role, 3000, "do not reach");
    s_never (&role, 9000 + LEASE, "do not reach");
    //  Nor does a restart of the peer.
    s_hear (&role, BSTAR_PRIMARY, s_store, 5, 20000);
    s_never (&role, 22000, "do not reach");
}

static void test_a_file_that_can_not_be_read (void **state)
{
    (void) state;
    const char *why;
    zb_role_t role = s_role (2, 4);
    zb_role_lock (&role, true, s_store, 4, "process 4711 has it", 1050);
    s_hear (&role, BSTAR_ACTIVE, s_store, 4, 1100);
    assert_true (role.in_step);
    //  Also while the peer leads it is known that this one could not take over.
    zb_role_lock (&role, true, NULL, 0, "no such file", 1150);
    assert_false (role.in_step);
    assert_string_equal (zb_role_why (&role, 1160), "no such file");
    s_hear (&role, BSTAR_ACTIVE, s_store, 4, 1200);
    assert_false (role.in_step);
    zb_role_lock (&role, false, s_store, 4, "nobody", 1900);
    assert_int_equal (s_vote (&role, false, 4, 2000, &why), ZB_VOTE_LATER);
    //  It proves nothing of the folder.
    role = s_role (2, 4);
    zb_role_lock (&role, true, NULL, 0, "no such file", 1050);
    s_hear (&role, BSTAR_ACTIVE, s_store, 4, 1100);
    zb_role_lock (&role, false, s_store, 4, "nobody", 1200);
    s_hear (&role, BSTAR_ACTIVE, s_store, 4, 1300);
    zb_role_lock (&role, true, NULL, 0, "no such file", 1350);
    zb_role_lock (&role, false, s_store, 4, "nobody", 1400);
    s_never (&role, 3000, "do not reach");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_one_alone_comes_back),   cmocka_unit_test (test_a_new_store_is_not_begun_alone),
        cmocka_unit_test (test_the_lock_is_waited_for), cmocka_unit_test (test_denied),
        cmocka_unit_test (test_another_folder),         cmocka_unit_test (test_an_old_copy),
        cmocka_unit_test (test_not_a_shared_one),       cmocka_unit_test (test_locks_that_do_not_reach_the_peer),
        cmocka_unit_test (test_a_death_is_no_doubt),
        cmocka_unit_test (test_a_holder_without_its_lock_has_to_end_first),
        cmocka_unit_test (test_a_lock_may_go_before_its_holder_is_heard_to_serve),
        cmocka_unit_test (test_a_death_does_not_make_it_the_right_folder),
        cmocka_unit_test (test_a_file_that_can_not_be_read),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
