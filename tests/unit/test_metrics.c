/*  =========================================================================
    test_metrics - the figures that STATUS shows

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

#include "io/broker/metrics.h"

static const zb_metric_t *s_named (const char *name)
{
    const zb_metric_t *metric = NULL;
    for (size_t index = 0; (metric = zb_metric (index)) && strcmp (metric->name, name); index++)
        ;
    assert_non_null (metric);
    return metric;
}

static void test_a_figure_is_the_sum_of_its_sources (void **state)
{
    (void) state;
    zb_status_t status = {.refused = 4, .output = 9, .beats_beyond = 1, .rulings_beyond = 2};
    status.stats.refused = 3;
    status.gate = (zb_gate_stats_t){.refused_full = 10, .refused_address = 20, .refused_rate = 30, .cut = 7};
    assert_int_equal (zb_metric_read (s_named ("refused"), &status), 7);
    assert_int_equal (zb_metric_read (s_named ("output_bytes"), &status), 9);
    assert_int_equal (zb_metric_read (s_named ("epochs"), &status), 3);
    assert_int_equal (zb_metric_read (s_named ("refused_connections"), &status), 60);
    assert_int_equal (zb_metric_read (s_named ("cut"), &status), 7);
    assert_int_equal (zb_metric_read (s_named ("puts"), &status), 0);
}

//  Each name is there once, has words for it, and stands in the page for authors of clients.
static void test_page (void **state)
{
    (void) state;
    const char *source = getenv ("ZBROKER_SOURCE");
    char name[4096];
    static char page[200000];
    snprintf (name, sizeof name, "%s/include/PROTOCOL.md", source ? source : ".");
    FILE *file = fopen (name, "r");
    assert_non_null (file);
    page[fread (page, 1, sizeof page - 1, file)] = 0;
    fclose (file);
    const zb_metric_t *metric;
    for (size_t index = 0; (metric = zb_metric (index)); index++) {
        char word[64];
        snprintf (word, sizeof word, "`%s`", metric->name);
        if (!strstr (page, word))
            fail_msg ("PROTOCOL.md does not tell of %s", metric->name);
        assert_true (*metric->help && metric->per);
        if (metric->group) {
            snprintf (word, sizeof word, "`%s`", metric->group);
            assert_non_null (strstr (page, word));
        }
        for (size_t other = 0; other < index; other++)
            assert_false (
                strcmp (zb_metric (other)->name, metric->name) == 0 &&
                (zb_metric (other)->group == metric->group ||
                 (metric->group && zb_metric (other)->group && !strcmp (zb_metric (other)->group, metric->group))));
    }
}

//  The names in /metrics: no name twice, counters end in _total, rows of one name follow each other and have words in
//  common.
static void test_names (void **state)
{
    (void) state;
    const zb_metric_t *metric;
    for (size_t index = 0; (metric = zb_metric (index)); index++) {
        if (!metric->metric)
            continue;
        size_t size = strcspn (metric->metric, "{");
        const char *end = metric->metric + size - (size > 6 ? 6 : size);
        assert_int_equal (metric->type == ZB_COUNTER, strncmp (end, "_total", 6) == 0);
        assert_int_equal (strspn (metric->metric, "abcdefghijklmnopqrstuvwxyz_0123456789"), size);
        if (metric->metric[size] && metric->type == ZB_COUNTER)
            assert_non_null (zb_metric_family (metric->metric, size));
        for (size_t other = 0; other < index; other++) {
            const char *before = zb_metric (other)->metric;
            if (!before || strcspn (before, "{") != size || strncmp (before, metric->metric, size))
                continue;
            assert_string_not_equal (before, metric->metric);
            const char *last = zb_metric (index - 1)->metric;
            assert_true (last && strncmp (last, metric->metric, size + 1) == 0);
        }
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_a_figure_is_the_sum_of_its_sources),
        cmocka_unit_test (test_page),
        cmocka_unit_test (test_names),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
