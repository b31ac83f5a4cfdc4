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
        assert_true (*metric->help && metric->source[0].size);
        assert_ptr_equal (s_named (metric->name), metric);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_a_figure_is_the_sum_of_its_sources),
        cmocka_unit_test (test_page),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
