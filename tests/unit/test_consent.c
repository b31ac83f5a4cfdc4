/*  =========================================================================
    test_consent - does a broker use the witness's consent once, and hand back what it does not use?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The value beside a real record; pairs of it are walked in test_role_walk.
*/

#include "core/pair/consent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static zb_consent_t s_new (void)
{
    return (zb_consent_t){.needed = true};
}

//  What `self` wants reaches the witness as of node 1, and the answer comes back.
static void s_say (zb_consent_t *self, witness_record_t *record, uint64_t newest)
{
    witness_event_t event;
    uint64_t epoch;
    assert_true (zb_consent_wish (self, newest, &event, &epoch));
    witness_verdict_t verdict = witness_step (record, event, 1, epoch)->verdict;
    zb_consent_ruled (self, verdict, record);
}

static bool s_wishes (const zb_consent_t *self)
{
    witness_event_t event;
    uint64_t epoch;
    return zb_consent_wish (self, 5, &event, &epoch);
}

static void test_without_a_witness_all_is_given (void **unused)
{
    (void) unused;
    zb_consent_t self = {0};
    assert_true (zb_consent_given (&self, false, 5));
    assert_int_equal (zb_consent_epoch (&self, 5), 6);
    zb_consent_share (&self, 1);
    assert_false (s_wishes (&self));
    assert_string_equal (zb_consent_name (&self), "none");
}

static void test_asked_given_used_handed_back (void **unused)
{
    (void) unused;
    witness_record_t record = {WITNESS_SHARED, 2, 5};
    zb_consent_t self = s_new ();
    assert_false (zb_consent_given (&self, false, 5));
    zb_consent_ask (&self, false, 5, 1);
    s_say (&self, &record, 5);
    assert_true (zb_consent_given (&self, false, 5));
    assert_int_equal (zb_consent_epoch (&self, 5), 6);
    //  The epoch was raised, and it is alone: the consent stands for that, and for no further epoch without asking.
    assert_true (zb_consent_given (&self, true, 6));
    assert_false (zb_consent_given (&self, false, 6));
    assert_false (s_wishes (&self));
    zb_consent_share (&self, 1);
    assert_false (zb_consent_given (&self, true, 6));
    s_say (&self, &record, 6);
    assert_int_equal (record.state, WITNESS_SHARED);
    assert_false (s_wishes (&self));
    assert_string_equal (zb_consent_name (&self), "shared");
}

//  Given and not used: it is worth nothing once it was handed back, since the peer may ask for its own then.
static void test_unused_consent_is_void_when_it_was_handed_back (void **unused)
{
    (void) unused;
    witness_record_t record = {WITNESS_SHARED, 2, 5};
    zb_consent_t self = s_new ();
    zb_consent_ask (&self, false, 5, 1);
    s_say (&self, &record, 5);
    zb_consent_return (&self, true, false, 1);
    assert_false (zb_consent_given (&self, false, 5));
    s_say (&self, &record, 5);
    assert_int_equal (witness_step (&record, WITNESS_CLAIM, 2, 7)->verdict, WITNESS_GRANTED);
    zb_consent_ask (&self, false, 5, 1);
    s_say (&self, &record, 5);
    assert_false (zb_consent_given (&self, false, 5));
    assert_int_equal (zb_consent_reason (&self, 1000, 1), ZB_REASON_WITNESS_TAKEN);
    assert_string_equal (zb_consent_name (&self), "refused");
}

//  The answer is lost: what may have been given is handed back, too, by a newer word than the one that asked.
static void test_an_answer_that_was_lost (void **unused)
{
    (void) unused;
    witness_record_t record = {WITNESS_SHARED, 2, 5};
    zb_consent_t self = s_new ();
    witness_event_t event;
    uint64_t epoch;
    zb_consent_ask (&self, false, 5, 1);
    assert_true (zb_consent_wish (&self, 5, &event, &epoch));
    witness_step (&record, event, 1, epoch);
    assert_int_equal (record.state, WITNESS_HELD);
    zb_consent_return (&self, true, false, 1);
    s_say (&self, &record, 5);
    assert_int_equal (record.state, WITNESS_SHARED);
    //  The claim, arriving once more, is late.
    assert_int_equal (witness_step (&record, event, 1, epoch)->verdict, WITNESS_LATE);
    //  The next epoch is one that the witness has not seen.
    zb_consent_ask (&self, false, 5, 1);
    assert_int_equal (zb_consent_epoch (&self, 5), 8);
}

//  An operator's word was granted, and the answer is lost; the word, said again, has a proof of before.  This broker holds
//  what it knows nothing of, and hands it back as soon as it follows.
static void test_a_forced_answer_that_was_lost (void **unused)
{
    (void) unused;
    witness_record_t record = {WITNESS_HELD, 2, 5};
    zb_consent_t self = s_new ();
    witness_event_t event;
    uint64_t epoch;
    zb_consent_return (&self, true, true, 1);
    zb_consent_share (&self, 1);
    s_say (&self, &(witness_record_t){WITNESS_SHARED, 2, 5}, 5);
    zb_consent_force (&self, 5, 2);
    assert_true (zb_consent_wish (&self, 5, &event, &epoch));
    assert_int_equal (witness_step (&record, event, 1, epoch)->verdict, WITNESS_GRANTED);
    zb_consent_ruled (&self, WITNESS_UNPROVEN, &record);
    assert_false (s_wishes (&self));
    assert_false (zb_consent_given (&self, false, 5));
    zb_consent_return (&self, true, true, 3);
    s_say (&self, &record, 5);
    assert_int_equal (record.state, WITNESS_SHARED);
}

//  It died between the consent and its use.  Restarted it follows the other one, which can't share what it does not hold:
//  were this one lost next, the other one could not go on.
static void test_what_an_earlier_process_held_is_handed_back (void **unused)
{
    (void) unused;
    witness_record_t record = {WITNESS_HELD, 1, 6};
    zb_consent_t self = s_new ();
    zb_consent_return (&self, true, false, 1);
    assert_false (s_wishes (&self));
    zb_consent_return (&self, true, true, 1);
    s_say (&self, &record, 6);
    assert_int_equal (record.state, WITNESS_SHARED);
    assert_int_equal (witness_step (&record, WITNESS_CLAIM, 2, 7)->verdict, WITNESS_GRANTED);
    //  Once in the life of a process.
    zb_consent_return (&self, true, true, 1);
    assert_false (s_wishes (&self));
}

//  An operator had this one lead, it has lost the split, and asks yet, since it was alone last: once it follows it
//  hands back all, under the newest epoch that the witness has named.  The winner has to go on alone to take what is
//  replayed to it.
static void test_who_lost_a_split_hands_back (void **unused)
{
    (void) unused;
    witness_record_t record = {WITNESS_HELD, 1, 8};
    zb_consent_t self = s_new ();
    zb_consent_ask (&self, true, 5, 1);
    assert_int_equal (witness_step (&record, WITNESS_RESUME, 2, 9)->verdict, WITNESS_TAKEN);
    zb_consent_return (&self, true, true, 1);
    s_say (&self, &record, 5);
    s_say (&self, &record, 5);
    assert_false (s_wishes (&self));
    assert_int_equal (record.state, WITNESS_SHARED);
    assert_int_equal (record.epoch, 8);
    assert_int_equal (witness_step (&record, WITNESS_RESUME, 2, 9)->verdict, WITNESS_GRANTED);
}

//  The leader holds the record: a follower has nothing to hand back, and does not say so for ever.
static void test_nothing_to_hand_back (void **unused)
{
    (void) unused;
    witness_record_t record = {WITNESS_HELD, 2, 8};
    zb_consent_t self = s_new ();
    zb_consent_return (&self, true, true, 1);
    s_say (&self, &record, 5);
    assert_false (s_wishes (&self));
    assert_string_equal (zb_consent_name (&self), "free");
    zb_consent_return (&self, true, true, 2);
    assert_false (s_wishes (&self));
    //  A leader whose peer is in sync goes on until that one has handed back.
    zb_consent_share (&self, 3);
    s_say (&self, &record, 5);
    assert_true (s_wishes (&self));
}

static void test_late (void **unused)
{
    (void) unused;
    witness_record_t record = {WITNESS_SHARED, 2, 9};
    zb_consent_t self = s_new ();
    zb_consent_ask (&self, false, 5, 1);
    s_say (&self, &record, 5);
    assert_false (zb_consent_given (&self, false, 5));
    s_say (&self, &record, 5);
    assert_int_equal (zb_consent_epoch (&self, 5), 10);
    assert_true (zb_consent_given (&self, false, 5));
    //  So is the share of a leader that has not seen the record's epoch.
    zb_consent_t other = s_new ();
    record = (witness_record_t){WITNESS_SHARED, 2, 9};
    zb_consent_share (&other, 1);
    s_say (&other, &record, 5);
    assert_false (s_wishes (&other));
}

static void test_resume_and_force (void **unused)
{
    (void) unused;
    witness_record_t record = {WITNESS_HELD, 2, 9};
    zb_consent_t self = s_new ();
    zb_consent_ask (&self, true, 5, 1);
    s_say (&self, &record, 5);
    assert_false (zb_consent_given (&self, true, 5));
    zb_consent_force (&self, 5, 1);
    s_say (&self, &record, 5);
    assert_true (zb_consent_given (&self, true, 5));
    assert_int_equal (record.holder, 1);
}

static void test_patience_and_refresh (void **unused)
{
    (void) unused;
    zb_consent_t self = s_new ();
    zb_consent_ask (&self, false, 5, 1000);
    assert_int_equal (zb_consent_reason (&self, 500, 1499), ZB_REASON_NONE);
    assert_int_equal (zb_consent_reason (&self, 500, 1500), ZB_REASON_WITNESS_SILENT);
    zb_consent_ask (&self, false, 5, 1400);
    assert_int_equal (zb_consent_reason (&self, 500, 1500), ZB_REASON_WITNESS_SILENT);
    zb_consent_share (&self, 2000);
    witness_record_t record = {0};
    s_say (&self, &record, 5);
    zb_consent_refresh (&self, 3000);
    assert_false (s_wishes (&self));
    zb_consent_refresh (&self, 60000);
    assert_true (s_wishes (&self));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_without_a_witness_all_is_given),
        cmocka_unit_test (test_asked_given_used_handed_back),
        cmocka_unit_test (test_unused_consent_is_void_when_it_was_handed_back),
        cmocka_unit_test (test_an_answer_that_was_lost),
        cmocka_unit_test (test_what_an_earlier_process_held_is_handed_back),
        cmocka_unit_test (test_who_lost_a_split_hands_back),
        cmocka_unit_test (test_a_forced_answer_that_was_lost),
        cmocka_unit_test (test_nothing_to_hand_back),
        cmocka_unit_test (test_late),
        cmocka_unit_test (test_resume_and_force),
        cmocka_unit_test (test_patience_and_refresh),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
