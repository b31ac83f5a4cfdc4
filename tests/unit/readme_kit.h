/*  =========================================================================
    readme_kit - does a README show the table that the code runs?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef README_KIT_H_INCLUDED
#define README_KIT_H_INCLUDED

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define README_LINE 512 //  bytes of a line

//  The lines of README (its path in the source) that begin with `begin` and a digit are the table's rows, in its order,
//  and nothing else.  `format` writes a row as its line.
static inline void readme_shows (const char *readme, const char *begin, size_t count,
                                 void (*format) (size_t row, char line[README_LINE]))
{
    char line[README_LINE], expected[README_LINE];
    const char *source = getenv ("ZBROKER_SOURCE");
    snprintf (line, sizeof line, "%s/%s", source ? source : ".", readme);
    FILE *file = fopen (line, "r");
    assert_non_null (file);
    size_t seen = 0, prefix = strlen (begin);
    while (fgets (line, sizeof line, file)) {
        if (strncmp (line, begin, prefix) != 0 || line[prefix] < '0' || line[prefix] > '9')
            continue;
        line[strcspn (line, "\n")] = 0;
        assert_true (seen < count);
        format (seen++, expected);
        assert_string_equal (line, expected);
    }
    fclose (file);
    assert_int_equal (seen, count);
}

//  Prints the rows, for who writes the README.
static inline void readme_print (size_t count, void (*format) (size_t row, char line[README_LINE]))
{
    for (size_t row = 0; row < count; row++) {
        char line[README_LINE];
        format (row, line);
        puts (line);
    }
}

#endif
