/*  =========================================================================
    test_merge_queues - queues after a split: options, deletes, what has no room

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/queue/rows.h"
#include "sides.h"

//  The options of a queue, as the winner lists them.
static void s_expect_options (const char *queue, const char *lines)
{
    char line[40];
    snprintf (line, sizeof line, "LIST|l|%s", queue);
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "c", line);
    const zb_answer_t *answer = &rig_last (sides_winner.rig)->answer;
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
            sides_open ();
            if (who & 1)
                sides_say (&sides_loser, "c", "QUEUE|q|q|lease=1000");
            if (who & 2)
                sides_say (&sides_winner, "c", "QUEUE|q|q|lease=2000");
            sides_say (&sides_loser, "c", "QUEUE|n|new|lease=3000");
            if (rounds) {
                char words[64];
                zb_replayer_stats_t stats;
                sides_replay_some (3, words, &stats);
                sides_lead (&sides_winner);
                sides_lead (&sides_loser);
                sides_say (&sides_winner, "c", "HELLO|h");
                sides_say (&sides_loser, "c", "HELLO|h");
                sides_say (&sides_loser, "c", "QUEUE|n|new|lease=4000");
                if (who & 1)
                    sides_say (&sides_loser, "c", "QUEUE|q|q|lease=1500");
            }
            sides_replay ("");
            s_expect_options ("q", who & 2    ? "lease=2000\n"
                                   : who == 0 ? "lease=30000\n"
                                   : rounds   ? "lease=1500\n"
                                              : "lease=1000\n");
            s_expect_options ("new", rounds ? "lease=4000\n" : "lease=3000\n");
            sides_close ();
        }
}

//  The mode is an option as others are, but for a queue that has messages at the winner.
static void test_the_mode (void **state)
{
    (void) state;
    for (int full = 0; full < 2; full++)
        for (int mode = 0; mode < 3; mode++) {
            sides_open ();
            sides_say (&sides_loser, "c", "PURGE|p|q");
            sides_say (&sides_winner, "c", "PURGE|p|q");
            static const char *const options[] = {"QUEUE|q|q|lease=1000", "QUEUE|q|q|mode=exclusive",
                                                  "QUEUE|q|q|mode=key"};
            sides_say (&sides_loser, "c", options[mode]);
            //  Whose it was there is not whose it is here.
            sides_say (&sides_loser, "w", "HELLO|h|worker||");
            sides_say (&sides_loser, "w", "GET|g|q|1|60000|");
            sides_say (&sides_loser, "c", "QUEUE|n|new|mode=exclusive");
            sides_say (&sides_loser, "c", "PUT|1|new||a");
            sides_say (&sides_loser, "w", "GET|g|new|1|0|");
            if (full)
                sides_say (&sides_winner, "c", "PUT|1|q||b");
            sides_replay ("");
            s_expect_options ("q", "lease=");
            const zb_answer_t *answer = &rig_last (sides_winner.rig)->answer;
            bool exclusive = memmem (answer->arg[1].data, answer->arg[1].size, "mode=exclusive", 14) != NULL;
            bool key = memmem (answer->arg[1].data, answer->arg[1].size, "mode=key", 8) != NULL;
            assert_true (exclusive == (mode == 1 && !full) && key == (mode == 2 && !full));
            sides_say (&sides_winner, "v", "HELLO|h");
            rig_skip (sides_winner.rig);
            sides_say (&sides_winner, "v", "GET|g|new|1|0|");
            answer = &rig_last (sides_winner.rig)->answer;
            assert_int_equal (answer->bodies, 1);
            assert_non_null (memmem (answer->arg[2].data, answer->arg[2].size, "zb-fence=", 9));
            sides_close ();
        }
}

//  A GET of the winner's client: the bodies, with commas between, and the first one's id.
static void s_gets (const char *client, const char *bodies, char id[24])
{
    char line[64] = "GET|g|k|9|0|", text[128] = "";
    rig_t *rig = sides_winner.rig;
    rig_skip (rig);
    sides_say (&sides_winner, client, line);
    const rig_reply_t *last = rig_last (rig);
    for (size_t index = 0; index < last->answer.bodies; index++)
        snprintf (text + strlen (text), sizeof text - strlen (text), "%s%.*s", index ? "," : "",
                  (int) last->answer.body[index].size, (const char *) last->answer.body[index].data);
    assert_string_equal (text, bodies);
    if (*bodies)
        assert_int_equal (sscanf (last->text, "%*[^|]|g|%*[^|]|k|%23[^ ]", id), 1);
}

//  What the loser brings lies before what is here: it waits while one of its key is leased, and comes first then.
static void test_by_key (void **state)
{
    (void) state;
    char id[24], other[24], ack[40];
    sides_open ();
    sides_say (&sides_loser, "c", "QUEUE|k|k|mode=key");
    sides_say (&sides_loser, "c", "PUT|1|k|key=a|l1|l2");
    sides_say (&sides_loser, "c", "PUT|2|k|key=b|l3");
    sides_say (&sides_winner, "c", "QUEUE|k|k|mode=key");
    sides_say (&sides_winner, "c", "PUT|3|k|key=a|w1|w2");
    sides_say (&sides_winner, "w", "HELLO|h");
    sides_say (&sides_winner, "v", "HELLO|h");
    s_gets ("w", "w1", id);
    s_gets ("v", "", other);
    sides_replay ("");
    s_gets ("v", "l3", other);
    static const char *const next[] = {"l1", "l2", "w2"};
    for (size_t index = 0; index < 3; index++) {
        snprintf (ack, sizeof ack, "ACK|a|k|%s", id);
        sides_say (&sides_winner, "w", ack);
        s_gets ("w", next[index], id);
        s_gets ("v", "", other);
    }
    sides_close ();
}

//  S9: a queue that the loser has deleted is deleted, unless something is in it, or was asked of it, or waits for it.
static void test_a_deleted_queue (void **state)
{
    (void) state;
    static const struct {
        const char *winner, *loser; //  what they say; then the loser deletes q, then it says the last
        const char *again, *then;   //  what is in it in the end
    } cases[] = {
        {NULL, NULL, NULL, NULL},       {NULL, "PUT|1|q||theirs", NULL, NULL}, {"PUT|1|q||mine", NULL, NULL, "mine"},
        {"QUEUE|q|q|", NULL, NULL, ""}, {"QUEUE|q|q|lease=5", NULL, NULL, ""}, {"GET|g|q|0|0|", NULL, NULL, ""},
        {NULL, NULL, "QUEUE|q|q|", ""},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        for (int rounds = 0; rounds < 2; rounds++) {
            sides_open ();
            if (cases[index].winner)
                sides_say (&sides_winner, "c", cases[index].winner);
            if (cases[index].loser)
                sides_say (&sides_loser, "c", cases[index].loser);
            sides_say (&sides_loser, "c", "QUEUE|o|other|");
            if (rounds) {
                char words[64];
                zb_replayer_stats_t stats;
                sides_replay_some (4, words, &stats);
                sides_lead (&sides_loser);
                sides_say (&sides_loser, "c", "HELLO|h");
            }
            sides_say (&sides_loser, "c", "DELETE|d|q");
            if (cases[index].again)
                sides_say (&sides_loser, "c", cases[index].again);
            if (rounds) {
                sides_lead_in (&sides_winner, 9);
                sides_say (&sides_winner, "c", "HELLO|h");
                if (cases[index].winner && strncmp (cases[index].winner, "PUT", 3))
                    sides_say (&sides_winner, "c", cases[index].winner);
            }
            sides_replay ("");
            s_expect_options ("q", cases[index].then ? "lease=" : NULL);
            sides_expect (cases[index].then);
            sides_close ();
        }
}

//  One that the winner has deleted stays away, unless the loser has made or changed it since, or put something in.
static void test_a_queue_that_the_winner_deleted (void **state)
{
    (void) state;
    static const char *const loser[] = {"ACK|a|q|1:1", "PUT|1|q||theirs", "QUEUE|q|q|lease=5"};
    static const char *const then[] = {NULL, "theirs", ""};
    for (size_t index = 0; index < 3; index++) {
        sides_open ();
        sides_say (&sides_winner, "c", "DELETE|d|q");
        sides_say (&sides_loser, "c", loser[index]);
        sides_replay ("");
        sides_expect (then[index]);
        sides_close ();
    }
}

//  Dead letters come as messages do, before what they were is done: whenever it is interrupted nothing is lost.  They carry
//  no producer, so that they are not taken for another PUT of its number; and where they go to comes as all options do.
static void test_dead_letters (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_loser, "c",
               "QUEUE|o|q|dead-letter=bin\nretry-delay=600000\nmax-deliveries=7\nunused=900000\ndedupe=5000");
    sides_say (&sides_loser, "c", "REJECT|r|q|1:2 1:4");
    sides_replay_messages (2);
    sides_expect_of ("bin", "two,till 1");
    sides_expect ("one,two,three,till 1");
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "c", "LIST|l|q");
    assert_non_null (strstr (rig_last (sides_winner.rig)->text,
                             "\nmax-deliveries=7\nretry-delay=600000\ndedupe=5000\nunused=900000\ndead-letter=bin"));
    sides_replay ("");
    sides_expect ("one,three");
    sides_say (&sides_winner, "c", "REJECT|r|q|1:1");
    sides_expect ("one,three"); //  the reader has it
    sides_say (&sides_winner, "reader", "HELLO|h|reader||");
    sides_say (&sides_winner, "reader", "REJECT|r|q|1:1");
    sides_expect ("three");
    sides_expect_of ("bin", "two,till 1,one");
    sides_close ();
    //  Each side for itself.
    sides_open ();
    sides_say (&sides_winner, "c", "REJECT|r|q|1:1");
    sides_say (&sides_loser, "c", "REJECT|r|q|1:1");
    sides_say (&sides_loser, "p", "PUT|2|q||till 2");
    sides_replay ("");
    sides_expect ("two,three,till 1,till 2");
    sides_expect_of ("q.dead", "one,one");
    sides_close ();
}

//  All of several rows goes aside, one after the other: none of them is an item that tells the winner how far the loser is.
static void test_rows_that_go_aside (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_winner, "p", "PUT|2|q||two of the winner");
    sides_say (&sides_winner, "p", "PUT|3|q||three of the winner");
    sides_say (&sides_winner, "p", "PUT|4|q||four of the winner");
    sides_say (&sides_loser, "p", "PUT|2|q||two of the loser");
    sides_say (&sides_loser, "p", "PUT|3|q||three of the loser");
    sides_say (&sides_loser, "p", "PUT|4|q||four of the loser");
    sides_say (&sides_loser, "p", "PUT|5|q||five");
    sides_replay ("conflict conflict conflict ");
    sides_expect ("one,two,three,till 1,five,two of the winner,three of the winner,four of the winner");
    sides_close ();
}

//  What goes aside is not read again for each row behind it.
static void test_many_rows_that_go_aside (void **state)
{
    (void) state;
    enum { ROWS = 1000 };
    sides_open ();
    for (int row = 2; row < 2 + ROWS; row++) {
        char line[40];
        snprintf (line, sizeof line, "PUT|%d|q||of the winner", row);
        sides_say (&sides_winner, "p", line);
        snprintf (line, sizeof line, "PUT|%d|q||of the loser", row);
        sides_say (&sides_loser, "p", line);
    }
    char words[64];
    zb_replayer_stats_t stats;
    sides_reads = 0;
    assert_int_equal (sides_replay_some (UINT64_MAX, words, &stats), ZB_REPLAYER_DONE);
    assert_int_equal (stats.aside, ROWS);
    assert_in_range (sides_reads, ROWS, ROWS + 20);
    sides_close ();
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
            fake_store_read (sides_loser.rig->store, read);
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
    size_t size = zb_lineage_encode (&sides_winner.lineage, lineage);
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
        sides_open ();
        for (int row = 0; row < 4; row++)
            sides_say (&sides_loser, "c", "PUT|1|q||theirs");
        talk_t queue = {.replayer = zb_replayer_new (sides_secret, &sides_loser.lineage)}, none = queue;
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
        sides_close ();
    }
}

//  A queue that is full takes what is replayed: acknowledgements that make room come behind the messages.  For clients it
//  is full.
static void test_a_full_queue (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_winner, "c", "QUEUE|q|q|max-messages=4");
    sides_say (&sides_loser, "c", "ACK|a|q|1:1..1:4");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    sides_say (&sides_loser, "c", "PUT|1|q||more");
    sides_replay ("");
    sides_expect ("theirs,more");
    sides_close ();
    sides_open ();
    sides_say (&sides_winner, "c", "QUEUE|q|q|max-messages=4");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    sides_replay ("");
    sides_expect ("one,two,three,till 1,theirs");
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "c", "PUT|1|q||mine");
    rig_expect (sides_winner.rig, "c> ERR|1|429|*");
    sides_close ();
}

//  The option crosses a split; what was put before it was known here does not expire.
static void test_an_option_that_expires (void **state)
{
    (void) state;
    sides_open ();
    for (int side = 0; side < 2; side++)
        zb_engine_time ((side ? sides_loser : sides_winner).rig->engine, 1000000, sides_loser.rig->now);
    sides_say (&sides_loser, "c", "QUEUE|q|q|expires=5000");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    sides_say (&sides_winner, "c", "PUT|1|q|expires=1|mine");
    sides_replay ("");
    rig_wait (sides_winner.rig, 70000);
    zb_engine_time (sides_winner.rig->engine, 1070000, sides_winner.rig->now);
    sides_say (&sides_winner, "c", "PUT|1|q|expires=never|bad");
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "c", "LIST|l|q");
    rig_expect (sides_winner.rig,
                "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=6\nleased=0\nwaiting=0\ngrace=5000\nexpires=5000");
    sides_expect ("one,two,three,till 1,theirs,mine");
    sides_close ();
}

//  Each side drops for itself: what only the loser has dropped is still here, but for what is a part of a row.  What is replayed is
//  neither refused nor drops anything; the next PUT does.
static void test_a_queue_that_drops (void **state)
{
    (void) state;
    for (int put = 0; put < 2; put++) {
        sides_open ();
        sides_say (&sides_loser, "c", "QUEUE|q|q|max-messages=3\nfull=drop-oldest");
        sides_say (&sides_loser, "c", "PUT|1|q||theirs");
        sides_say (&sides_loser, "c", "PUT|1|q||more");
        assert_int_equal (rig_stats (sides_loser.rig).dropped, 3);
        sides_replay ("");
        assert_int_equal (rig_stats (sides_winner.rig).dropped, 0);
        if (put)
            sides_say (&sides_winner, "c", "PUT|1|q||mine");
        assert_int_equal (rig_stats (sides_winner.rig).dropped, put ? 4 : 0);
        sides_expect (put ? "theirs,more,mine" : "one,two,three,till 1,theirs,more");
        sides_close ();
    }
    sides_open ();
    sides_say (&sides_loser, "c", "QUEUE|q|q|max-messages=4\nfull=drop-oldest");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    sides_replay ("");
    sides_expect ("two,three,till 1,theirs");
    sides_close ();
}

//  With a dead-letter what is dropped is moved, and that is told: it is in one of the two.
static void test_a_queue_that_drops_to_the_dead_letters (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_loser, "c", "QUEUE|q|q|max-messages=3\nfull=drop-oldest\ndead-letter=lost");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    sides_say (&sides_loser, "c", "PUT|1|q||more");
    assert_int_equal (rig_stats (sides_loser.rig).buried, 3);
    sides_say (&sides_winner, "c", "PUT|1|q||mine");
    sides_replay ("");
    assert_int_equal (rig_stats (sides_winner.rig).buried, 0);
    sides_expect_of ("lost", "one,two,three");
    sides_expect ("till 1,theirs,more,mine");
    sides_close ();
}

static void s_lists_bytes (const char *queue, const char *expected)
{
    char line[40];
    snprintf (line, sizeof line, "LIST|l|%s", queue);
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "c", line);
    const char *text = strstr (rig_last (sides_winner.rig)->text, "\nbytes=");
    assert_non_null (text);
    assert_string_equal (text + 1, expected);
}

//  What is replayed counts, but not what is done of it.  Where both have messages and the option is new here, what comes does.
static void test_bytes_of_what_is_replayed (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_loser, "c", "QUEUE|q|n|max-bytes=100");
    sides_say (&sides_loser, "c", "PUT|1|n|a=|12345|123");
    sides_say (&sides_loser, "c", "PUT|1|n||1");
    sides_say (&sides_loser, "c", "ACK|a|n|2b:1");
    sides_say (&sides_loser, "c", "QUEUE|q|q|max-bytes=10");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    sides_replay ("");
    sides_say (&sides_winner, "c", "PUT|1|q||mine");
    s_lists_bytes ("q", "bytes=4");
    sides_expect_of ("n", "123,1");
    s_lists_bytes ("n", "bytes=6");
    //  As it is stored.
    sides_lead (&sides_winner);
    sides_say (&sides_winner, "c", "HELLO|h");
    s_lists_bytes ("n", "bytes=6");
    sides_close ();
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_options),
        cmocka_unit_test (test_the_mode),
        cmocka_unit_test (test_by_key),
        cmocka_unit_test (test_a_deleted_queue),
        cmocka_unit_test (test_a_queue_that_the_winner_deleted),
        cmocka_unit_test (test_dead_letters),
        cmocka_unit_test (test_rows_that_go_aside),
        cmocka_unit_test (test_many_rows_that_go_aside),
        cmocka_unit_test (test_rows_before_one_that_goes_aside),
        cmocka_unit_test (test_a_full_queue),
        cmocka_unit_test (test_a_queue_that_drops),
        cmocka_unit_test (test_a_queue_that_drops_to_the_dead_letters),
        cmocka_unit_test (test_bytes_of_what_is_replayed),
        cmocka_unit_test (test_an_option_that_expires),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
