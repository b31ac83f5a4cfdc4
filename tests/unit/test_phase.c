/*  =========================================================================
    test_phase - is the table of phases total, and is it the one that the README shows?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    test_phase table     prints the table for src/README.md
*/

#include <stdbool.h>

#include "core/pair/phase.h"
#include "readme_kit.h"

//  The facts that any row of this phase and event looks at.
static unsigned s_looked_at (zb_phase_t phase, zb_phase_event_t event)
{
    size_t count;
    const zb_phase_row_t *rows = zb_phase_rows (&count);
    unsigned facts = 0;
    for (size_t i = 0; i < count; i++)
        if ((rows[i].phase == phase || rows[i].phase == ZB_PHASES) && rows[i].events & 1u << event)
            facts |= rows[i].when | rows[i].unless;
    return facts;
}

//  Each set of these facts, one after the other: the next one after `facts`; 0 after the last.
static unsigned s_next_facts (unsigned facts, unsigned looked_at)
{
    return (facts - looked_at) & looked_at;
}

static void test_a_row_fits_whatever_happens (void **unused)
{
    (void) unused;
    size_t count;
    const zb_phase_row_t *rows = zb_phase_rows (&count);
    bool hit[64] = {false}, numbered[64] = {false};
    assert_true (count < 64);
    for (zb_phase_t phase = 0; phase < ZB_PHASES; phase++)
        for (zb_phase_event_t event = 0; event < ZB_PHASE_EVENTS; event++) {
            unsigned facts = 0, looked_at = s_looked_at (phase, event);
            do {
                const zb_phase_row_t *row = zb_phase_row (phase, event, facts);
                assert_true (row >= rows && row < rows + count);
                hit[row - rows] = true;
            } while ((facts = s_next_facts (facts, looked_at)));
        }
    for (size_t i = 0; i < count; i++) {
        assert_in_range (rows[i].number, 1, count);
        assert_false (numbered[rows[i].number]);
        numbered[rows[i].number] = true;
        assert_true (strlen (rows[i].why) > 0);
        if (!hit[i])
            fail_msg ("row %d fits nothing", rows[i].number);
    }
}

//  Out of every phase there is a way that does not need another one to lead.
static void test_no_phase_without_an_exit (void **unused)
{
    (void) unused;
    for (zb_phase_t phase = 0; phase < ZB_PHASES; phase++) {
        bool exits = phase == ZB_PHASE_SINGLE;
        for (zb_phase_event_t event = 0; event < ZB_PHASE_DOWN; event++) {
            unsigned facts = 0, looked_at = s_looked_at (phase, event);
            do {
                zb_phase_t next = zb_phase_row (phase, event, facts)->next;
                exits = exits || (next != phase && next != ZB_PHASES);
            } while ((facts = s_next_facts (facts, looked_at)));
        }
        assert_true (exits);
    }
}

static void s_words (char *text, size_t room, unsigned set, const char *const *words, size_t count)
{
    *text = 0;
    for (size_t i = 0; i < count; i++)
        if (set & 1u << i && words[i])
            snprintf (text + strlen (text), room - strlen (text), "%s%s", *text ? ", " : "", words[i]);
}

static void s_markdown (size_t index, char line[README_LINE])
{
    size_t count;
    const zb_phase_row_t *row = &zb_phase_rows (&count)[index];
    static const char *const facts[ZB_IFS] = {"no pair",    "alone",     "solo",        "granted",   "peer-loss = wait",
                                              "no consent", "raised",    "told",        "outranked", "back",
                                              "live",       "caught up", "link lost",   "stuck",     "progress",
                                              "probed",     "late",      "epoch unused"};
    static const char *const effects[ZB_DO_KINDS] = {
        "tell alone",  "clear alone", "mark", "probe",  "renew limit", "defer",     "ask witness", "stop", "save node",
        "start epoch", "raise epoch", "lead", "follow", "grant",       "read meta", NULL,          "beat", NULL};
    char events[128] = "any", when[64], unless[64], does[128];
    if (row->events != ~0u) {
        const char *names[ZB_PHASE_EVENTS];
        for (zb_phase_event_t event = 0; event < ZB_PHASE_EVENTS; event++)
            names[event] = zb_phase_event_name (event);
        s_words (events, sizeof events, row->events, names, ZB_PHASE_EVENTS);
    }
    s_words (when, sizeof when, row->when, facts, ZB_IFS);
    s_words (unless, sizeof unless, row->unless, facts, ZB_IFS);
    s_words (does, sizeof does, row->effects, effects, ZB_DO_KINDS);
    snprintf (line, README_LINE, "| %d | %s | %s | %s | %s | %s | %s | %s |", row->number, zb_phase_name (row->phase), events,
              when, unless, row->next == ZB_PHASES ? "same" : zb_phase_name (row->next), does, row->why);
}

static void test_the_readme_shows_this_table (void **unused)
{
    (void) unused;
    size_t count;
    zb_phase_rows (&count);
    readme_shows ("src/README.md", "| ", count, s_markdown);
}

int main (int argc, char **argv)
{
    if (argc == 2 && strcmp (argv[1], "table") == 0) {
        size_t count;
        zb_phase_rows (&count);
        readme_print (count, s_markdown);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_a_row_fits_whatever_happens),
        cmocka_unit_test (test_no_phase_without_an_exit),
        cmocka_unit_test (test_the_readme_shows_this_table),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
