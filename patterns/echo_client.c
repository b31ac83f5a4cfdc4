/*  =========================================================================
    echo_client - an example: a client of two echo servers that behave as one

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Sends numbers and prints the ones that come back, and where they come from each
    time that changes.  Start the two echo_server, then this; kill the server that is
    active.
*/

#include "patterns/pirate.h"

#include <getopt.h>

static const char s_usage[] =
    "usage: echo_client [-e ENDPOINTS] [-n COUNT] [-i MS]\n"
    "  -e ENDPOINTS  servers, a comma between; default tcp://localhost:5001,tcp://localhost:5002\n"
    "  -n COUNT      requests to send; default 0: until stopped\n"
    "  -i MS         pause between two requests; default 1000\n";

//  Sends the number and waits for it to come back.  Returns false if nobody answered.
static bool s_echo (pirate_t *pirate, size_t number)
{
    zmsg_t *request = zmsg_new ();
    zmsg_addstrf (request, "%zu", number);
    zmsg_t *reply = pirate_request (pirate, &request);
    char *text = reply ? zmsg_popstr (reply) : NULL;
    if (text) {
        puts (text);
        fflush (stdout);
    }
    zmsg_destroy (&reply);
    bool answered = text != NULL;
    free (text);
    return answered;
}

int main (int argc, char *argv[])
{
    const char *endpoints = "tcp://localhost:5001,tcp://localhost:5002";
    size_t count = 0;
    int pause = 1000;
    int option;
    while ((option = getopt (argc, argv, "e:n:i:")) != -1) {
        if (option == 'e')
            endpoints = optarg;
        else if (option == 'n')
            count = strtoul (optarg, NULL, 10);
        else if (option == 'i')
            pause = atoi (optarg);
        else
            optind = argc + 1;
    }
    pirate_t *pirate = optind == argc ? pirate_new (endpoints) : NULL;
    if (!pirate || pause < 0) {
        fputs (s_usage, stderr);
        pirate_destroy (&pirate);
        return 2;
    }
    //  A passive server says nothing, and an active one answers within a few ms.
    pirate_set_patience (pirate, 100);
    size_t server = pirate_size (pirate);
    size_t number = 1;
    bool answered = true;
    while (answered && (count == 0 || number <= count)) {
        int64_t start = zclock_mono ();
        answered = s_echo (pirate, number);
        if (answered && pirate_current (pirate) != server) {
            server = pirate_current (pirate);
            fprintf (stderr, "echo_client: served by %s after %" PRId64 " ms\n", pirate_endpoint (pirate, server),
                     zclock_mono () - start);
        }
        if (answered && number++ != count)
            zclock_sleep (pause);
    }
    if (!answered)
        fprintf (stderr, "echo_client: no answer from %s\n", endpoints);
    pirate_destroy (&pirate);
    return answered ? 0 : 1;
}
