/*  =========================================================================
    echo_server - an example: two echo servers that behave as one

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Start one as the primary and one as the backup, and use any REQ client that goes to
    the other server when it gets no reply, such as the guide's bstarcli, or
    echo_client here.  Then kill the one that serves.
*/

#include "patterns/bstar.h"

#include <getopt.h>

static const char s_usage[] = "usage: echo_server -p|-b [-c CLIENTS] [-l LOCAL] [-r REMOTE]\n"
                              "  -p          primary: clients at tcp://*:5001, states at 5003, peer's at 5004\n"
                              "  -b          backup: clients at tcp://*:5002, states at 5004, peer's at 5003\n"
                              "  -c CLIENTS  endpoint to bind for clients\n"
                              "  -l LOCAL    endpoint to bind for the states of this server\n"
                              "  -r REMOTE   endpoint to connect to for the states of the peer\n";

//  A request comes with the envelope of its client, which goes back with the reply.
static int s_echo (zloop_t *loop, zsock_t *reader, void *arg)
{
    (void) loop;
    (void) arg;
    zmsg_t *msg = zmsg_recv (reader);
    if (msg)
        zmsg_send (&msg, reader);
    //  A client that has left is no reason to stop.
    zmsg_destroy (&msg);
    return 0;
}

static int s_say (zloop_t *loop, void *arg)
{
    (void) loop;
    puts (arg);
    fflush (stdout);
    return 0;
}

int main (int argc, char *argv[])
{
    bstar_state_t home = BSTAR_ACTIVE;
    const char *clients = NULL;
    const char *local = NULL;
    const char *remote = NULL;
    int option;
    while ((option = getopt (argc, argv, "pbc:l:r:")) != -1) {
        if (option == 'p' || option == 'b')
            home = option == 'p' ? BSTAR_PRIMARY : BSTAR_BACKUP;
        else if (option == 'c')
            clients = optarg;
        else if (option == 'l')
            local = optarg;
        else if (option == 'r')
            remote = optarg;
        else
            optind = argc + 1;
    }
    if (home == BSTAR_ACTIVE || optind != argc) {
        fputs (s_usage, stderr);
        return 2;
    }
    const bool primary = home == BSTAR_PRIMARY;
    clients = clients ? clients : primary ? "tcp://*:5001" : "tcp://*:5002";
    local = local ? local : primary ? "tcp://*:5003" : "tcp://*:5004";
    remote = remote ? remote : primary ? "tcp://localhost:5004" : "tcp://localhost:5003";

    //  Standard output is for the changes of role, see below.
    zsys_set_logstream (stderr);
    static char active[] = "ACTIVE", passive[] = "PASSIVE", conflict[] = "CONFLICT";
    bstar_t *bstar = bstar_new (home, local, remote);
    if (!bstar || bstar_voter (bstar, clients, ZMQ_ROUTER, s_echo, NULL)) {
        fprintf (stderr, "echo_server: %s: %s\n", bstar ? clients : local, zmq_strerror (errno));
        bstar_destroy (&bstar);
        return 1;
    }
    bstar_new_active (bstar, s_say, active);
    bstar_new_passive (bstar, s_say, passive);
    //  An echo has no past that could be lost.
    bstar_new_conflict (bstar, s_say, conflict);
    puts ("READY");
    fflush (stdout);
    int rc = bstar_start (bstar);
    bstar_destroy (&bstar);
    return rc ? 1 : 0;
}
