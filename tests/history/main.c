/*  =========================================================================
    judge - judges a history that was written down

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    judge [FILE]    the lines of a history (reading.h), of standard input without FILE

    Prints one line.  Ends with 0 if there is an order in which all answers are right, 1 if there is none, 2 if that was
    not decided within the steps that it takes, 3 if there is no such file.
*/

#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "judge.h"

#define MOST 200 //  steps for each operation

int main (int argc, char *argv[])
{
    FILE *file = argc > 1 ? fopen (argv[1], "r") : stdin;
    if (!file) {
        perror (argv[1]);
        return 3;
    }
    reading_t *reading = reading_new ();
    char *line = NULL;
    size_t room = 0;
    while (getline (&line, &room, file) > 0)
        reading_line (reading, line);
    reading_end (reading);
    judge_t judge = judge_history (reading, MOST);
    if (*judge.finding)
        printf ("%s\n", judge.finding);
    else
        printf ("%zu requests: %zu operations on %zu objects, %zu steps, %zu not decided\n", reading->exchanges,
                judge.operations, judge.objects, judge.steps, judge.undecided);
    if (judge.undecided)
        printf ("%s\n", judge.doubt);
    int code = *judge.finding ? 1 : judge.undecided ? 2 : 0;
    reading_destroy (&reading);
    free (line);
    fclose (file);
    return code;
}
