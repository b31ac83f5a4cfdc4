/*  =========================================================================
    run_corpus - a fuzzer's corpus without a fuzzer, with any compiler

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    run_corpus [FILE...]     Without files, all of tests/fuzz/corpus.  Prints TAP; an
                             input that breaks a rule ends the program with a signal
                             behind a line that names its file.
*/

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1 << 20)

static int s_visible (const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

//  Tries one file; false if it cannot be read.
static bool s_run (const char *name)
{
    FILE *file = fopen (name, "rb");
    if (!file)
        return false;
    uint8_t *data = (uint8_t *) malloc (INPUT_MAX);
    if (!data)
        abort ();
    size_t size = fread (data, 1, INPUT_MAX, file);
    fclose (file);
    //  An exact copy, so that a read beyond its end is seen.
    uint8_t *exact = (uint8_t *) malloc (size ? size : 1);
    if (!exact)
        abort ();
    memcpy (exact, data, size);
    free (data);
    printf ("# %s\n", name);
    fflush (stdout);
    LLVMFuzzerTestOneInput (exact, size);
    free (exact);
    return true;
}

static bool s_report (unsigned number, const char *name)
{
    bool good = s_run (name);
    const char *slash = strrchr (name, '/');
    printf ("%s %u - %s\n", good ? "ok" : "not ok", number, slash ? slash + 1 : name);
    return good;
}

int main (int argc, char *argv[])
{
    unsigned number = 0;
    unsigned failed = 0;
    for (int index = 1; index < argc; index++)
        failed += !s_report (++number, argv[index]);
    if (argc == 1) {
        const char *source = getenv ("ZBROKER_SOURCE");
        char folder[3000];
        snprintf (folder, sizeof (folder), "%s/tests/fuzz/corpus", source ? source : ".");
        struct dirent **entry = NULL;
        int entries = scandir (folder, &entry, s_visible, alphasort);
        for (int index = 0; index < entries; index++) {
            char name[4000];
            snprintf (name, sizeof (name), "%s/%s", folder, entry[index]->d_name);
            failed += !s_report (++number, name);
            free (entry[index]);
        }
        free (entry);
    }
    if (number == 0)
        failed = (unsigned) printf ("not ok %u - there is a corpus\n", ++number);
    printf ("1..%u\n", number);
    return failed > 0;
}
