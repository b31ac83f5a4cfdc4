/*  =========================================================================
    test_rights - who may do what?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/rights/rights.h"

#define ALICE "aliceEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE"
#define BOB "bob*/#?&<>()[]{}@%$!^=+.:-00000000000000"
#define CAROL "carol00000000000000000000000000000000000"
#define BROKER "Broker0000000000000000000000000000000000"
#define STRANGER "stranger00000000000000000000000000000000"

static const zb_stamp_t s_stamp = {7, 1234567, 2};
static char s_why[ZB_RIGHTS_WHY];

static const char *s_change (zb_rights_t *self, const char *change)
{
    return zb_rights_change (self, zb_frame (change), &s_stamp, s_stamp.commit, s_why);
}

static zb_rights_t *s_company (void)
{
    zb_rights_t *self = zb_rights_new ();
    zb_rights_broker (self, "$backup", BROKER);
    assert_null (s_change (self, "new alice " ALICE "\n"
                                 "allow alice put orders*\n"
                                 "allow alice as alice\n"
                                 "new bob " BOB "\n"
                                 "allow bob get orders\n"
                                 "allow bob get bills?\n"
                                 "allow bob look *\n"
                                 "new carol " CAROL "\n"
                                 "allow carol manage *\n"
                                 "allow carol operate *"));
    return self;
}

static const zb_principal_t *s_who (const zb_rights_t *self, const char *key)
{
    return zb_rights_find (self, zb_frame (key));
}

//  ---------------------------------------------------------------------------------------------------------------

//  Each principal, each verb, each name: what the rules of the company say, by the column of the table of verbs.
static void test_each_principal_verb_and_name (void **unused)
{
    (void) unused;
    static const char *const names[] = {"orders", "orders-eu", "bills1", "bills", "alice", "x"};
    static const struct {
        const char *key;
        zb_right_t right;
        const char *names; //  the only ones; "*" = all
    } allowed[] = {{ALICE, ZB_RIGHT_PUT, "orders orders-eu"},
                   {ALICE, ZB_RIGHT_AS, "alice"},
                   {BOB, ZB_RIGHT_GET, "orders bills1"},
                   {BOB, ZB_RIGHT_LOOK, "*"},
                   {CAROL, ZB_RIGHT_MANAGE, "*"},
                   {CAROL, ZB_RIGHT_OPERATE, "*"},
                   {BROKER, ZB_RIGHT_OPERATE, "*"},
                   {BROKER, ZB_RIGHT_LOOK, "*"},
                   {BROKER, ZB_RIGHT_REPLAY, "*"}};
    static const char *const keys[] = {ALICE, BOB, CAROL, BROKER, STRANGER};
    zb_rights_t *self = s_company ();
    size_t yes = 0, no = 0;
    for (size_t key = 0; key < sizeof keys / sizeof *keys; key++)
        for (zb_verb_t verb = 0; verb < ZB_VERBS; verb++)
            for (size_t name = 0; name < sizeof names / sizeof *names; name++) {
                zb_request_t request = {.verb = verb};
                *(verb == ZB_HELLO ? &request.name : &request.queue) = zb_frame (names[name]);
                zb_right_t right = zb_protocol (verb)->right;
                bool may = right == ZB_RIGHT_NONE && strcmp (keys[key], STRANGER) != 0;
                for (size_t index = 0; index < sizeof allowed / sizeof *allowed; index++) {
                    char list[64], word[64];
                    snprintf (list, sizeof list, " %s ", allowed[index].names);
                    snprintf (word, sizeof word, " %s ", names[name]);
                    may = may || (strcmp (allowed[index].key, keys[key]) == 0 && allowed[index].right == right &&
                                  (strcmp (list, " * ") == 0 || strstr (list, word)));
                }
                const char *why = zb_rights_check (s_who (self, keys[key]), &request, s_why);
                if ((why == NULL) != may)
                    fail_msg ("%.6s %s %s: %s", keys[key], zb_verb_name (verb), names[name], why ? why : "allowed");
                //  The text begins with what is missing.
                if (why && strcmp (keys[key], STRANGER) != 0 && *zb_right_name (right))
                    assert_memory_equal (why, zb_right_name (right), strlen (zb_right_name (right)));
                ++*(may ? &yes : &no);
            }
    assert_true (yes > 30 && no > 300);
    zb_rights_destroy (&self);
}

//  A PUT that acknowledges takes both: `put` where it goes, `get` of what it acknowledges.
static void test_a_put_with_acks_takes_two_rights (void **unused)
{
    (void) unused;
    zb_rights_t *self = s_company ();
    zb_request_t put = {.verb = ZB_PUT, .queue = zb_frame ("orders"), .acked = zb_frame ("bills")};
    assert_string_equal (zb_rights_check (s_who (self, ALICE), &put, s_why), "get=bills: alice has no such right");
    assert_null (s_change (self, "allow alice get bills"));
    assert_null (zb_rights_check (s_who (self, ALICE), &put, s_why));
    put.queue = zb_frame ("bills");
    assert_string_equal (zb_rights_check (s_who (self, ALICE), &put, s_why), "put=bills: alice has no such right");
    zb_rights_destroy (&self);
}

//  Who names the queue that dead letters go to may put into it.
static void test_a_target_takes_two_rights (void **unused)
{
    (void) unused;
    zb_rights_t *self = s_company ();
    zb_request_t queue = {.verb = ZB_QUEUE, .queue = zb_frame ("bills"), .target = zb_frame ("bin")};
    assert_null (s_change (self, "allow alice manage bills"));
    assert_string_equal (zb_rights_check (s_who (self, ALICE), &queue, s_why), "put=bin: alice has no such right");
    assert_null (s_change (self, "allow alice put bin"));
    assert_null (zb_rights_check (s_who (self, ALICE), &queue, s_why));
    queue.queue = zb_frame ("bin");
    assert_string_equal (zb_rights_check (s_who (self, ALICE), &queue, s_why), "manage=bin: alice has no such right");
    zb_rights_destroy (&self);
}

static void test_a_client_without_a_name_needs_no_leave_to_come (void **unused)
{
    (void) unused;
    zb_rights_t *self = s_company ();
    zb_request_t hello = {.verb = ZB_HELLO};
    assert_null (zb_rights_check (s_who (self, BOB), &hello, s_why));
    assert_non_null (zb_rights_check (s_who (self, STRANGER), &hello, s_why));
    zb_rights_destroy (&self);
}

//  LIST asks for all names that fit its pattern: a rule has to cover them all.
static void test_a_pattern_covers_names_and_patterns (void **unused)
{
    (void) unused;
    static const struct {
        const char *pattern, *name;
        bool fits;
    } cases[] = {{"orders", "orders", true},
                 {"orders", "orders2", false},
                 {"orders*", "orders-x", true},
                 {"orders*", "orders-x/s", false},
                 {"*", "a/b", false},
                 {"*/*", "a/b", true},
                 {"*/*", "a", false},
                 {"news/*", "news/weather", true},
                 {"news/*", "news2/weather", false},
                 {"o?ders", "orders", true},
                 {"o?ders", "oders", false},
                 {"*", "*", true},
                 {"orders*", "*", false},
                 {"orders*", "orders*", true},
                 {"orders*", "orders-*", true},
                 {"orders?", "orders*", false},
                 {"orders?", "orders?", true},
                 {"orders*", "orders?", true},
                 {"o?ders*", "orders*", false},
                 {"a*/b", "a*/b", true},
                 {"?", "\xc3\xa4", true},
                 {"*", "*/*", false},
                 {"*z", "abz", true},
                 {"*z", "ab*", false}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        if (zb_rights_match (zb_frame (cases[index].pattern), zb_frame (cases[index].name)) != cases[index].fits)
            fail_msg ("%s, %s", cases[index].pattern, cases[index].name);
    zb_rights_t *self = s_company ();
    assert_null (s_change (self, "deny bob look *\nallow bob look orders*"));
    zb_request_t list = {.verb = ZB_LIST, .queue = zb_frame ("orders-*")};
    assert_null (zb_rights_check (s_who (self, BOB), &list, s_why));
    list.queue = zb_frame ("");
    assert_non_null (zb_rights_check (s_who (self, BOB), &list, s_why));
    //  Events are about all.
    zb_request_t events = {.verb = ZB_EVENTS};
    assert_non_null (zb_rights_check (s_who (self, BOB), &events, s_why));
    assert_null (s_change (self, "allow bob look *"));
    assert_null (zb_rights_check (s_who (self, BOB), &events, s_why));
    zb_rights_destroy (&self);
}

static void test_a_change_is_made_wholly_or_not_at_all (void **unused)
{
    (void) unused;
    static const struct {
        const char *change, *why;
    } wrong[] = {
        {"", "nothing is to be changed"},
        {"allow alice get orders\nallow dave get orders", "there is no principal dave"},
        {"allow alice get orders\n", NULL},
        {"new alice " STRANGER, "there is a principal alice"},
        {"new dave " ALICE, "that is the key of alice"},
        {"new dave " BROKER, "that is the key of a broker"},
        {"new dave short", "not 40 characters of Z85"},
        {"new dave,\"ave00000000000000000000000000000000000", "a change is"},
        {"new d/e " STRANGER, "a reserved character"},
        {"new $primary " STRANGER, "a leading '$' is reserved"},
        {"allow alice fly orders", "'fly' is no right"},
        {"allow alice replay *", "'replay' is no right"},
        {"allow alice  *", "'' is no right"},
        {"allow alice get a//b", "empty"},
        {"allow alice get a/", "empty behind '/'"},
        {"allow alice get a=b c", "a change is"},
        {"allow alice get a\x01", "a control character"},
        {"deny alice put orders", "alice has no rule put=orders"},
        {"deny bob get bills", "bob has no rule get=bills"},
        {"revoke $backup", "there is no principal $backup"},
        {"revoke alice bob", "a change is"},
        {"revoke", "a change is"},
    };
    zb_rights_t *self = s_company ();
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++) {
        size_t size, after;
        char *before = zb_rights_encode (self, &size);
        uint64_t serial = zb_rights_serial (self);
        const char *why = s_change (self, wrong[index].change);
        char *row = zb_rights_encode (self, &after);
        if (wrong[index].why) {
            if (!why || !strstr (why, wrong[index].why))
                fail_msg ("%s: %s", wrong[index].change, why ? why : "taken");
            assert_int_equal (size, after);
            assert_memory_equal (before, row, size);
            assert_int_equal (serial, zb_rights_serial (self));
        }
        else {
            assert_null (why);
            assert_int_not_equal (serial, zb_rights_serial (self));
        }
        free (before);
        free (row);
    }
    //  What lies behind the text is not the pattern's.
    static const char text[] = "allow alice get mine/";
    assert_null (zb_rights_change (self, (zb_frame_t){text, sizeof text - 2}, &s_stamp, s_stamp.commit, s_why));
    zb_rights_destroy (&self);
}

//  A rule goes, wherever it stands, and the others stay.
static void test_rules_come_and_go (void **unused)
{
    (void) unused;
    static const char *const rules[] = {"a", "ab", "abc", "b"};
    for (unsigned gone = 0; gone < 16; gone++) {
        zb_rights_t *self = zb_rights_new ();
        assert_null (s_change (self, "new alice " ALICE));
        char line[64];
        for (int pass = 0; pass < 2; pass++)
            for (size_t index = 0; index < 4; index++) {
                snprintf (line, sizeof line, "allow alice get %s", rules[index]);
                assert_null (s_change (self, line));
            }
        for (size_t index = 0; index < 4; index++)
            if (gone >> index & 1) {
                snprintf (line, sizeof line, "deny alice get %s", rules[index]);
                assert_null (s_change (self, line));
                assert_non_null (s_change (self, line));
            }
        for (size_t index = 0; index < 4; index++)
            assert_int_equal (zb_rights_allow (s_who (self, ALICE), ZB_RIGHT_GET, zb_frame (rules[index])),
                              !(gone >> index & 1));
        zb_rights_destroy (&self);
    }
}

//  Whoever has not heard the answer asks again.
static void test_a_key_that_is_known_may_be_told_again (void **unused)
{
    (void) unused;
    zb_rights_t *self = s_company ();
    size_t principals = zb_rights_size (self);
    assert_null (s_change (self, "new dave " STRANGER "\nallow dave get orders"));
    assert_null (s_change (self, "new dave " STRANGER "\nallow dave get orders"));
    assert_int_equal (zb_rights_size (self), principals + 1);
    assert_string_equal (s_who (self, STRANGER)->name, "dave");
    assert_null (s_change (self, "revoke dave"));
    assert_non_null (strstr (s_change (self, "new dave " STRANGER), "was revoked"));
    zb_rights_destroy (&self);
}

static void test_whoever_is_revoked_may_nothing_and_is_remembered (void **unused)
{
    (void) unused;
    zb_rights_t *self = s_company ();
    assert_null (s_change (self, "revoke carol"));
    zb_request_t request = {.verb = ZB_PURGE, .queue = zb_frame ("orders")};
    assert_non_null (zb_rights_check (s_who (self, CAROL), &request, s_why));
    request.verb = ZB_PING;
    assert_non_null (zb_rights_check (s_who (self, CAROL), &request, s_why));
    assert_true (s_who (self, CAROL)->revoked);
    //  The key is not taken again; the name is.
    assert_non_null (s_change (self, "new dave " CAROL));
    assert_non_null (s_change (self, "allow carol get *"));
    assert_null (s_change (self, "new carol " STRANGER "\nallow carol get *"));
    request = (zb_request_t){.verb = ZB_GET, .queue = zb_frame ("orders")};
    assert_null (zb_rights_check (s_who (self, STRANGER), &request, s_why));
    assert_non_null (zb_rights_check (s_who (self, CAROL), &request, s_why));
    zb_rights_destroy (&self);
}

//  A name's revoked keys go, and theirs alone; not while a disk may lack that they were.
static void test_what_was_revoked_can_be_dropped (void **unused)
{
    (void) unused;
    zb_rights_t *self = s_company ();
    zb_stamp_t later = {7, s_stamp.commit + 1, 2};
    assert_non_null (strstr (s_change (self, "drop carol"), "no principal carol was revoked"));
    assert_non_null (strstr (s_change (self, "drop nobody"), "no principal nobody"));
    assert_null (zb_rights_change (self, zb_frame ("revoke carol"), &later, s_stamp.commit, s_why));
    assert_non_null (strstr (s_change (self, "drop carol"), "both are in sync"));
    //  Nor in the change that revokes.
    later.commit++;
    assert_non_null (zb_rights_change (self, zb_frame ("revoke bob\ndrop bob"), &later, later.commit - 1, s_why));
    assert_false (s_who (self, BOB)->revoked);
    assert_null (s_change (self, "new carol " STRANGER));
    assert_null (zb_rights_change (self, zb_frame ("drop carol"), &later, later.commit - 1, s_why));
    assert_null (s_who (self, CAROL));
    assert_false (s_who (self, STRANGER)->revoked);
    assert_int_equal (zb_rights_size (self), 4);
    zb_rights_destroy (&self);
}

//  ---------------------------------------------------------------------------------------------------------------

static void test_the_row_comes_back_and_brokers_stay_out_of_it (void **unused)
{
    (void) unused;
    zb_rights_t *self = s_company (), *other = zb_rights_new ();
    assert_null (s_change (self, "revoke alice"));
    zb_rights_broker (other, "$primary", STRANGER);
    size_t size, again;
    char *row = zb_rights_encode (self, &size);
    assert_null (memmem (row, size, BROKER, ZB_KEY_SIZE));
    assert_int_equal (zb_rights_decode (other, row, size), 0);
    char *same = zb_rights_encode (other, &again);
    assert_int_equal (size, again);
    assert_memory_equal (row, same, size);
    assert_true (s_who (other, ALICE)->revoked && s_who (other, STRANGER)->broker);
    assert_int_equal (s_who (other, BOB)->changed.commit, s_stamp.commit);
    assert_int_equal (zb_rights_size (other), 4);
    //  Keys ascend, or some could not be found.
    for (size_t index = 1; index < zb_rights_size (other); index++)
        assert_true (strcmp (zb_rights_at (other, index - 1)->key, zb_rights_at (other, index)->key) < 0);
    free (row);
    free (same);
    zb_rights_destroy (&self);
    zb_rights_destroy (&other);
}

//  Whatever a row says: it is read, or refused and nothing changes; and nobody gets in by a word that is not known.
static void test_a_malformed_row_changes_nothing (void **unused)
{
    (void) unused;
    zb_rights_t *self = s_company (), *other = zb_rights_new ();
    size_t size;
    char *row = zb_rights_encode (self, &size), *bad = (char *) malloc (size);
    assert_non_null (bad);
    size_t refused = 0;
    for (size_t cut = 0; cut < size; cut++)
        refused += zb_rights_decode (other, row, cut) != 0;
    for (size_t at = 0; at < size; at++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy (bad, row, size);
            bad[at] ^= (char) (1 << bit);
            refused += zb_rights_decode (other, bad, size) != 0;
        }
    assert_true (refused > size);
    assert_int_equal (zb_rights_decode (other, "zbroker rights 1\nx " ALICE " 1 1 1 suspended put=*\n", 80), 0);
    assert_false (zb_rights_allow (s_who (other, ALICE), ZB_RIGHT_PUT, zb_frame ("orders")));
    uint64_t serial = zb_rights_serial (other);
    assert_int_equal (zb_rights_decode (other, "zbroker rights 2\n", 17), -1);
    assert_int_equal (zb_rights_decode (other, NULL, 0), -1);
    assert_int_equal (serial, zb_rights_serial (other));
    assert_non_null (s_who (other, ALICE));
    free (row);
    free (bad);
    zb_rights_destroy (&self);
    zb_rights_destroy (&other);
}

//  Whoever may do less than before is known by the change that took it; limits, and what is added, are no such thing.
static void test_what_takes_a_right_away_is_known (void **unused)
{
    (void) unused;
    zb_rights_t *self = s_company (), *follows = zb_rights_new ();
    uint64_t before = zb_rights_serial (self);
    assert_null (s_change (self, "allow bob requests 10\nallow bob put new\nallow alice get *"));
    assert_null (s_change (self, "allow bob requests 20"));
    assert_null (s_change (self, "deny bob requests 20"));
    assert_true (s_who (self, BOB)->narrowed <= before);
    size_t size;
    char *row = zb_rights_encode (self, &size);
    assert_int_equal (zb_rights_decode (follows, row, size), 0);
    free (row);
    before = zb_rights_serial (follows);
    assert_null (s_change (self, "deny bob get orders"));
    assert_int_equal (s_who (self, BOB)->narrowed, zb_rights_serial (self));
    uint64_t then = s_who (self, BOB)->narrowed;
    assert_null (s_change (self, "allow bob get orders\ndeny carol manage *"));
    assert_int_equal (s_who (self, BOB)->narrowed, then);
    assert_int_equal (s_who (self, CAROL)->narrowed, zb_rights_serial (self));
    assert_true (s_who (self, ALICE)->narrowed < then);
    //  A broker that follows learns of it by the row.
    row = zb_rights_encode (self, &size);
    assert_int_equal (zb_rights_decode (follows, row, size), 0);
    free (row);
    assert_true (s_who (follows, BOB)->narrowed <= before);
    assert_int_equal (s_who (follows, CAROL)->narrowed, zb_rights_serial (follows));
    zb_rights_destroy (&self);
    zb_rights_destroy (&follows);
}

static int s_handed; //  what the merge hands on

//  Commits up to 10 are known to both; of what came later each side knows its own.
static bool s_knows (void *context, bool there, const zb_stamp_t *change)
{
    assert_ptr_equal (context, &s_handed);
    return change->commit <= 10 || change->node == (there ? 2 : 1);
}

static void s_say (zb_rights_t *self, unsigned node, const char *change)
{
    zb_stamp_t stamp = {5, node ? 20 : 10, node};
    assert_null (zb_rights_change (self, zb_frame (change), &stamp, 10, s_why));
}

//  After a split whoever is revoked on either side is revoked, and nobody is lost; of two changes the winner's stands.
static void test_a_split_is_mended (void **unused)
{
    (void) unused;
    static const char before[] = "new alice " ALICE "\nallow alice get a\nnew bob " BOB
                                 "\nallow bob get b\nnew carol " CAROL "\nallow carol get c";
    zb_rights_t *winner = zb_rights_new (), *loser = zb_rights_new ();
    s_say (winner, 0, before);
    s_say (loser, 0, before);
    s_say (winner, 1, "revoke alice");
    s_say (loser, 2, "allow alice get more");
    s_say (loser, 2, "revoke bob");
    s_say (winner, 1, "allow bob get more");
    s_say (loser, 2, "deny carol get c\nallow carol put c");
    s_say (loser, 2, "new dave " STRANGER "\nallow dave get d");
    zb_rights_broker (loser, "$backup", BROKER);
    zb_stamp_t now = {6, 30, 1};
    assert_true (zb_rights_merge (winner, loser, &now, s_knows, &s_handed));
    assert_true (s_who (winner, ALICE)->revoked && s_who (winner, BOB)->revoked);
    assert_false (zb_rights_allow (s_who (winner, BOB), ZB_RIGHT_GET, zb_frame ("more")));
    assert_true (zb_rights_allow (s_who (winner, CAROL), ZB_RIGHT_PUT, zb_frame ("c")));
    assert_false (zb_rights_allow (s_who (winner, CAROL), ZB_RIGHT_GET, zb_frame ("c")));
    assert_true (zb_rights_allow (s_who (winner, STRANGER), ZB_RIGHT_GET, zb_frame ("d")));
    assert_null (s_who (winner, BROKER));
    assert_int_equal (s_who (winner, BOB)->changed.commit, 30);
    assert_int_equal (s_who (winner, CAROL)->narrowed, zb_rights_serial (winner));
    //  A second time there is nothing new.
    assert_false (zb_rights_merge (winner, loser, &now, s_knows, &s_handed));
    zb_rights_destroy (&winner);
    zb_rights_destroy (&loser);
}

//  A side that was set back to an older copy still holds what the other one has dropped: that does not come back,
//  whoever wins.
//  Whoever was made known on one side since is no such case.
static void test_what_was_dropped_stays_away (void **unused)
{
    (void) unused;
    static const char before[] = "new alice " ALICE "\nallow alice get a\nnew bob " BOB "\nallow bob get b";
    for (int wins = 0; wins < 2; wins++) {
        zb_rights_t *copy = zb_rights_new (), *whole = zb_rights_new ();
        zb_rights_t *winner = wins ? copy : whole, *loser = wins ? whole : copy;
        s_say (copy, 0, before);
        s_say (whole, 0, before);
        s_say (whole, 0, "revoke alice");
        s_say (whole, 0, "drop alice");
        s_say (copy, wins ? 1 : 2, "new dave " STRANGER "\nallow dave get d");
        s_say (whole, wins ? 2 : 1, "new carol " CAROL "\nallow carol get c");
        zb_rights_broker (winner, "$backup", BROKER);
        zb_stamp_t now = {6, 30, 1};
        assert_true (zb_rights_merge (winner, loser, &now, s_knows, &s_handed));
        const zb_principal_t *alice = s_who (winner, ALICE);
        assert_true (!alice || alice->revoked);
        assert_true (zb_rights_allow (s_who (winner, BOB), ZB_RIGHT_GET, zb_frame ("b")));
        assert_true (zb_rights_allow (s_who (winner, CAROL), ZB_RIGHT_GET, zb_frame ("c")));
        assert_true (zb_rights_allow (s_who (winner, STRANGER), ZB_RIGHT_GET, zb_frame ("d")));
        assert_false (s_who (winner, BROKER)->revoked);
        zb_rights_destroy (&copy);
        zb_rights_destroy (&whole);
    }
}

static void test_what_both_sides_have_changed_is_the_winners (void **unused)
{
    (void) unused;
    zb_rights_t *winner = zb_rights_new (), *loser = zb_rights_new ();
    s_say (winner, 0, "new alice " ALICE);
    s_say (loser, 0, "new alice " ALICE);
    s_say (winner, 1, "allow alice get w\nnew bob " BOB);
    s_say (loser, 2, "allow alice get l\nnew bob " CAROL);
    zb_stamp_t now = {6, 30, 1};
    assert_false (zb_rights_merge (winner, loser, &now, s_knows, &s_handed));
    assert_true (zb_rights_allow (s_who (winner, ALICE), ZB_RIGHT_GET, zb_frame ("w")));
    assert_false (zb_rights_allow (s_who (winner, ALICE), ZB_RIGHT_GET, zb_frame ("l")));
    assert_null (s_who (winner, CAROL));
    zb_rights_destroy (&winner);
    zb_rights_destroy (&loser);
}

//  One of each; they are in the row, and go as they came.
static void test_limits (void **unused)
{
    (void) unused;
    zb_rights_t *self = s_company ();
    assert_non_null (strstr (s_change (self, "allow alice requests 0"), "not a number of 1 to"));
    assert_non_null (strstr (s_change (self, "allow alice bytes 1000000000001"), "not a number of 1 to"));
    assert_non_null (strstr (s_change (self, "allow alice connections *"), "not a number of 1 to"));
    assert_null (s_change (self, "allow alice requests 10\nallow alice bytes 20\nallow alice requests 30"));
    size_t size;
    char *row = zb_rights_encode (self, &size);
    assert_non_null (strstr (row, "bytes=20 requests=30"));
    assert_null (strstr (row, "requests=10"));
    assert_int_equal (zb_rights_decode (self, row, size), 0);
    free (row);
    assert_int_equal (s_who (self, ALICE)->limit[ZB_LIMIT_REQUESTS], 30);
    assert_int_equal (s_who (self, ALICE)->limit[ZB_LIMIT_BYTES], 20);
    assert_int_equal (s_who (self, ALICE)->limit[ZB_LIMIT_CONNECTIONS], 0);
    assert_int_equal (s_who (self, BOB)->limit[ZB_LIMIT_REQUESTS], 0);
    assert_non_null (strstr (s_change (self, "deny alice requests 10"), "has no rule requests=10"));
    assert_null (s_change (self, "deny alice requests 30"));
    assert_int_equal (s_who (self, ALICE)->limit[ZB_LIMIT_REQUESTS], 0);
    assert_int_equal (zb_rights_level (zb_frame ("new requests " STRANGER "\nallow requests put requests")), 2);
    assert_int_equal (zb_rights_level (zb_frame ("deny alice bytes 20")), 3);
    zb_rights_destroy (&self);
}

//  While a broker's key is changed its file has two.
static void test_a_file_with_two_keys (void **unused)
{
    (void) unused;
    for (int former = 0; former < 2; former++) {
        zb_keyfile_t file = {.former = former}, read;
        char text[ZB_KEYFILE_MAX];
        strcpy (file.public_key, ALICE);
        strcpy (file.secret_key, BOB);
        zb_keyfile_format (&file, text, sizeof text);
        assert_null (zb_keyfile_parse (&read, text));
        assert_string_equal (read.other_secret, "");
        strcpy (file.other_public, CAROL);
        strcpy (file.other_secret, STRANGER);
        zb_keyfile_format (&file, text, sizeof text);
        assert_null (zb_keyfile_parse (&read, text));
        assert_string_equal (read.public_key, ALICE);
        assert_string_equal (read.secret_key, BOB);
        assert_string_equal (read.other_public, CAROL);
        assert_string_equal (read.other_secret, STRANGER);
        assert_int_equal (read.former, former);
        *strrchr (text, '=') = '#';
        assert_non_null (zb_keyfile_parse (&read, text));
    }
}

//  As many rules of the longest names as one may have, for "NAME RIGHT".
static char *s_allow (char *lines, const char *whom)
{
    char *end = lines;
    for (int index = 0; index < ZB_RULES_MAX; index++)
        end += sprintf (end, "%sallow %s %0*d", index ? "\n" : "", whom, ZB_NAME_MAX, index);
    return lines;
}

static void test_each_bound_is_kept (void **unused)
{
    (void) unused;
    zb_rights_t *self = zb_rights_new ();
    char line[ZB_NAME_MAX + 100];
    //  Many at once: each change reads all that there is.
    char *lines = (char *) malloc ((ZB_PRINCIPALS_MAX + ZB_RULES_MAX) * sizeof line), *end = lines;
    assert_non_null (lines);
    for (int index = 0; index < ZB_PRINCIPALS_MAX; index++)
        end += sprintf (end, "%snew p%04d %040d", index ? "\n" : "", index, index);
    assert_null (s_change (self, lines));
    assert_non_null (strstr (s_change (self, "new alice " ALICE), "no more are allowed"));
    assert_null (s_change (self, "revoke p0700"));
    assert_non_null (strstr (s_change (self, "new alice " ALICE), "no more are allowed"));
    assert_null (s_change (self, "drop p0700\nnew alice " ALICE));
    assert_non_null (strstr (s_change (self, "new bob " BOB), "no more are allowed"));
    assert_null (s_change (self, s_allow (lines, "p0500 get")));
    assert_non_null (strstr (s_change (self, "allow p0500 get x"), "no more are allowed"));
    snprintf (line, sizeof line, "allow p0501 get %0*d", ZB_NAME_MAX + 1, 1);
    assert_non_null (strstr (s_change (self, line), "longer than 255 bytes"));
    //  All of it together has a bound, too.
    const char *why = NULL;
    int who = 0;
    for (; !why && who < 40; who++) {
        snprintf (line, sizeof line, "p%04d put", who);
        why = s_change (self, s_allow (lines, line));
    }
    assert_non_null (why);
    why = NULL;
    for (int index = 0; !why && index < ZB_RULES_MAX; index++) {
        snprintf (line, sizeof line, "allow p%04d put %0*d", who - 1, ZB_NAME_MAX, index);
        why = s_change (self, line);
    }
    assert_non_null (why);
    assert_non_null (strstr (why, "are allowed"));
    size_t size;
    free (zb_rights_encode (self, &size));
    assert_true (size <= ZB_RIGHTS_MAX && size > ZB_RIGHTS_MAX - 1024);
    char name[ZB_PRINCIPAL_NAME_MAX + 2];
    memset (name, 'n', sizeof name);
    name[ZB_PRINCIPAL_NAME_MAX + 1] = 0;
    snprintf (line, sizeof line, "new %s " ALICE, name);
    assert_non_null (strstr (s_change (self, line), "longer than 64 bytes"));
    free (lines);
    zb_rights_destroy (&self);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_each_principal_verb_and_name),
        cmocka_unit_test (test_a_put_with_acks_takes_two_rights),
        cmocka_unit_test (test_a_target_takes_two_rights),
        cmocka_unit_test (test_a_client_without_a_name_needs_no_leave_to_come),
        cmocka_unit_test (test_a_pattern_covers_names_and_patterns),
        cmocka_unit_test (test_a_change_is_made_wholly_or_not_at_all),
        cmocka_unit_test (test_rules_come_and_go),
        cmocka_unit_test (test_a_key_that_is_known_may_be_told_again),
        cmocka_unit_test (test_whoever_is_revoked_may_nothing_and_is_remembered),
        cmocka_unit_test (test_what_was_revoked_can_be_dropped),
        cmocka_unit_test (test_the_row_comes_back_and_brokers_stay_out_of_it),
        cmocka_unit_test (test_a_malformed_row_changes_nothing),
        cmocka_unit_test (test_what_takes_a_right_away_is_known),
        cmocka_unit_test (test_a_split_is_mended),
        cmocka_unit_test (test_what_was_dropped_stays_away),
        cmocka_unit_test (test_what_both_sides_have_changed_is_the_winners),
        cmocka_unit_test (test_limits),
        cmocka_unit_test (test_a_file_with_two_keys),
        cmocka_unit_test (test_each_bound_is_kept),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
