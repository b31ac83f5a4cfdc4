/*  =========================================================================
    sides - two brokers' engines after a split, and what the loser replays

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

const uint8_t sides_secret[ZB_SECRET_SIZE] = {7};
side_t sides_winner;
side_t sides_loser;
unsigned sides_reads;

void sides_lead_in (side_t *self, uint64_t number)
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
    zb_engine_lead (rig->engine, number, commit, sides_secret);
    zb_engine_lineage (rig->engine, &self->lineage);
    zb_engine_keep (rig->engine, ZB_KEEP_WRITE);
    rig->sync_there = false;
    rig_rule (rig, ZB_RELEASE_HERE);
    rig_skip (rig);
}

void sides_lead (side_t *self)
{
    sides_lead_in (self, zb_lineage_newest (&self->lineage).number + 1);
}

void sides_say (side_t *self, const char *client, const char *line)
{
    rig_say (self->rig, client, line);
}

void sides_close (void)
{
    rig_destroy (&sides_winner.rig);
    rig_destroy (&sides_loser.rig);
}

void sides_open_past (void)
{
    sides_winner = (side_t){.rig = rig_new (NULL), .node = 1};
    sides_loser = (side_t){.rig = rig_new (NULL), .node = 2};
    side_t *sides[] = {&sides_winner, &sides_loser};
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

void sides_open (void)
{
    sides_open_past ();
    side_t *sides[] = {&sides_winner, &sides_loser};
    for (int index = 0; index < 2; index++) {
        sides_lead (sides[index]);
        sides_say (sides[index], "c", "HELLO|h");
        sides_say (sides[index], "p", "HELLO|h|till||1.1");
        rig_skip (sides[index]->rig);
    }
}

void sides_open_promoted (void)
{
    sides_open_past ();
    side_t winner = sides_loser;
    sides_loser = sides_winner;
    sides_winner = winner;
    zb_engine_lineage (sides_loser.rig->engine, &sides_loser.lineage);
    zb_engine_keep (sides_loser.rig->engine, ZB_KEEP_WRITE);
    sides_lead (&sides_winner);
    sides_say (&sides_winner, "c", "HELLO|h");
}

zb_replayer_next_t sides_carry (zb_replayer_t *replayer, uint64_t most, char aside[64])
{
    zb_replayer_next_t next = ZB_REPLAYER_ON;
    uint64_t sent = 0;
    *aside = 0;
    for (int idle = 0; idle < 3 && (next == ZB_REPLAYER_ON || next == ZB_REPLAYER_ASIDE) && sent < most; idle++) {
        zb_read_t *read = zb_replayer_read (replayer, -2);
        if (read) {
            sides_reads++;
            fake_store_read (sides_loser.rig->store, read);
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
        assert_int_equal (zb_request_parse (&request, &ids, frames, 5, &sides_winner.rig->limits, &why), 0);
        rig_skip (sides_winner.rig);
        size_t before = sides_winner.rig->count;
        request.from.routing = zb_frame ("loser");
        zb_engine_request (sides_winner.rig->engine, &request, sides_winner.rig->now);
        rig_run (sides_winner.rig);
        //  It waits for something.
        if (sides_winner.rig->count == before)
            break;
        assert_int_equal (sides_winner.rig->count, before + 1);
        const zb_answer_t *answer = &sides_winner.rig->replies[before].answer;
        next = zb_replayer_answer (replayer, n, answer);
        zb_aside_t what;
        if (next == ZB_REPLAYER_ASIDE && zb_replayer_aside (replayer, &what)) {
            snprintf (aside + strlen (aside), 64 - strlen (aside), "%s ", what.word);
            zb_replayer_put_aside (replayer, 1);
        }
    }
    assert_null (zb_replayer_fault (replayer));
    rig_skip (sides_winner.rig);
    return next;
}

zb_replayer_next_t sides_replay_some (uint64_t most, char aside[64], zb_replayer_stats_t *stats)
{
    zb_replayer_t *replayer = zb_replayer_new (sides_secret, &sides_loser.lineage);
    zb_replayer_restart (replayer);
    zb_replayer_next_t next = sides_carry (replayer, most, aside);
    zb_replayer_stats (replayer, stats);
    zb_replayer_destroy (&replayer);
    return next;
}

void sides_absorb (void)
{
    zb_lineage_t loser;
    assert_true (zb_engine_absorbs (sides_winner.rig->engine, &loser));
    zb_lineage_absorb_all (&sides_winner.lineage, &loser);
    zb_engine_lineage (sides_winner.rig->engine, &sides_winner.lineage);
}

void sides_replay (const char *aside)
{
    char words[64];
    zb_replayer_stats_t stats;
    assert_int_equal (sides_replay_some (UINT64_MAX, words, &stats), ZB_REPLAYER_DONE);
    assert_string_equal (words, aside);
    sides_absorb ();
}

void sides_replay_messages (uint64_t messages)
{
    char words[64];
    zb_replayer_stats_t stats;
    uint64_t before = rig_stats (sides_winner.rig).replayed;
    //  BEGIN and one more.
    for (int turn = 0; turn < 100 && rig_stats (sides_winner.rig).replayed < before + messages; turn++)
        assert_int_equal (sides_replay_some (2, words, &stats), ZB_REPLAYER_ON);
    assert_int_equal (rig_stats (sides_winner.rig).replayed, before + messages);
}

void sides_swap (void)
{
    side_t winner = sides_loser;
    sides_loser = sides_winner;
    sides_winner = winner;
}

void sides_expect_of (const char *queue, const char *bodies)
{
    static unsigned number;
    char text[1024] = "", client[16];
    //  As long as items come a name without a token waits.
    rig_wait (sides_winner.rig, 5000);
    rig_skip (sides_winner.rig);
    //  On a new connection: what the reader was given before goes back.
    snprintf (client, sizeof client, "r%u", ++number);
    sides_say (&sides_winner, client, "HELLO|h|reader||");
    char line[40];
    snprintf (line, sizeof line, "GET|g|%s|100|0|", queue);
    sides_say (&sides_winner, client, line);
    const zb_answer_t *answer = &rig_last (sides_winner.rig)->answer;
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

void sides_expect (const char *bodies)
{
    sides_expect_of ("q", bodies);
}
