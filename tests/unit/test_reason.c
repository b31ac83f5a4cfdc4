/*  =========================================================================
    test_reason - is the table of reasons whole, and in the manual?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    That each state in which nobody is served has a way out is for test_role_walk.
*/

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/pair/reason.h"

//  A name is a word of its own; who waits has a way out, and nobody else has.
static void test_the_table_is_whole (void **unused)
{
    (void) unused;
    for (zb_reason_t reason = 0; reason < ZB_REASONS; reason++) {
        const zb_reason_row_t *row = zb_reason_row (reason);
        assert_true (*row->name && strspn (row->name, "abcdefghijklmnopqrstuvwxyz-") == strlen (row->name));
        assert_true (reason == ZB_REASON_NONE || *row->why);
        assert_true ((row->stands == ZB_STANDS_WAITING) == (row->way_out != NULL));
        for (zb_reason_t other = 0; other < reason; other++)
            assert_string_not_equal (row->name, zb_reason_row (other)->name);
    }
}

//  Each way out has an entry of its name in zbroker(1), and each entry is of one.
static void test_the_manual_has_each_way_out (void **unused)
{
    (void) unused;
    static const char entry[] = ".It Li ";
    char line[512];
    const char *source = getenv ("ZBROKER_SOURCE");
    snprintf (line, sizeof line, "%s/tools/zbroker.1", source ? source : ".");
    FILE *file = fopen (line, "r");
    assert_non_null (file);
    size_t found[ZB_REASONS] = {0};
    bool inside = false;
    while (fgets (line, sizeof line, file)) {
        line[strcspn (line, "\n")] = 0;
        if (strncmp (line, ".Sh ", 4) == 0)
            inside = strcmp (line, ".Sh WAYS OUT") == 0;
        if (!inside || strncmp (line, entry, strlen (entry)) != 0)
            continue;
        zb_reason_t reason = 0;
        while (reason < ZB_REASONS && strcmp (line + strlen (entry), zb_reason_row (reason)->name) != 0)
            reason++;
        if (reason == ZB_REASONS)
            fail_msg ("no reason is called '%s'", line + strlen (entry));
        found[reason]++;
    }
    fclose (file);
    for (zb_reason_t reason = 0; reason < ZB_REASONS; reason++)
        if (found[reason] != (zb_reason_row (reason)->way_out ? 1 : 0))
            fail_msg ("'%s' has %zu entries", zb_reason_row (reason)->name, found[reason]);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_the_table_is_whole),
        cmocka_unit_test (test_the_manual_has_each_way_out),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
