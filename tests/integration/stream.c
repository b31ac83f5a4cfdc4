/*  =========================================================================
    stream - a pipelined stream of PUTs by a named producer, through libzbroker

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    stream BROKERS NAME QUEUE FIRST LAST: puts the numbers from FIRST to LAST, one a
    message, and prints "at N" after each hundredth OK, and at the end one line:
    "done BOTH SOLO DUPLICATES LONGEST", the last one in ms between two OKs.  $ZBROKER_KEY
    names a file with its key.
*/

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zbroker.h>

typedef struct {
    unsigned long oks, both, solo, duplicates, next;
    long last_ms, longest_ms;
} counts_t;

static long s_now (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void s_done (const zb_receipt_t *receipt, void *arg)
{
    counts_t *counts = arg;
    long now = s_now ();
    if (receipt->error) {
        fprintf (stderr, "PUT %lu: %d %s\n", counts->oks + 1, receipt->error, receipt->text);
        exit (1);
    }
    if (counts->oks && now - counts->last_ms > counts->longest_ms)
        counts->longest_ms = now - counts->last_ms;
    counts->last_ms = now;
    counts->oks++;
    counts->both += receipt->level == ZB_LEVEL_BOTH;
    counts->solo += receipt->level == ZB_LEVEL_SOLO;
    counts->duplicates += receipt->duplicate;
    if (counts->oks % 100 == 0) {
        printf ("at %lu\n", counts->oks);
        fflush (stdout);
    }
}

int main (int argc, char *argv[])
{
    if (argc != 6)
        return 2;
    unsigned long first = strtoul (argv[4], NULL, 10), last = strtoul (argv[5], NULL, 10);
    counts_t counts = { 0 };
    zb_client_t *client = zb_client_new (argv[1]);
    const char *key = getenv ("ZBROKER_KEY");
    if (client && key && zb_client_set_key (client, key))
        return 1;
    if (!client || zb_client_set_name (client, argv[2]) || zb_client_create_queue (client, argv[3], NULL))
        return 1;
    for (unsigned long number = first; number <= last; number++) {
        char text[24];
        zb_body_t body = { text, (size_t) snprintf (text, sizeof text, "%lu", number) };
        if (zb_client_put_async (client, argv[3], NULL, &body, 1, s_done, &counts)) {
            fprintf (stderr, "%s\n", zb_client_error_text (client));
            return 1;
        }
    }
    if (zb_client_flush (client) || counts.oks != last - first + 1)
        return 1;
    printf ("done %lu %lu %lu %ld\n", counts.both, counts.solo, counts.duplicates, counts.longest_ms);
    zb_client_destroy (&client);
    return 0;
}
