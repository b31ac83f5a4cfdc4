/*  =========================================================================
    pair_play - transcripts on the model of a pair

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "pair_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

const bounds_t play_bounds = {.kills = 9,
                                  .suspects = 9,
                                  .pauses = 9,
                                  .losses = 9,
                                  .cuts = 9,
                                  .deafs = 99,
                                  .puts = 9,
                                  .commits = 20,
                                  .yields = 9,
                                  .promotions = 9,
                                  .copies = 9,
                                  .room = MODEL_ROOM,
                                  .quick = true};

void play (model_t *self, const char *acts)
{
    char text[512];
    snprintf (text, sizeof text, "%s", acts);
    for (char *next, *word = strtok_r (text, ",", &next); word; word = strtok_r (NULL, ",", &next)) {
        char name[16], node;
        int times = 1;
        assert_true (sscanf (word, " %15s %c * %d", name, &node, &times) >= 2);
        act_t act = 0;
        while (act < ACTS && strcmp (model_act_name (act), name) != 0)
            act++;
        assert_true (act < ACTS);
        for (int i = 0; i < times; i++) {
            if (!model_act (self, act, node == 'B'))
                fail_msg ("%s: impossible in %s", word, acts);
            model_check (self);
            if (self->fault)
                fail_msg ("%s: %s", word, self->fault);
        }
    }
}

static model_t s_pair (bool wait, bool learns)
{
    model_t model;
    bounds_t bounds = play_bounds;
    bounds.learns = learns;
    model_init (&model, &bounds, wait, false);
    play (&model, "start P, start B, time P * 4");
    assert_int_equal (model.node[0].role.phase, ZB_PHASE_PAIRED);
    assert_true (model.node[1].role.in_step);
    play (&model, "put P, ok P");
    assert_int_equal (model.ok[model.token], OK_BOTH);
    return model;
}

model_t play_pair (bool wait)
{
    return s_pair (wait, false);
}

model_t play_learned (void)
{
    model_t model = s_pair (false, true);
    play (&model, "time P * 4");
    for (int at = 0; at < 2; at++)
        assert_int_equal (zb_patience_limit (&model.node[at].role.patience), 3 * MODEL_HEARTBEAT);
    return model;
}

void play_leads (const node_t *node, bool leads)
{
    assert_int_equal (node->role.bstar.state == BSTAR_ACTIVE, leads);
}

zb_vote_t play_ask (model_t *model, int at)
{
    int code = 0;
    const char *why = "";
    zb_vote_t vote = zb_role_vote (&model->node[at].role, NULL, model->now, &code, &why);
    if (vote == ZB_VOTE_REFUSE)
        assert_int_equal (code, ZB_NOT_READY);
    return vote;
}

bool play_does (zb_role_t *role, zb_do_kind_t kind)
{
    zb_do_t effect;
    bool does = false;
    while (zb_role_next (role, &effect))
        does = does || effect.kind == kind;
    return does;
}
