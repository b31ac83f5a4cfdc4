/*  =========================================================================
    test_merge - what the loser of a split sends: is it taken once, and wholly?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two engines with stores of their own: the primary wins, the backup loses.  Both have
    the same past, since the same was said to both.
*/

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/base/level.h"
#include "core/replay/replayer.h"
#include "core/queue/rows.h"
#include "rig.h"

static const uint8_t s_secret[ZB_SECRET_SIZE] = {7};

typedef struct {
    rig_t *rig;
    unsigned node;
    zb_lineage_t lineage;
} side_t;

static side_t s_winner, s_loser;
static unsigned s_reads; //  of the loser's store, by replayers

//  Leads from its store in the epoch of this number, alone.
static void s_lead_in (side_t *self, uint64_t number)
{
    rig_t *rig = self->rig;
    uint64_t commit = fake_store_newest (rig->store);
    zb_lineage_raise_to (&self->lineage, number, self->node, commit + 1);
    size_t size = 0;
    const uint8_t *row = fake_store_get (rig->store, ZB_META, ZB_META_COMMIT, strlen (ZB_META_COMMIT), &size);
    if (row)
        self->lineage.epoch[self->lineage.size - 1].before = zb_get64 (row + 8);
    zb_engine_destroy (&rig->engine);
    rig->engine = zb_engine_new (&rig->limits, self->node);
    zb_engine_endpoints (rig->engine, "tcp://a", "tcp://b");
    zb_engine_lead (rig->engine, number, commit, s_secret);
    zb_engine_lineage (rig->engine, &self->lineage);
    zb_engine_keep (rig->engine, ZB_KEEP_WRITE);
    rig->sync_there = false;
    rig_rule (rig, ZB_RELEASE_HERE);
    rig_skip (rig);
}

static void s_lead (side_t *self)
{
    s_lead_in (self, zb_lineage_newest (&self->lineage).number + 1);
}

static void s_say (side_t *self, const char *client, const char *line)
{
    rig_say (self->rig, client, line);
}

//  Ends a rig whose engine was replaced.
static void s_close (void)
{
    rig_destroy (&s_winner.rig);
    rig_destroy (&s_loser.rig);
}

//  Both sides in epoch 1 of the primary, with a past of four messages of q: 1:1 to 1:4, of which 1:3 and 1:4 share no row.
static void s_open_past (void)
{
    s_winner = (side_t){.rig = rig_new (NULL), .node = 1};
    s_loser = (side_t){.rig = rig_new (NULL), .node = 2};
    side_t *sides[] = {&s_winner, &s_loser};
    for (int index = 0; index < 2; index++) {
        rig_t *rig = sides[index]->rig;
        zb_lineage_raise (&sides[index]->lineage, 1, 1);
        rig_say (rig, "c", "HELLO|h");
        rig_say (rig, "c", "QUEUE|q|q|");
        rig_say (rig, "c", "PUT|1|q||one|two");
        rig_say (rig, "c", "PUT|1|q||three");
        rig_say (rig, "p", "HELLO|h|till||");
        rig_say (rig, "p", "PUT|1|q||till 1");
        rig_skip (rig);
    }
}

//  The same, and both lead alone from there.
static void s_open (void)
{
    s_open_past ();
    side_t *sides[] = {&s_winner, &s_loser};
    for (int index = 0; index < 2; index++) {
        s_lead (sides[index]);
        s_say (sides[index], "c", "HELLO|h");
        s_say (sides[index], "p", "HELLO|h|till||1.1");
        rig_skip (sides[index]->rig);
    }
}

//  The same past; then the primary goes on in its epoch, and the backup, which has followed it so far, leads by an
//  operator's word: so the winner has lived through a part of the loser's newest epoch.
static void s_open_promoted (void)
{
    s_open_past ();
    side_t winner = s_loser;
    s_loser = s_winner;
    s_winner = winner;
    zb_engine_lineage (s_loser.rig->engine, &s_loser.lineage);
    zb_engine_keep (s_loser.rig->engine, ZB_KEEP_WRITE);
    s_lead (&s_winner);
    s_say (&s_winner, "c", "HELLO|h");
}

//  Sends what the loser has, at most `most` items; returns what the replayer said last.  Words of what was put aside go
//  to `aside`.
static zb_replayer_next_t s_replay_some (uint64_t most, char aside[64], zb_replayer_stats_t *stats)
{
    zb_replayer_t *replayer = zb_replayer_new (s_secret, &s_loser.lineage);
    zb_replayer_next_t next = ZB_REPLAYER_ON;
    zb_replayer_restart (replayer);
    uint64_t sent = 0;
    *aside = 0;
    for (int idle = 0; idle < 3 && (next == ZB_REPLAYER_ON || next == ZB_REPLAYER_ASIDE) && sent < most; idle++) {
        zb_read_t *read = zb_replayer_read (replayer, -2);
        if (read) {
            s_reads++;
            fake_store_read (s_loser.rig->store, read);
            zb_replayer_found (replayer, &read);
            idle = 0;
        }
        char mac[ZB_ITEM_MAC_SIZE], id[21];
        uint64_t n = 0;
        const zb_row_t *item = zb_replayer_item (replayer, &n, mac);
        if (!item)
            continue;
        idle = 0;
        sent++;
        zb_number_format (n + 1, id);
        zb_frame_t frames[] = {
            zb_frame ("ZB1"), zb_frame ("REPLAY"), zb_frame (id), {item->data, item->size}, {mac, sizeof mac}};
        zb_request_t request;
        zb_spans_t ids = {NULL, 0, 0};
        const char *why;
        assert_int_equal (zb_request_parse (&request, &ids, frames, 5, &s_winner.rig->limits, &why), 0);
        rig_skip (s_winner.rig);
        size_t before = s_winner.rig->count;
        request.from.routing = zb_frame ("loser");
        zb_engine_request (s_winner.rig->engine, &request, s_winner.rig->now);
        rig_run (s_winner.rig);
        assert_int_equal (s_winner.rig->count, before + 1);
        const zb_answer_t *answer = &s_winner.rig->replies[before].answer;
        next = zb_replayer_answer (replayer, n, answer);
        zb_aside_t what;
        if (next == ZB_REPLAYER_ASIDE && zb_replayer_aside (replayer, &what)) {
            snprintf (aside + strlen (aside), 64 - strlen (aside), "%s ", what.word);
            zb_replayer_put_aside (replayer, 1);
        }
    }
    zb_replayer_stats (replayer, stats);
    assert_null (zb_replayer_fault (replayer));
    zb_replayer_destroy (&replayer);
    rig_skip (s_winner.rig);
    return next;
}

static void s_absorb (void)
{
    zb_lineage_t loser;
    assert_true (zb_engine_absorbs (s_winner.rig->engine, &loser));
    zb_lineage_absorb_all (&s_winner.lineage, &loser);
    zb_engine_lineage (s_winner.rig->engine, &s_winner.lineage);
}

static void s_replay (const char *aside)
{
    char words[64];
    zb_replayer_stats_t stats;
    //  More items than any test has.
    assert_int_equal (s_replay_some (1000, words, &stats), ZB_REPLAYER_DONE);
    assert_string_equal (words, aside);
    s_absorb ();
}

//  Sends items until the winner has taken so many messages; END is not among them.
static void s_replay_messages (uint64_t messages)
{
    char words[64];
    zb_replayer_stats_t stats;
    uint64_t before = rig_stats (s_winner.rig).replayed;
    //  BEGIN and one more.
    for (int turn = 0; turn < 100 && rig_stats (s_winner.rig).replayed < before + messages; turn++)
        assert_int_equal (s_replay_some (2, words, &stats), ZB_REPLAYER_ON);
    assert_int_equal (rig_stats (s_winner.rig).replayed, before + messages);
}

//  The winner of before has lost, since the other one has led again.
static void s_swap (void)
{
    side_t winner = s_loser;
    s_loser = s_winner;
    s_winner = winner;
}

//  What the winner delivers of a queue now, all of it; q if nothing else is said.
static void s_expect_of (const char *queue, const char *bodies)
{
    static unsigned number;
    char text[1024] = "", client[16];
    //  As long as items come a name without a token waits.
    rig_wait (s_winner.rig, 5000);
    rig_skip (s_winner.rig);
    //  On a new connection: what the reader was given before goes back.
    snprintf (client, sizeof client, "r%u", ++number);
    s_say (&s_winner, client, "HELLO|h|reader||");
    char line[40];
    snprintf (line, sizeof line, "GET|g|%s|100|0|", queue);
    s_say (&s_winner, client, line);
    const zb_answer_t *answer = &rig_last (s_winner.rig)->answer;
    if (answer->status == ZB_ANSWER_ERR) {
        assert_null (bodies);
        return;
    }
    assert_non_null (bodies);
    for (size_t index = 0; index < answer->bodies; index++)
        snprintf (text + strlen (text), sizeof text - strlen (text), "%s%.*s", index ? "," : "",
                  (int) answer->body[index].size, (const char *) answer->body[index].data);
    assert_string_equal (text, bodies);
}

static void s_expect (const char *bodies)
{
    s_expect_of ("q", bodies);
}

//  Messages with their ids, in their place: before what the winner has put since; and those that are done stay done.
static void test_messages_keep_their_ids (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_winner, "c", "PUT|1|q||mine");
    s_say (&s_loser, "c", "PUT|1|q||theirs|done|more");
    s_say (&s_loser, "c", "ACK|a|q|2b:2");
    s_replay ("");
    s_expect ("one,two,three,till 1,theirs,more,mine");
    rig_skip (s_winner.rig);
    s_say (&s_winner, "c", "ACK|a|q|2b:1 2b:3");
    rig_expect (s_winner.rig, "c> OK|a|solo");
    s_expect ("one,two,three,till 1,mine");
    s_close ();
}

//  Trace 7: an acknowledgement of the other side's message, before and after.
static void test_an_id_of_the_other_side_waits (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_winner, "c", "PUT|1|q||mine");
    s_say (&s_loser, "c", "PUT|1|q||theirs");
    rig_skip (s_winner.rig);
    s_say (&s_winner, "c", "ACK|a|q|2b:1");
    rig_expect (s_winner.rig, "c> ERR|a|503|merging*");
    s_say (&s_winner, "c", "GET|g|q|1|0|1:1 2b:1..2b:3");
    rig_expect (s_winner.rig, "c> ERR|g|503|merging*");
    s_say (&s_winner, "p", "PUT|2|q|acks=q 2b:1|late");
    rig_expect (s_winner.rig, "p> ERR|2|503|merging*");
    s_replay ("");
    s_say (&s_winner, "c", "ACK|a|q|2b:1");
    rig_expect (s_winner.rig, "c> OK|a|solo");
    s_expect ("one,two,three,till 1,mine");
    s_close ();
}

//  S3: an epoch above the own one is the other side's as well.  In sync there is no other side: what nobody has is gone.
static void test_an_id_of_a_larger_epoch_waits (void **state)
{
    (void) state;
    s_open ();
    s_lead (&s_loser);
    s_say (&s_loser, "c", "HELLO|h");
    s_say (&s_loser, "c", "PUT|1|q||theirs");
    static const char *const ids[] = {"3b:1", "1:1 3b:1", "1:1..3b:1", "4:1"};
    for (size_t index = 0; index < sizeof ids / sizeof *ids; index++) {
        char line[40];
        rig_skip (s_winner.rig);
        snprintf (line, sizeof line, "ACK|a|q|%s", ids[index]);
        s_say (&s_winner, "c", line);
        rig_expect (s_winner.rig, "c> ERR|a|503|merging*");
    }
    s_say (&s_winner, "c", "NACK|n|q|3b:1");
    rig_expect (s_winner.rig, "c> ERR|n|503|merging*");
    s_say (&s_winner, "c", "REJECT|r|q|1:1 3b:1");
    rig_expect (s_winner.rig, "c> ERR|r|503|merging*");
    s_say (&s_winner, "c", "MOVE|m|q|r|3b:1|1");
    rig_expect (s_winner.rig, "c> ERR|m|503|merging*");
    s_lead_in (&s_winner, 4);
    s_say (&s_winner, "c", "HELLO|h");
    //  What is named is judged, also if a range of known ends has it in its middle.
    rig_skip (s_winner.rig);
    s_say (&s_winner, "c", "ACK|a|q|1:1..4:1 3b:1");
    rig_expect (s_winner.rig, "c> ERR|a|503|merging*");
    s_replay ("");
    rig_skip (s_winner.rig);
    s_say (&s_winner, "c", "ACK|a|q|3b:1");
    rig_expect (s_winner.rig, "c> OK|a|solo");
    s_expect ("one,two,three,till 1");
    zb_engine_keep (s_winner.rig->engine, ZB_KEEP_NOTE);
    rig_skip (s_winner.rig);
    s_say (&s_winner, "c", "ACK|a|q|9b:1");
    rig_expect (s_winner.rig, "c> OK|a|solo");
    s_close ();
}

//  Trace 8: acknowledgements of messages that both had: of a row that is gone, of a part of one, of a whole queue.
static void test_what_the_loser_acknowledged_stays_away (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_loser, "c", "ACK|a|q|1:2..1:3");
    s_replay ("");
    s_expect ("one,till 1");
    s_close ();
    s_open ();
    s_say (&s_winner, "c", "PUT|1|q||mine");
    s_say (&s_loser, "c", "PURGE|p|q");
    s_say (&s_loser, "c", "PUT|1|q||theirs");
    s_replay ("");
    s_expect ("theirs,mine");
    s_close ();
    s_open ();
    s_say (&s_loser, "c", "DELETE|d|q");
    s_say (&s_winner, "c", "PUT|1|q||mine");
    s_replay ("");
    s_expect ("mine");
    s_close ();
}

//  The options of a queue, as the winner lists them.
static void s_expect_options (const char *queue, const char *lines)
{
    char line[40];
    snprintf (line, sizeof line, "LIST|l|%s", queue);
    rig_skip (s_winner.rig);
    s_say (&s_winner, "c", line);
    const zb_answer_t *answer = &rig_last (s_winner.rig)->answer;
    if (!lines) {
        assert_int_equal (answer->args, 0);
        return;
    }
    assert_int_equal (answer->args, 2);
    assert_memory_equal (answer->arg[1].data, lines, strlen (lines));
}

//  S9: options that the loser alone has changed are the queue's; if both have, the winner's are.
static void test_options (void **state)
{
    (void) state;
    for (int rounds = 0; rounds < 2; rounds++)
        for (int who = 0; who < 4; who++) {
            s_open ();
            if (who & 1)
                s_say (&s_loser, "c", "QUEUE|q|q|lease=1000");
            if (who & 2)
                s_say (&s_winner, "c", "QUEUE|q|q|lease=2000");
            s_say (&s_loser, "c", "QUEUE|n|new|lease=3000");
            if (rounds) {
                char words[64];
                zb_replayer_stats_t stats;
                s_replay_some (3, words, &stats);
                s_lead (&s_winner);
                s_lead (&s_loser);
                s_say (&s_winner, "c", "HELLO|h");
                s_say (&s_loser, "c", "HELLO|h");
                s_say (&s_loser, "c", "QUEUE|n|new|lease=4000");
                if (who & 1)
                    s_say (&s_loser, "c", "QUEUE|q|q|lease=1500");
            }
            s_replay ("");
            s_expect_options ("q", who & 2 ? "lease=2000\n" : who == 0 ? "lease=30000\n" : rounds ? "lease=1500\n" : "lease=1000\n");
            s_expect_options ("new", rounds ? "lease=4000\n" : "lease=3000\n");
            s_close ();
        }
}

//  S9: a queue that the loser has deleted is deleted, unless something is in it, or was asked of it, or waits for it.
static void test_a_deleted_queue (void **state)
{
    (void) state;
    static const struct {
        const char *winner, *loser; //  what they say; then the loser deletes q, then it says the last
        const char *again, *then;   //  what is in it in the end
    } cases[] = {
        {NULL, NULL, NULL, NULL},
        {NULL, "PUT|1|q||theirs", NULL, NULL},
        {"PUT|1|q||mine", NULL, NULL, "mine"},
        {"QUEUE|q|q|", NULL, NULL, ""},
        {"QUEUE|q|q|lease=5", NULL, NULL, ""},
        {"GET|g|q|0|0|", NULL, NULL, ""},
        {NULL, NULL, "QUEUE|q|q|", ""},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        for (int rounds = 0; rounds < 2; rounds++) {
            s_open ();
            if (cases[index].winner)
                s_say (&s_winner, "c", cases[index].winner);
            if (cases[index].loser)
                s_say (&s_loser, "c", cases[index].loser);
            s_say (&s_loser, "c", "QUEUE|o|other|");
            if (rounds) {
                char words[64];
                zb_replayer_stats_t stats;
                s_replay_some (4, words, &stats);
                s_lead (&s_loser);
                s_say (&s_loser, "c", "HELLO|h");
            }
            s_say (&s_loser, "c", "DELETE|d|q");
            if (cases[index].again)
                s_say (&s_loser, "c", cases[index].again);
            if (rounds) {
                s_lead_in (&s_winner, 9);
                s_say (&s_winner, "c", "HELLO|h");
                if (cases[index].winner && strncmp (cases[index].winner, "PUT", 3))
                    s_say (&s_winner, "c", cases[index].winner);
            }
            s_replay ("");
            s_expect_options ("q", cases[index].then ? "lease=" : NULL);
            s_expect (cases[index].then);
            s_close ();
        }
}

//  One that the winner has deleted stays away, unless the loser has made or changed it since, or put something in.
static void test_a_queue_that_the_winner_deleted (void **state)
{
    (void) state;
    static const char *const loser[] = {"ACK|a|q|1:1", "PUT|1|q||theirs", "QUEUE|q|q|lease=5"};
    static const char *const then[] = {NULL, "theirs", ""};
    for (size_t index = 0; index < 3; index++) {
        s_open ();
        s_say (&s_winner, "c", "DELETE|d|q");
        s_say (&s_loser, "c", loser[index]);
        s_replay ("");
        s_expect (then[index]);
        s_close ();
    }
}

//  Trace 8: what was on its way when the loser went alone was answered OK solo, and is in the journal.
static void test_what_was_on_its_way_is_told (void **state)
{
    (void) state;
    s_open ();
    //  The loser was in sync with nobody: take it back to before, and have it go alone while an ACK is on its way.
    zb_engine_keep (s_loser.rig->engine, ZB_KEEP_NOTE);
    rig_rule (s_loser.rig, ZB_RELEASE_BOTH);
    s_loser.rig->sync_here = false;
    s_say (&s_loser, "c", "ACK|a|q|1:3");
    zb_engine_keep (s_loser.rig->engine, ZB_KEEP_WRITE);
    s_loser.rig->sync_here = true;
    rig_rule (s_loser.rig, ZB_RELEASE_HERE);
    s_say (&s_loser, "c", "PUT|1|q||theirs");
    s_replay ("");
    s_expect ("one,two,till 1,theirs");
    s_close ();
}

//  Traces 4 and 6: one PUT sent to both sides is one message; two under one number are two, and one of them goes aside.
static void test_producers (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_winner, "p", "PUT|2|q||same");
    s_say (&s_winner, "p", "PUT|3|q||of the winner");
    s_say (&s_loser, "p", "PUT|2|q||same");
    s_say (&s_loser, "p", "PUT|3|q||of the loser");
    s_say (&s_loser, "p", "PUT|4|q||four");
    s_say (&s_loser, "p", "PUT|5|q||five");
    s_replay ("conflict ");
    s_expect ("one,two,three,till 1,four,five,same,of the winner");
    rig_skip (s_winner.rig);
    s_say (&s_winner, "p2", "HELLO|h|till||1.1");
    rig_expect (s_winner.rig, "p2> OK|h|1.1|5|tcp://a|tcp://b");
    s_say (&s_winner, "p2", "PUT|5|q||five");
    rig_expect (s_winner.rig, "p2> OK|5|solo|2b:*");
    s_say (&s_winner, "p2", "PUT|4|q||other");
    rig_expect (s_winner.rig, "p2> ERR|4|409|6");
    s_close ();
}

//  A PUT that takes several rows.
//  One that acknowledges, sent to both sides, is one PUT, too, though its acks are stored nowhere; with other acks it is
//  another one.
static void test_a_put_with_acks_on_both_sides (void **state)
{
    (void) state;
    for (int same = 0; same < 2; same++) {
        s_open ();
        s_say (&s_winner, "p", "PUT|2|q|acks=q 1:1\na=b|made of one");
        s_say (&s_loser, "p", same ? "PUT|2|q|acks=q 1:1\na=b|made of one" : "PUT|2|q|acks=q 1:2\na=b|made of one");
        s_replay (same ? "" : "conflict ");
        assert_int_equal (rig_stats (s_winner.rig).replayed_twice, same);
        //  What both have named is done; so is what the loser's alone did, whose result was put aside.
        s_expect (same ? "two,three,till 1,made of one" : "three,till 1,made of one");
        s_close ();
    }
}

//  Dead letters come as messages do, before what they were is done: whenever it is interrupted nothing is lost.  They carry
//  no producer, so that they are not taken for another PUT of its number; and where they go to comes as all options do.
static void test_dead_letters (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_loser, "c", "QUEUE|o|q|dead-letter=bin");
    s_say (&s_loser, "c", "REJECT|r|q|1:2 1:4");
    s_replay_messages (2);
    s_expect_of ("bin", "two,till 1");
    s_expect ("one,two,three,till 1");
    s_replay ("");
    s_expect ("one,three");
    s_say (&s_winner, "c", "REJECT|r|q|1:1");
    s_expect ("one,three"); //  the reader has it
    s_say (&s_winner, "reader", "HELLO|h|reader||");
    s_say (&s_winner, "reader", "REJECT|r|q|1:1");
    s_expect ("three");
    s_expect_of ("bin", "two,till 1,one");
    s_close ();
    //  Each side for itself.
    s_open ();
    s_say (&s_winner, "c", "REJECT|r|q|1:1");
    s_say (&s_loser, "c", "REJECT|r|q|1:1");
    s_say (&s_loser, "p", "PUT|2|q||till 2");
    s_replay ("");
    s_expect ("two,three,till 1,till 2");
    s_expect_of ("q.dead", "one,one");
    s_close ();
}

//  What the loser has moved is where it went; what both have moved is there twice, and what one has moved and the other has
//  acknowledged is there.  Nothing is gone, whenever it is interrupted.
static void test_what_was_moved (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_loser, "c", "QUEUE|o|r|");
    s_say (&s_loser, "c", "MOVE|m|q|r||2");
    s_say (&s_winner, "c", "ACK|a|q|1:1");
    s_replay_messages (2);
    s_expect_of ("r", "one,two");
    s_expect ("two,three,till 1");
    s_replay ("");
    s_expect ("three,till 1");
    s_expect_of ("r", "one,two");
    s_close ();
    s_open ();
    s_say (&s_winner, "c", "QUEUE|o|r|");
    s_say (&s_loser, "c", "QUEUE|o|r|");
    s_say (&s_winner, "c", "MOVE|m|q|r||1");
    s_say (&s_loser, "c", "MOVE|m|q|r||2");
    s_replay ("");
    s_expect_of ("r", "one,two,one");
    s_expect ("three,till 1");
    s_close ();
}

static void s_put_large (side_t *self, const char *client, const char *id, size_t count)
{
    rig_put (self->rig, client, id, "q", count, 100 << 10);
    rig_run (self->rig);
}

//  S9: a PUT that takes several rows, sent to both sides, is one PUT: nothing is put aside, nothing is there twice; and
//  another one under its number is another one, as a whole.
static void test_a_put_of_several_rows (void **state)
{
    (void) state;
    s_open ();
    s_put_large (&s_winner, "p", "2", 8);
    s_put_large (&s_loser, "p", "2", 8);
    s_say (&s_loser, "p", "PUT|3|q||three");
    s_replay ("");
    assert_int_equal (rig_stats (s_winner.rig).replayed_twice, 8);
    assert_int_equal (rig_stats (s_winner.rig).replayed, 1);
    //  In pieces, some of which the loser has acknowledged: what is left is a duplicate all the same.
    s_close ();
    s_open ();
    s_put_large (&s_winner, "p", "2", 8);
    s_put_large (&s_loser, "p", "2", 8);
    s_say (&s_loser, "c", "ACK|a|q|2b:1..2b:3 2b:5");
    s_replay ("");
    assert_int_equal (rig_stats (s_winner.rig).replayed_twice, 4);
    assert_int_equal (rig_stats (s_winner.rig).replayed, 0);
    s_close ();
    s_open ();
    s_put_large (&s_winner, "p", "2", 7);
    s_put_large (&s_loser, "p", "2", 8);
    s_replay ("conflict conflict conflict conflict ");
    assert_int_equal (rig_stats (s_winner.rig).replayed, 0);
    s_close ();
}

//  S10: an instance that the loser has given is given to nobody else, used or not, with a PUT or without.
static void test_instances (void **state)
{
    (void) state;
    s_open ();
    //  Given, and not used yet; given, and used without a PUT.
    s_say (&s_loser, "x", "HELLO|h|till||");
    s_say (&s_loser, "y", "HELLO|h|taker||");
    s_say (&s_loser, "y", "GET|g|q|0|0|");
    s_say (&s_loser, "z", "HELLO|h|new||");
    s_replay ("");
    rig_wait (s_winner.rig, 5000);
    rig_skip (s_winner.rig);
    s_say (&s_winner, "x2", "HELLO|h|till||");
    rig_expect (s_winner.rig, "x2> OK|h|2.1|1|*");
    s_say (&s_winner, "y2", "HELLO|h|taker||");
    rig_expect (s_winner.rig, "y2> OK|h|2.2|0|*");
    s_say (&s_winner, "z2", "HELLO|h|new||");
    rig_expect (s_winner.rig, "z2> OK|h|2.3|0|*");
    //  The one of the loser's side has the name as soon as it says more.
    s_say (&s_winner, "x", "HELLO|h|till||2b.1");
    s_say (&s_winner, "p", "HELLO|h|till||1.1");
    rig_expect (s_winner.rig, "x> OK|h|2b.1|1|*");
    rig_expect (s_winner.rig, "p> ERR|h|409|fenced*");
    s_close ();
}

//  S2: a number is used as soon as its message is here, though the merge stops before it comes to names: by a session of
//  before, by a new one, after a restart.
static void test_a_number_is_known_with_its_message (void **state)
{
    (void) state;
    for (int how = 0; how < 3; how++) {
        s_open ();
        s_say (&s_loser, "p", "PUT|2|q||same");
        s_put_large (&s_loser, "p", "3", 8);
        s_replay_messages (9);
        if (how == 2)
            s_lead (&s_winner);
        rig_wait (s_winner.rig, how ? 5000 : 0);
        rig_skip (s_winner.rig);
        if (how) {
            s_say (&s_winner, "p2", "HELLO|h|till||1.1");
            rig_expect (s_winner.rig, "p2> OK|h|1.1|3|*");
        }
        const char *client = how ? "p2" : "p";
        s_say (&s_winner, client, "PUT|2|q||same");
        rig_expect (s_winner.rig, how ? "p2> OK|2|solo|2b:1|2b:1|duplicate" : "p> OK|2|solo|2b:1|2b:1|duplicate");
        s_put_large (&s_winner, client, "3", 8);
        rig_expect (s_winner.rig, how ? "p2> OK|3|solo|2b:2|2b:9|duplicate" : "p> OK|3|solo|2b:2|2b:9|duplicate");
        s_say (&s_winner, client, "PUT|4|q||four");
        rig_expect (s_winner.rig, how ? "p2> OK|4|solo|*" : "p> OK|4|solo|*");
        s_close ();
    }
}

//  The same of a name that the winner has never heard.
static void test_a_number_of_a_new_name (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_loser, "n", "HELLO|h|new||");
    s_say (&s_loser, "n", "PUT|1|q||new 1");
    s_replay_messages (1);
    s_lead (&s_winner);
    rig_skip (s_winner.rig);
    s_say (&s_winner, "n", "HELLO|h|new||2b.1");
    rig_expect (s_winner.rig, "n> OK|h|2b.1|1|*");
    s_say (&s_winner, "n", "PUT|1|q||new 1");
    rig_expect (s_winner.rig, "n> OK|1|solo|2b:1|2b:1|duplicate");
    s_close ();
}

//  A number between two that came is expected as before, until its message comes.
static void test_a_number_that_is_missing_yet (void **state)
{
    (void) state;
    for (int restart = 0; restart < 2; restart++) {
        s_open ();
        s_say (&s_loser, "c", "QUEUE|r|r|");
        s_say (&s_loser, "p", "PUT|2|q||two of both");
        s_say (&s_loser, "p", "PUT|3|r||three");
        s_say (&s_loser, "p", "PUT|4|q||four");
        s_replay_messages (2);
        if (restart)
            s_lead (&s_winner);
        rig_wait (s_winner.rig, 5000);
        rig_skip (s_winner.rig);
        s_say (&s_winner, "p2", "HELLO|h|till||1.1");
        rig_expect (s_winner.rig, "p2> OK|h|1.1|2|*");
        s_say (&s_winner, "p2", "PUT|5|q||five");
        rig_expect (s_winner.rig, "p2> ERR|5|409|3");
        s_say (&s_winner, "p2", "PUT|3|r||three");
        rig_expect (s_winner.rig, restart ? "p2> OK|3|solo|3:1|3:1" : "p2> OK|3|solo|2:1|2:1");
        s_say (&s_winner, "p2", "PUT|4|q||four");
        rig_expect (s_winner.rig, "p2> OK|4|solo|2b:3|2b:3|duplicate");
        s_replay ("");
        s_expect_of ("r", "three");
        s_expect ("one,two,three,till 1,two of both,four");
        s_close ();
    }
}

//  An active broker that the loser waits for must not be handed over, nor drain for ever: but only until the replay ends.
static void test_nobody_waits_for_a_replay_that_has_ended (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_loser, "p", "PUT|2|q||two");
    s_replay_messages (1);
    zb_engine_keep (s_winner.rig->engine, ZB_KEEP_NOTE);
    assert_true (zb_engine_loser_waits (s_winner.rig->engine));
    zb_engine_keep (s_winner.rig->engine, ZB_KEEP_WRITE);
    s_replay ("");
    zb_engine_keep (s_winner.rig->engine, ZB_KEEP_NOTE);
    assert_false (zb_engine_loser_waits (s_winner.rig->engine));
    s_close ();
}

//  A duplicate is not here under the loser's id: what is done of the row around it is not said of it.  Else the only copy
//  of a message would go when roles are swapped.
static void test_a_duplicate_amid_a_row (void **state)
{
    (void) state;
    for (int acked = 0; acked < 2; acked++) {
        s_open ();
        s_say (&s_winner, "p", "PUT|2|q||same");
        //  One commit.
        rig_push (s_loser.rig, "c", "PUT|1|q||y 1|y 2");
        rig_push (s_loser.rig, "p", "PUT|2|q||same");
        rig_push (s_loser.rig, "p", "PUT|3|q||z");
        rig_run (s_loser.rig);
        s_replay_messages (3);
        s_lead (&s_winner);
        s_say (&s_winner, "w", "HELLO|h");
        if (acked) {
            s_say (&s_winner, "w", "GET|g|q|100|0|");
            s_say (&s_winner, "w", "PURGE|p|q");
        }
        s_lead_in (&s_loser, 9);
        s_say (&s_loser, "c", "HELLO|h");
        s_swap ();
        s_replay ("");
        s_expect (acked ? "same" : "one,two,three,till 1,y 1,y 2,same,z");
        s_close ();
    }
}

//  All of several rows goes aside, one after the other: none of them is an item that tells the winner how far the loser is.
static void test_rows_that_go_aside (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_winner, "p", "PUT|2|q||two of the winner");
    s_say (&s_winner, "p", "PUT|3|q||three of the winner");
    s_say (&s_winner, "p", "PUT|4|q||four of the winner");
    s_say (&s_loser, "p", "PUT|2|q||two of the loser");
    s_say (&s_loser, "p", "PUT|3|q||three of the loser");
    s_say (&s_loser, "p", "PUT|4|q||four of the loser");
    s_say (&s_loser, "p", "PUT|5|q||five");
    s_replay ("conflict conflict conflict ");
    s_expect ("one,two,three,till 1,five,two of the winner,three of the winner,four of the winner");
    s_close ();
}

//  What goes aside is not read again for each row behind it.
static void test_many_rows_that_go_aside (void **state)
{
    (void) state;
    enum { ROWS = 1000 };
    s_open ();
    for (int row = 2; row < 2 + ROWS; row++) {
        char line[40];
        snprintf (line, sizeof line, "PUT|%d|q||of the winner", row);
        s_say (&s_winner, "p", line);
        snprintf (line, sizeof line, "PUT|%d|q||of the loser", row);
        s_say (&s_loser, "p", line);
    }
    char words[64];
    zb_replayer_stats_t stats;
    s_reads = 0;
    assert_int_equal (s_replay_some (UINT64_MAX, words, &stats), ZB_REPLAYER_DONE);
    assert_int_equal (stats.aside, ROWS);
    assert_in_range (s_reads, ROWS, ROWS + 20);
    s_close ();
}

//  A replayer and a winner that is not there: its words.
typedef struct {
    zb_replayer_t *replayer;
    uint8_t position[ZB_POSITION_MAX]; //  of the newest item
    size_t size;
} talk_t;

//  Takes the next item, which must be this one: its kind and number, for a row its last id.
static void s_next_item (talk_t *self, zb_replay_kind_t kind, uint64_t n, uint64_t last)
{
    const zb_row_t *data = NULL;
    for (int turn = 0; turn < 10 && !data; turn++) {
        char mac[ZB_ITEM_MAC_SIZE];
        uint64_t number = 0;
        zb_read_t *read = zb_replayer_read (self->replayer, -2);
        if (read) {
            fake_store_read (s_loser.rig->store, read);
            zb_replayer_found (self->replayer, &read);
        }
        data = zb_replayer_item (self->replayer, &number, mac);
    }
    assert_non_null (data);
    zb_item_t item;
    zb_spans_t ids = {NULL, 0, 0};
    assert_null (zb_item_decode (&item, &ids, (zb_frame_t){data->data, data->size}));
    zb_spans_clear (&ids);
    assert_int_equal (item.kind, kind);
    assert_int_equal (item.n, n);
    assert_int_equal (item.last, last);
    self->size = item.position.size;
    memcpy (self->position, item.position.data, item.position.size);
}

//  BEGIN, which the winner answers: it has taken n items, the newest one at this position.
static void s_talk_begins (talk_t *self, uint64_t n, const talk_t *position)
{
    char number[21];
    uint8_t lineage[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE];
    size_t size = zb_lineage_encode (&s_winner.lineage, lineage);
    talk_t begin = {.replayer = self->replayer};
    s_next_item (&begin, ZB_REPLAY_BEGIN, 0, 0);
    zb_number_format (n, number);
    zb_frame_t arg[] = {zb_frame ("go"), zb_frame (number), {position->position, position->size}, {lineage, size}};
    zb_answer_t answer = {.status = ZB_ANSWER_OK, .arg = arg, .args = 4};
    assert_int_equal (zb_replayer_answer (self->replayer, 0, &answer), ZB_REPLAYER_ON);
}

//  The winner refuses a row while those before it are not on its disk yet.  It crashes: what it has lost comes again.
static void test_rows_before_one_that_goes_aside (void **state)
{
    (void) state;
    uint64_t base = zb_epoch_base (2, 2);
    for (int lost = 0; lost < 2; lost++) {
        s_open ();
        for (int row = 0; row < 4; row++)
            s_say (&s_loser, "c", "PUT|1|q||theirs");
        talk_t queue = {.replayer = zb_replayer_new (s_secret, &s_loser.lineage)}, none = queue;
        zb_replayer_restart (queue.replayer);
        talk_t one = queue, two = queue, three = queue, next = queue;
        s_talk_begins (&queue, 0, &none);
        s_next_item (&queue, ZB_REPLAY_QUEUE, 1, 0);
        s_next_item (&one, ZB_REPLAY_ROW, 2, base + 1);
        s_next_item (&two, ZB_REPLAY_ROW, 3, base + 2);
        s_next_item (&three, ZB_REPLAY_ROW, 4, base + 3);
        char text[64];
        snprintf (text, sizeof text, "conflict %llu", (unsigned long long) base + 2);
        zb_frame_t refusal[] = {zb_frame ("409"), zb_frame (text)};
        zb_answer_t answer = {.status = ZB_ANSWER_ERR, .arg = refusal, .args = 2, .code = ZB_CONFLICT};
        assert_int_equal (zb_replayer_answer (queue.replayer, 3, &answer), ZB_REPLAYER_ASIDE);
        zb_replayer_put_aside (queue.replayer, 1);
        s_talk_begins (&next, lost ? 1 : 2, lost ? &queue : &one);
        if (lost)
            s_next_item (&next, ZB_REPLAY_ROW, 2, base + 1);
        s_next_item (&next, ZB_REPLAY_ROW, 3, base + 3);
        s_next_item (&next, ZB_REPLAY_ROW, 4, base + 4);
        zb_replayer_destroy (&next.replayer);
        s_close ();
    }
}

//  One PUT that both sides have stored has two ids.  What was acknowledged at the loser under its own id leaves no trace
//  there that the winner could use: it is delivered again, once, and not lost.  Acknowledged at the winner, it stays away.
static void test_stored_on_both_and_acknowledged_on_one (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_winner, "p", "PUT|2|q||same");
    s_say (&s_loser, "p", "PUT|2|q||same");
    s_say (&s_loser, "c", "ACK|a|q|2b:1");
    s_replay ("");
    s_expect ("one,two,three,till 1,same");
    s_close ();
    s_open ();
    s_say (&s_winner, "p", "PUT|2|q||same");
    s_say (&s_winner, "c", "ACK|a|q|2:1");
    s_say (&s_loser, "p", "PUT|2|q||same");
    s_replay ("");
    s_expect ("one,two,three,till 1");
    s_close ();
}

//  A queue that is full takes what is replayed: acknowledgements that make room come behind the messages.  For clients it
//  is full.
static void test_a_full_queue (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_winner, "c", "QUEUE|q|q|max-messages=4");
    s_say (&s_loser, "c", "ACK|a|q|1:1..1:4");
    s_say (&s_loser, "c", "PUT|1|q||theirs");
    s_say (&s_loser, "c", "PUT|1|q||more");
    s_replay ("");
    s_expect ("theirs,more");
    s_close ();
    s_open ();
    s_say (&s_winner, "c", "QUEUE|q|q|max-messages=4");
    s_say (&s_loser, "c", "PUT|1|q||theirs");
    s_replay ("");
    s_expect ("one,two,three,till 1,theirs");
    rig_skip (s_winner.rig);
    s_say (&s_winner, "c", "PUT|1|q||mine");
    rig_expect (s_winner.rig, "c> ERR|1|429|*");
    s_close ();
}

//  A row of the loser's form comes in that of the winner's level; what the head says of its time goes along.
static void test_rows_take_the_form_of_the_level (void **state)
{
    (void) state;
    for (unsigned level = 1; level <= ZB_LEVEL_MOST; level++) {
        s_open ();
        zb_engine_time (s_loser.rig->engine, 5000, s_loser.rig->now);
        s_say (&s_loser, "c", "PUT|1|q||theirs");
        zb_engine_level (s_winner.rig->engine, level);
        s_replay ("");
        s_expect ("one,two,three,till 1,theirs");
        unsigned theirs = 0;
        for (size_t index = 0; index < fake_store_rows (s_winner.rig->store, ZB_LOG); index++) {
            size_t key_size = 0, size = 0;
            const uint8_t *key = fake_store_key (s_winner.rig->store, ZB_LOG, index, &key_size);
            const uint8_t *value = fake_store_get (s_winner.rig->store, ZB_LOG, key, key_size, &size);
            if (zb_epoch_node (zb_get64 (key + 4)) != 2)
                continue;
            theirs++;
            assert_int_equal (value[0], level < ZB_LEVEL_ROW_HEAD ? 1 : 2);
            if (level >= ZB_LEVEL_ROW_HEAD)
                assert_int_equal (zb_get64 (value + 16), 5000);
        }
        assert_int_equal (theirs, 1);
        s_close ();
    }
}

//  The option crosses a split; what was put before it was known here does not expire.
static void test_an_option_that_expires (void **state)
{
    (void) state;
    s_open ();
    for (int side = 0; side < 2; side++)
        zb_engine_time ((side ? s_loser : s_winner).rig->engine, 1000000, s_loser.rig->now);
    s_say (&s_loser, "c", "QUEUE|q|q|expires=5000");
    s_say (&s_loser, "c", "PUT|1|q||theirs");
    s_say (&s_winner, "c", "PUT|1|q|expires=1|mine");
    s_replay ("");
    rig_wait (s_winner.rig, 70000);
    zb_engine_time (s_winner.rig->engine, 1070000, s_winner.rig->now);
    s_say (&s_winner, "c", "PUT|1|q|expires=never|bad");
    rig_skip (s_winner.rig);
    s_say (&s_winner, "c", "LIST|l|q");
    rig_expect (s_winner.rig, "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=6\nleased=0\nwaiting=0\ngrace=5000\nexpires=5000");
    s_expect ("one,two,three,till 1,theirs,mine");
    s_close ();
}

//  Messages come first: what the loser has acknowledged is open as long as what it has stored is not all here.
static void test_messages_come_before_acknowledgements (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_loser, "c", "PUT|1|q||answer");
    s_say (&s_loser, "c", "ACK|a|q|1:1");
    s_replay_messages (1);
    s_expect ("one,two,three,till 1,answer");
    s_replay ("");
    s_expect ("two,three,till 1,answer");
    s_close ();
}

//  A replay that the first release has begun stands behind the acknowledgements, its second stage: the log is next.
static void test_a_replay_of_the_first_release (void **state)
{
    (void) state;
    static const uint8_t old[] = {0, 0, 0, 0, 0, 0, 0, 2, ZB_STAGE_OLD_ACKS, 0, 0, 0, 0, 'q', 0,
                                  0, 0, 1, 0, 0, 0, 0, 1};
    s_open ();
    s_say (&s_loser, "c", "ACK|a|q|1:1");
    s_say (&s_loser, "c", "PUT|1|q||theirs");
    zb_engine_meta (s_winner.rig->engine, "replay.2.2", old, sizeof old);
    s_say (&s_winner, "c", "PUT|1|q||mine");
    s_lead (&s_winner);
    s_say (&s_winner, "c", "HELLO|h");
    s_replay ("");
    s_expect ("two,three,till 1,theirs,mine");
    s_close ();
}

//  Interrupted after every number of items, and begun again: all is there once.
static void test_interrupted_anywhere (void **state)
{
    (void) state;
    bool done = false;
    for (uint64_t most = 1; !done; most++) {
        s_open ();
        s_say (&s_loser, "c", "ACK|a|q|1:1");
        for (int number = 0; number < 6; number++)
            s_say (&s_loser, "c", "PUT|1|q||theirs");
        s_say (&s_loser, "p", "PUT|2|q||till 2");
        char words[64];
        zb_replayer_stats_t stats;
        done = s_replay_some (most, words, &stats) == ZB_REPLAYER_DONE;
        //  The winner crashes: what was not synced would be gone, and what was told is in its table meta.
        if (!done) {
            s_lead (&s_winner);
            assert_int_equal (s_replay_some (UINT64_MAX, words, &stats), ZB_REPLAYER_DONE);
        }
        s_absorb ();
        s_expect ("two,three,till 1,theirs,theirs,theirs,theirs,theirs,theirs,till 2");
        s_close ();
    }
}

//  Trace 8, a second split in the middle: the loser leads again and acknowledges what the winner has taken already.
static void test_split_again_in_the_middle (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_loser, "c", "PUT|1|q||theirs 1");
    s_say (&s_loser, "c", "PUT|1|q||theirs 2");
    char words[64];
    zb_replayer_stats_t stats;
    //  BEGIN, the queue, and the first row.
    s_replay_some (3, words, &stats);
    assert_int_equal (stats.messages, 1);
    s_lead (&s_winner);
    s_lead (&s_loser);
    s_say (&s_loser, "c", "HELLO|h");
    s_say (&s_loser, "c", "ACK|a|q|2b:1");
    s_say (&s_loser, "c", "PUT|1|q||theirs 3");
    //  What the winner has taken is acknowledged at the winner, too.
    s_say (&s_winner, "c", "HELLO|h");
    s_replay ("");
    s_expect ("one,two,three,till 1,theirs 2,theirs 3");
    assert_null (fake_store_get (s_winner.rig->store, ZB_META, "replay.2.2", 10, &(size_t){0}));
    s_close ();
}

//  A queue u and a queue v of the loser's, and ten messages of one PUT in q; all but END is taken.
static void s_open_unfinished (void)
{
    s_open ();
    s_say (&s_loser, "c", "QUEUE|u|u|");
    s_say (&s_loser, "c", "QUEUE|v|v|");
    s_say (&s_loser, "c", "PUT|1|u||purged 1");
    s_say (&s_loser, "c", "PUT|1|v||deleted 1");
    s_say (&s_loser, "c", "PUT|1|q||0|1|2|3|4|5|6|7|8|9");
    s_replay_messages (12);
}

//  S1: what the winner has taken in a replay that did not end, the loser acknowledges, purges and deletes, leading again.
//  It stays away after the second merge, and after the third.
static void test_done_at_the_loser_after_an_unfinished_replay (void **state)
{
    (void) state;
    for (int rounds = 1; rounds <= 3; rounds++) {
        s_open_unfinished ();
        for (int round = 1; round <= rounds; round++) {
            s_lead (&s_winner);
            s_lead (&s_loser);
            s_say (&s_loser, "c", "HELLO|h");
            s_say (&s_winner, "c", "HELLO|h");
            if (round == 1) {
                s_say (&s_loser, "c", "ACK|a|q|2b:3..2b:4 2b:8..2b:10");
                s_say (&s_loser, "c", "PURGE|p|u");
                s_say (&s_loser, "c", "DELETE|d|v");
            }
            s_say (&s_loser, "c", "PUT|1|u||later");
            if (round < rounds)
                s_replay_messages (1);
        }
        s_say (&s_loser, "c", "ACK|a|q|2b:11");
        s_replay ("");
        s_expect ("one,two,three,till 1,2,3,4,9");
        s_expect_of ("u", rounds == 1 ? "later" : rounds == 2 ? "later,later" : "later,later,later");
        s_close ();
    }
}

//  The same by two consumers, one on each side, row by row: each acknowledges a half.
static void test_done_by_both_after_an_unfinished_replay (void **state)
{
    (void) state;
    s_open_unfinished ();
    s_lead (&s_winner);
    s_lead (&s_loser);
    s_say (&s_loser, "c", "HELLO|h");
    s_say (&s_winner, "c", "HELLO|h");
    s_say (&s_loser, "c", "ACK|a|q|2b:3..2b:7");
    //  It is delivered here; an acknowledgement by name has to wait.
    s_say (&s_winner, "w", "HELLO|h");
    s_say (&s_winner, "w", "GET|g|q|100|0|");
    s_say (&s_winner, "w", "ACK|a|q|1:1..1:4");
    s_replay ("");
    s_say (&s_winner, "w", "ACK|a|q|2b:8..2b:11");
    s_say (&s_winner, "w", "NACK|n|q|2b:3..2b:12");
    s_expect ("9");
    s_close ();
}

//  Roles are swapped: the winner acknowledges, purges and deletes what it has taken, and loses the next time.
static void test_done_at_the_winner_that_loses_then (void **state)
{
    (void) state;
    s_open_unfinished ();
    s_lead (&s_winner);
    s_say (&s_winner, "c", "HELLO|h");
    s_say (&s_winner, "c", "PUT|1|u||mine");
    s_say (&s_winner, "c", "PURGE|p|u");
    s_say (&s_winner, "c", "PURGE|p|q");
    s_say (&s_winner, "c", "DELETE|d|v");
    s_lead_in (&s_loser, 9);
    s_say (&s_loser, "c", "HELLO|h");
    s_say (&s_loser, "c", "PUT|1|u||theirs");
    s_swap ();
    s_replay ("");
    s_expect ("");
    s_expect_of ("u", "theirs");
    s_close ();
}

//  A PURGE is about what the queue has held by then.  What a replay brings later is below its ids, and is not meant: if
//  the broker that has brought it leads again, since it did not hear that all of it was taken, it keeps it.
static void test_a_purge_from_before_the_merge (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_winner, "c", "PUT|1|q||mine");
    s_say (&s_winner, "c", "PURGE|p|q");
    s_say (&s_loser, "c", "PUT|1|q||theirs");
    s_replay ("");
    s_lead_in (&s_loser, 9);
    s_say (&s_loser, "c", "HELLO|h");
    s_swap ();
    s_replay ("");
    s_expect ("theirs");
    s_close ();
}

//  The winner's lineage has the loser's newest epoch, of which it holds the beginning: the rest is replayed, and an
//  acknowledgement of what is to come waits for it.
static void test_a_part_of_an_epoch_is_not_the_epoch (void **state)
{
    (void) state;
    s_open_promoted ();
    s_say (&s_loser, "c", "PUT|1|q||theirs 1");
    s_say (&s_loser, "c", "PUT|1|q||theirs 2");
    s_say (&s_winner, "c", "PUT|1|q||mine");
    rig_skip (s_winner.rig);
    s_say (&s_winner, "c", "ACK|a|q|1:5");
    rig_expect (s_winner.rig, "c> ERR|a|503|merging*");
    s_replay ("");
    s_say (&s_winner, "c", "ACK|a|q|1:5");
    rig_expect (s_winner.rig, "c> OK|a|solo");
    s_expect ("one,two,three,till 1,theirs 2,mine");
    //  If the answer was lost, the loser asks again.
    char words[64];
    zb_replayer_stats_t stats;
    assert_int_equal (s_replay_some (UINT64_MAX, words, &stats), ZB_REPLAYER_DONE);
    assert_int_equal (stats.items, 0);
    s_close ();
}

//  Leads alone so many times more, and answers each time.
static void s_lead_often (side_t *self, int times)
{
    while (times--) {
        s_lead (self);
        s_say (self, "c", "HELLO|h");
        s_say (self, "c", "PUT|1|q||again");
        rig_skip (self->rig);
    }
}

//  Replays if the lists meet; else nothing is taken, nothing is called done, and an operator is told.
static void s_replay_if (bool meets, uint64_t messages)
{
    char words[64];
    zb_replayer_stats_t stats;
    zb_lineage_t loser;
    assert_int_equal (s_replay_some (UINT64_MAX, words, &stats), meets ? ZB_REPLAYER_DONE : ZB_REPLAYER_LATER);
    assert_int_equal (stats.messages, meets ? messages : 0);
    assert_int_equal (stats.items ? 1 : 0, meets);
    assert_true (meets ? *stats.waits == 0 : strstr (stats.waits, "see salvage in zbroker(1)") != NULL);
    assert_int_equal (zb_engine_absorbs (s_winner.rig->engine, &loser), meets);
}

//  While the loser was away the winner has led so often that it has forgotten where the two parted: that an epoch of the
//  loser's is older than all that it remembers does not mean that it has held it.
static void test_the_winner_has_forgotten_the_fork (void **state)
{
    (void) state;
    for (int more = ZB_LINEAGE_MAX - 2; more <= ZB_LINEAGE_MAX + 1; more++) {
        s_open ();
        s_say (&s_loser, "c", "PUT|1|q||theirs");
        s_lead_often (&s_winner, more);
        bool forgotten = s_winner.lineage.epoch[0].number > 1;
        assert_int_equal (forgotten, more > ZB_LINEAGE_MAX - 2);
        s_replay_if (!forgotten, 1);
        s_close ();
    }
}

//  It is the loser that has: its PURGE, which is for all that it has held, would take what only the winner has.
static void test_the_loser_has_forgotten_the_fork (void **state)
{
    (void) state;
    for (int more = ZB_LINEAGE_MAX - 2; more <= ZB_LINEAGE_MAX + 1; more++) {
        s_open ();
        s_say (&s_winner, "c", "PUT|1|q||mine");
        s_lead_often (&s_loser, more);
        s_say (&s_loser, "c", "PURGE|p|q");
        s_say (&s_loser, "c", "PUT|1|q||theirs");
        s_lead_in (&s_winner, 1000);
        s_say (&s_winner, "c", "HELLO|h");
        bool forgotten = s_loser.lineage.epoch[0].number > 1;
        assert_int_equal (forgotten, more > ZB_LINEAGE_MAX - 2);
        s_replay_if (!forgotten, 1);
        s_expect (forgotten ? "one,two,three,till 1,mine" : "mine,theirs");
        s_close ();
    }
}

//  What the winner raises while it takes a replay may be one too many: the next item is refused, too.
static void test_the_fork_is_forgotten_in_the_middle (void **state)
{
    (void) state;
    s_open ();
    s_say (&s_loser, "c", "PUT|1|q||theirs");
    s_lead_often (&s_winner, ZB_LINEAGE_MAX - 2);
    char words[64];
    zb_replayer_stats_t stats;
    assert_int_equal (s_replay_some (2, words, &stats), ZB_REPLAYER_ON);
    s_lead_often (&s_winner, 1);
    s_replay_if (false, 1);
    s_close ();
}

//  Long before they parted the pair has forgotten epochs, which are common: they are in nobody's way.
static void test_what_both_have_forgotten_is_common (void **state)
{
    (void) state;
    s_open_past ();
    side_t *sides[] = {&s_winner, &s_loser};
    for (int index = 0; index < 2; index++) {
        unsigned node = sides[index]->node;
        sides[index]->node = 1;
        s_lead_often (sides[index], 2 * ZB_LINEAGE_MAX);
        sides[index]->node = node;
        s_lead (sides[index]);
        s_say (sides[index], "c", "HELLO|h");
    }
    s_say (&s_loser, "c", "ACK|a|q|1:1..1:5");
    s_say (&s_loser, "c", "PUT|1|q||theirs");
    s_replay_if (true, 1);
    s_close ();
}

//  A split of long ago gave two epochs one number, and of the two the backup's was absorbed, and is forgotten now.  Both
//  have held its messages: the loser's PURGE means them, too.
static void test_a_purge_of_a_forgotten_twin (void **state)
{
    (void) state;
    side_t side[2];
    for (int index = 0; index < 2; index++) {
        s_open ();
        s_say (&s_loser, "c", "PUT|1|q||theirs");
        s_replay ("");
        side[index] = s_winner;
        rig_destroy (&s_loser.rig);
        s_lead_often (&side[index], ZB_LINEAGE_MAX - 2);
        side[index].node = index + 1;
        s_lead (&side[index]);
        assert_int_equal (side[index].lineage.epoch[0].number, 2);
        assert_int_equal (side[index].lineage.epoch[0].node, 1);
        s_say (&side[index], "c", "HELLO|h");
    }
    s_winner = side[0];
    s_loser = side[1];
    assert_true (zb_lineage_had (&s_loser.lineage, zb_epoch_base (2, 2) + 1));
    s_say (&s_loser, "c", "PURGE|p|q");
    s_replay ("");
    s_expect ("");
    s_close ();
}

//  A merge brings messages whose ids are older than where a copy of the winner, from before it, and the merged store part.
static void test_a_copy_from_before_a_merge (void **state)
{
    (void) state;
    s_open_promoted ();
    s_say (&s_loser, "c", "PUT|1|q||late");
    s_say (&s_winner, "c", "PUT|1|q||mine");
    s_replay ("");
    s_say (&s_winner, "c", "PUT|2|q||after");
    side_t merged = s_winner;
    rig_destroy (&s_loser.rig);
    s_open_promoted ();
    s_say (&s_winner, "c", "PUT|1|q||mine");
    rig_destroy (&s_loser.rig);
    s_loser = merged;
    s_lead (&s_winner);
    s_say (&s_winner, "c", "HELLO|h");
    s_replay ("");
    s_expect ("one,two,three,till 1,late,mine,after");
    s_close ();
}

//  One of the two was set back, and both have raised one epoch: the loser is told that an operator has to act, also if
//  that epoch is the newest of both, so that none is above the other.
static void test_an_epoch_that_was_used_twice (void **state)
{
    (void) state;
    for (int more = 0; more < 2; more++) {
        s_open_past ();
        side_t *sides[] = {&s_winner, &s_loser};
        s_winner.node = s_loser.node;
        for (uint32_t index = 0; index < 2; index++) {
            s_lead (sides[index]);
            sides[index]->lineage.epoch[sides[index]->lineage.size - 1].run = index + 1;
            zb_engine_lineage (sides[index]->rig->engine, &sides[index]->lineage);
        }
        if (more)
            s_lead (&s_winner);
        char words[64];
        zb_replayer_stats_t stats;
        assert_int_equal (s_replay_some (1000, words, &stats), ZB_REPLAYER_LATER);
        assert_non_null (strstr (stats.waits, "an operator has to"));
        s_close ();
    }
}

//  Only the pair's other broker is heard, and only by a winner that may lead by itself.
static void test_strangers_are_refused (void **state)
{
    (void) state;
    s_open ();
    static const uint8_t other[ZB_SECRET_SIZE] = {8};
    uint8_t lineage[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE];
    size_t size = zb_lineage_encode (&s_loser.lineage, lineage);
    zb_row_t *item = zb_item_new (2, 2, ZB_REPLAY_BEGIN, 0, (zb_frame_t){NULL, 0}, size);
    zb_item_add (item, lineage, size);
    for (int round = 0; round < 3; round++) {
        char mac[ZB_ITEM_MAC_SIZE];
        zb_item_mac ((zb_frame_t){item->data, item->size}, round == 0 ? other : s_secret, mac);
        zb_frame_t frames[] = {
            zb_frame ("ZB1"), zb_frame ("REPLAY"), zb_frame ("1"), {item->data, item->size}, {mac, sizeof mac}};
        zb_request_t request;
        zb_spans_t ids = {NULL, 0, 0};
        const char *why;
        assert_int_equal (zb_request_parse (&request, &ids, frames, 5, &s_winner.rig->limits, &why), 0);
        zb_engine_keep (s_winner.rig->engine, round == 1 ? ZB_KEEP_NOTE : ZB_KEEP_WRITE);
        rig_skip (s_winner.rig);
        request.from.routing = zb_frame ("x");
        zb_engine_request (s_winner.rig->engine, &request, s_winner.rig->now);
        rig_run (s_winner.rig);
        static const char *const text[] = {"x> ERR|1|403|*", "x> ERR|1|503|*", "x> OK|1|go|0|*"};
        rig_expect (s_winner.rig, text[round]);
    }
    zb_row_unref (&item);
    s_close ();
}

//  ---------------------------------------------------------------------------
//  Topics

//  The same past of a topic with two subscriptions, and both lead alone from there.  Of four messages the first
//  subscription has done two.
static void s_open_topic (void)
{
    s_open_past ();
    side_t *sides[] = {&s_winner, &s_loser};
    for (int index = 0; index < 2; index++) {
        rig_say (sides[index]->rig, "c", "TOPIC|t|t|");
        rig_say (sides[index]->rig, "c", "SUB|s|t/a|");
        rig_say (sides[index]->rig, "c", "SUB|s|t/b|");
        rig_say (sides[index]->rig, "c", "PUT|1|t||1|2"); //  1:7 and 1:8, as each birth takes an id
        rig_say (sides[index]->rig, "c", "PUT|1|t||3|4");
        rig_say (sides[index]->rig, "c", "GET|g|t/a|2|0|");
        rig_say (sides[index]->rig, "c", "ACK|a|t/a|1:7..1:8");
        rig_skip (sides[index]->rig);
    }
    for (int index = 0; index < 2; index++) {
        s_lead (sides[index]);
        s_say (sides[index], "c", "HELLO|h");
        rig_skip (sides[index]->rig);
    }
}

static void s_expect_topic (const char *a, const char *b)
{
    s_expect_of ("t/a", a);
    s_expect_of ("t/b", b);
}

//  What the loser has taken is delivered to each subscription, in its place, and what was done before it is not.
static void test_a_topic (void **state)
{
    (void) state;
    for (int restarts = 0; restarts < 2; restarts++) {
        s_open_topic ();
        s_say (&s_winner, "c", "PUT|1|t||mine");
        s_say (&s_winner, "c", "ACK|a|t/a|1:9..1:10 2:1");
        s_say (&s_winner, "c", "PUT|1|t||last");
        s_say (&s_loser, "c", "PUT|1|t||theirs|done");
        s_say (&s_loser, "c", "ACK|a|t/b|2b:2");
        s_replay ("");
        if (restarts)
            s_lead (&s_winner);
        if (restarts)
            s_say (&s_winner, "c", "HELLO|h");
        s_expect_topic ("theirs,done,last", "1,2,3,4,theirs,mine,last");
        s_say (&s_winner, "c", "ACK|a|t/a|2b:1 2b:2");
        s_expect_topic ("last", "1,2,3,4,theirs,mine,last");
        s_lead (&s_winner);
        s_say (&s_winner, "c", "HELLO|h");
        s_expect_topic ("last", "1,2,3,4,theirs,mine,last");
        s_close ();
    }
}

//  What each subscription has done at the loser is done, of what both had and of what came later: by bitmaps, and by
//  its mark.
static void test_a_subscription_s_acknowledgements (void **state)
{
    (void) state;
    s_open_topic ();
    s_say (&s_loser, "c", "PUT|1|t||5|6");
    s_say (&s_loser, "c", "ACK|a|t/a|1:9..1:10 2b:2");
    s_say (&s_loser, "c", "ACK|a|t/b|1:8");
    s_say (&s_winner, "c", "ACK|a|t/b|1:9");
    s_replay ("");
    s_expect_topic ("5", "1,4,5,6");
    s_close ();
    s_open_topic ();
    s_say (&s_loser, "c", "PURGE|p|t/b");
    s_say (&s_winner, "c", "PUT|1|t||mine");
    s_replay ("");
    s_expect_topic ("3,4,mine", "mine");
    s_close ();
    s_open_topic ();
    s_say (&s_loser, "c", "PURGE|p|t");
    s_replay ("");
    s_expect_topic ("", "");
    s_close ();
}

static void test_subscriptions_come_and_go (void **state)
{
    (void) state;
    //  One that was made at the loser gets what was put there, and what the winner has behind its beginning.
    s_open_topic ();
    s_say (&s_loser, "c", "SUB|s|t/c|");
    s_say (&s_loser, "c", "TOPIC|t|u|max-bytes=1000");
    s_say (&s_loser, "c", "SUB|s|u/a|lease=5");
    s_say (&s_loser, "c", "PUT|1|t||5|6");
    s_say (&s_loser, "c", "PUT|1|u||7");
    s_say (&s_loser, "c", "ACK|a|t/c|2b:3");
    s_say (&s_winner, "c", "PUT|1|t||mine");
    s_replay ("");
    s_expect_of ("t/c", "6,mine");
    s_expect_of ("u/a", "7");
    s_close ();
    //  One that was deleted there goes, unless it was asked of here since; so does a topic that holds nothing.
    for (int asked = 0; asked < 2; asked++) {
        s_open_topic ();
        s_say (&s_loser, "c", "DELETE|d|t/b");
        if (asked)
            s_say (&s_winner, "c", "GET|g|t/b|0|0|");
        s_replay ("");
        s_expect_topic ("3,4", asked ? "1,2,3,4" : NULL);
        s_close ();
    }
    s_open_topic ();
    s_say (&s_loser, "c", "DELETE|d|t");
    s_replay ("");
    s_expect_topic (NULL, NULL);
    s_close ();
    //  What was made again has another birth: what the earlier one has done is not meant.
    s_open_topic ();
    s_say (&s_loser, "c", "ACK|a|t/b|1:7..1:10");
    s_say (&s_winner, "c", "DELETE|d|t/b");
    s_say (&s_winner, "c", "SUB|s|t/b|from=first");
    s_replay ("");
    s_expect_topic ("3,4", "3,4");
    s_close ();
    //  What the winner has no topic, or no subscription, for goes aside.
    s_open_topic ();
    s_say (&s_loser, "c", "PUT|1|t||5");
    s_say (&s_winner, "c", "DELETE|d|t");
    s_replay ("absent ");
    s_close ();
}

//  What retention removes each side decides for itself: the winner gives what it has kept, whatever the loser has removed
//  before it was done; and what the loser's subscription has acknowledged stays away.
static void test_a_topic_that_keeps_all (void **state)
{
    (void) state;
    for (int acked = 0; acked < 2; acked++) {
        s_open_topic ();
        s_say (&s_loser, "c", "TOPIC|t|t|keep=all\nkeep-messages=2");
        s_say (&s_winner, "c", "TOPIC|t|t|keep=all");
        s_say (&s_loser, "c", "PUT|1|t||5|6");
        s_say (&s_loser, "c", "PUT|1|t||7|8");
        rig_wait (s_loser.rig, 1000);
        s_say (&s_winner, "c", "PUT|1|t||mine");
        if (acked) {
            s_say (&s_loser, "c", "GET|g|t/b|1|0|");
            assert_non_null (strstr (rig_last (s_loser.rig)->text, "zb-skipped=1:6..2b:2"));
            s_say (&s_loser, "c", "ACK|a|t/b|2b:3");
        }
        s_replay ("");
        //  Who has gone on behind what was removed is done with it.
        s_expect_topic ("3,4,7,8,mine", acked ? "8,mine" : "1,2,3,4,7,8,mine");
        s_lead (&s_winner);
        s_say (&s_winner, "c", "HELLO|h");
        s_expect_topic ("3,4,7,8,mine", acked ? "8,mine" : "1,2,3,4,7,8,mine");
        //  What the loser took goes in its place.
        s_say (&s_winner, "c", "TOPIC|t|t|keep-messages=3");
        s_expect_topic ("7,8,mine", acked ? "8,mine" : "7,8,mine");
        s_say (&s_winner, "c", "TOPIC|t|t|keep-messages=1");
        s_expect_topic ("mine", "mine");
        s_close ();
    }
    //  One that nobody subscribes to is replayed.
    s_open_topic ();
    s_say (&s_loser, "c", "TOPIC|t|u|keep=all\nmax-age=9");
    s_say (&s_loser, "c", "PUT|1|u||1");
    s_say (&s_loser, "c", "TOPIC|t|t|keep=all");
    s_say (&s_winner, "c", "TOPIC|t|t|max-bytes=5");
    s_replay ("");
    s_say (&s_winner, "c", "SUB|s|u/a|from=first");
    s_expect_of ("u/a", "1");
    s_say (&s_winner, "c", "LIST|l|?||9");
    assert_non_null (strstr (rig_last (s_winner.rig)->text, "|u|keep=all\nmax-bytes=1073741824\nmax-age=9\n"));
    assert_non_null (strstr (rig_last (s_winner.rig)->text, "|t|keep=subscribed\nmax-bytes=5\n"));
    s_close ();
}

//  A SEEK holds after the split, whichever side was asked: what either has acknowledged of the one before it is not meant.
static void test_a_seek_on_one_side (void **state)
{
    (void) state;
    //  The winner's mark has not passed what is sought: it is all there.
    s_open_topic ();
    s_say (&s_loser, "c", "SEEK|s|t/a|first");
    s_say (&s_loser, "c", "ACK|a|t/a|1:8");
    s_say (&s_winner, "c", "ACK|a|t/a|1:9");
    s_say (&s_loser, "c", "PUT|1|t||theirs");
    s_say (&s_winner, "c", "PUT|1|t||mine");
    s_replay ("");
    s_expect_topic ("1,3,4,theirs,mine", "1,2,3,4,theirs,mine");
    s_lead (&s_winner);
    s_say (&s_winner, "c", "HELLO|h");
    s_expect_topic ("1,3,4,theirs,mine", "1,2,3,4,theirs,mine");
    s_close ();
    s_open_topic ();
    s_say (&s_winner, "c", "SEEK|s|t/b|1:9");
    s_say (&s_loser, "c", "ACK|a|t/b|1:10");
    s_replay ("");
    s_expect_topic ("3,4", "4");
    s_close ();
    //  Both: the winner's.
    s_open_topic ();
    s_say (&s_winner, "c", "SEEK|s|t/a|1:9");
    s_say (&s_loser, "c", "SEEK|s|t/a|first");
    s_replay ("");
    s_expect_topic ("4", "1,2,3,4");
    s_close ();
}

//  A filter is the same at the winner; what it excludes of what the loser took stays away, and has a number all the same.
static void test_a_filter (void **state)
{
    (void) state;
    s_open_topic ();
    s_say (&s_loser, "c", "SUB|s|t/f|filter=eu.*\nfrom=1:8");
    s_say (&s_loser, "c", "PUT|1|t|subject=eu.de|theirs");
    s_say (&s_loser, "c", "PUT|1|t|subject=us|not");
    s_say (&s_winner, "c", "PUT|1|t|subject=eu.fr|mine");
    s_replay ("");
    s_expect_of ("t/f", "theirs,mine");
    s_expect_topic ("3,4,theirs,not,mine", "1,2,3,4,theirs,not,mine");
    rig_skip (s_winner.rig);
    rig_say (s_winner.rig, "c", "READ|r|t|first|10|0");
    const char *text = rig_last (s_winner.rig)->text;
    assert_non_null (strstr (text, "2b:2 0\tsubject=eu.de\tzb-n=6"));
    assert_non_null (strstr (text, "2b:3 0\tsubject=us\tzb-n=7"));
    assert_non_null (strstr (text, "2:1 0\tsubject=eu.fr\tzb-n=5"));
    s_close ();
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_messages_keep_their_ids),
        cmocka_unit_test (test_an_id_of_the_other_side_waits),
        cmocka_unit_test (test_an_id_of_a_larger_epoch_waits),
        cmocka_unit_test (test_what_the_loser_acknowledged_stays_away),
        cmocka_unit_test (test_options),
        cmocka_unit_test (test_a_deleted_queue),
        cmocka_unit_test (test_a_queue_that_the_winner_deleted),
        cmocka_unit_test (test_what_was_on_its_way_is_told),
        cmocka_unit_test (test_producers),
        cmocka_unit_test (test_a_put_of_several_rows),
        cmocka_unit_test (test_instances),
        cmocka_unit_test (test_a_number_is_known_with_its_message),
        cmocka_unit_test (test_a_number_of_a_new_name),
        cmocka_unit_test (test_a_number_that_is_missing_yet),
        cmocka_unit_test (test_nobody_waits_for_a_replay_that_has_ended),
        cmocka_unit_test (test_a_put_with_acks_on_both_sides),
        cmocka_unit_test (test_dead_letters),
        cmocka_unit_test (test_what_was_moved),
        cmocka_unit_test (test_a_duplicate_amid_a_row),
        cmocka_unit_test (test_rows_that_go_aside),
        cmocka_unit_test (test_many_rows_that_go_aside),
        cmocka_unit_test (test_rows_before_one_that_goes_aside),
        cmocka_unit_test (test_stored_on_both_and_acknowledged_on_one),
        cmocka_unit_test (test_a_full_queue),
        cmocka_unit_test (test_rows_take_the_form_of_the_level),
        cmocka_unit_test (test_an_option_that_expires),
        cmocka_unit_test (test_messages_come_before_acknowledgements),
        cmocka_unit_test (test_a_replay_of_the_first_release),
        cmocka_unit_test (test_interrupted_anywhere),
        cmocka_unit_test (test_split_again_in_the_middle),
        cmocka_unit_test (test_done_at_the_loser_after_an_unfinished_replay),
        cmocka_unit_test (test_done_by_both_after_an_unfinished_replay),
        cmocka_unit_test (test_done_at_the_winner_that_loses_then),
        cmocka_unit_test (test_a_purge_from_before_the_merge),
        cmocka_unit_test (test_a_part_of_an_epoch_is_not_the_epoch),
        cmocka_unit_test (test_the_winner_has_forgotten_the_fork),
        cmocka_unit_test (test_the_loser_has_forgotten_the_fork),
        cmocka_unit_test (test_the_fork_is_forgotten_in_the_middle),
        cmocka_unit_test (test_what_both_have_forgotten_is_common),
        cmocka_unit_test (test_a_purge_of_a_forgotten_twin),
        cmocka_unit_test (test_a_copy_from_before_a_merge),
        cmocka_unit_test (test_an_epoch_that_was_used_twice),
        cmocka_unit_test (test_strangers_are_refused),
        cmocka_unit_test (test_a_topic),
        cmocka_unit_test (test_a_topic_that_keeps_all),
        cmocka_unit_test (test_a_seek_on_one_side),
        cmocka_unit_test (test_a_filter),
        cmocka_unit_test (test_a_subscription_s_acknowledgements),
        cmocka_unit_test (test_subscriptions_come_and_go),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
