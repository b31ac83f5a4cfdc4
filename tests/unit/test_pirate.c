/*  =========================================================================
    test_pirate - does a request get its own reply, from whichever server lives?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "patterns/pirate.h"
#include "patience.h"

//  A server of one socket.  It does what its pipe tells:
//  OPEN, CLOSE the socket; SERVE, DEAF (take no request), MUTE (take requests, say nothing), LATE (answer the next request
//  only together with the one after it, the older reply first).
typedef struct {
    int type; //  ZMQ_REP or ZMQ_ROUTER
    char endpoint[64];
    zactor_t *actor;
    size_t requests;
} server_t;

//  Sockets order what actor and test do; this is for tools that don't see it.
static atomic_bool fence;

static zsock_t *s_bind (server_t *self)
{
    zsock_t *socket = zsock_new (self->type);
    assert (socket);
    zsock_set_linger (socket, 0);
    zsock_set_rcvhwm (socket, 1);
    //  Not a port that the system gives away: while a server is closed, another process could get it.
    for (int port = 10000 + getpid () % 2500 * 8; !self->endpoint[0] && port < 32768; port++)
        if (zsock_bind (socket, "tcp://127.0.0.1:%d", port) == port)
            snprintf (self->endpoint, sizeof (self->endpoint), "tcp://127.0.0.1:%d", port);
    //  The port of a closed socket is free a moment later.
    while (!zsock_endpoint (socket))
        if (zsock_bind (socket, "%s", self->endpoint) == -1)
            zclock_sleep (1);
    return socket;
}

static void s_server (zsock_t *pipe, void *arg)
{
    server_t *self = (server_t *) arg;
    zsock_t *socket = s_bind (self);
    zmsg_t *kept = NULL;
    char mode = 'S';
    bool end = false;
    atomic_store (&fence, true);
    zsock_signal (pipe, 0);
    while (!end) {
        zmq_pollitem_t items[] = {{.socket = zsock_resolve (pipe), .events = ZMQ_POLLIN},
                                  {.socket = socket ? zsock_resolve (socket) : NULL, .events = ZMQ_POLLIN}};
        if (zmq_poll (items, socket && mode != 'D' ? 2 : 1, -1) == -1)
            continue;
        if (items[0].revents) {
            char *command = zstr_recv (pipe);
            end = streq (command, "$TERM");
            if (streq (command, "CLOSE"))
                zsock_destroy (&socket);
            else if (streq (command, "OPEN"))
                socket = s_bind (self);
            else
                mode = command[0];
            free (command);
            atomic_store (&fence, true);
            zsock_signal (pipe, 0);
        }
        else if (items[1].revents) {
            zmsg_t *request = zmsg_recv (socket);
            self->requests++;
            if (mode == 'M')
                zmsg_destroy (&request);
            else if (mode == 'L') {
                kept = request;
                mode = 'S';
            }
            else {
                if (kept)
                    zmsg_send (&kept, socket);
                zmsg_send (&request, socket);
            }
        }
    }
    zmsg_destroy (&kept);
    zsock_destroy (&socket);
    atomic_store (&fence, true);
}

static void s_start (server_t *self, int type)
{
    *self = (server_t){.type = type};
    self->actor = zactor_new (s_server, self);
    assert_true (atomic_load (&fence));
}

static void s_tell (server_t *self, const char *command)
{
    zstr_send (self->actor, command);
    zsock_wait (self->actor);
    assert_true (atomic_load (&fence));
}

static void s_stop (server_t *self)
{
    zactor_destroy (&self->actor);
    assert_true (atomic_load (&fence));
}

//  A client that a busy machine does not make nervous.
static pirate_t *s_client (const char *endpoints)
{
    pirate_t *pirate = pirate_new (endpoints);
    assert_non_null (pirate);
    pirate_set_heartbeat (pirate, 1000, 10000);
    return pirate;
}

//  Two servers and a client of both.
static pirate_t *s_pair (server_t server[2], int type)
{
    s_start (&server[0], type);
    s_start (&server[1], type);
    char endpoints[160];
    snprintf (endpoints, sizeof (endpoints), "%s,%s", server[0].endpoint, server[1].endpoint);
    return s_client (endpoints);
}

static void s_end (server_t server[2], pirate_t **pirate_p)
{
    pirate_destroy (pirate_p);
    assert_null (*pirate_p);
    s_stop (&server[0]);
    s_stop (&server[1]);
}

//  Returns whether an echo came back, and came back whole.
static bool s_echo (pirate_t *pirate, const char *text)
{
    zmsg_t *request = zmsg_new ();
    zmsg_addstr (request, text);
    zmsg_addstr (request, "");
    zmsg_t *reply = pirate_request (pirate, &request);
    assert_null (request);
    if (!reply)
        return false;
    assert_int_equal (zmsg_size (reply), 2);
    char *first = zmsg_popstr (reply);
    assert_string_equal (first, text);
    free (first);
    zmsg_destroy (&reply);
    return true;
}

static void s_connect (pirate_t *pirate)
{
    while (!pirate_connected (pirate, 0) || !pirate_connected (pirate, 1))
        assert_int_equal (pirate_wait (pirate, -1), PIRATE_UP);
}

static void test_new (void **state)
{
    (void) state;
    assert_null (pirate_new (""));
    assert_null (pirate_new (","));
    assert_null (pirate_new ("tcp://127.0.0.1:1,"));
    assert_null (pirate_new ("nonsense"));
    assert_null (pirate_new ("tcp://127.0.0.1:1,udp:"));
    char text[400];
    memset (text, 'a', sizeof (text));
    text[399] = 0;
    assert_null (pirate_new (text));
    assert_null (pirate_new ("inproc://1,inproc://2,inproc://3,inproc://4,inproc://5,inproc://6,inproc://7,inproc://8,"
                             "inproc://9"));
    pirate_t *pirate = pirate_new ("tcp://127.0.0.1:1,tcp://127.0.0.1:2");
    assert_int_equal (pirate_size (pirate), 2);
    assert_string_equal (pirate_endpoint (pirate, 1), "tcp://127.0.0.1:2");
    assert_int_equal (pirate_find (pirate, "tcp://127.0.0.1:2"), 1);
    assert_int_equal (pirate_find (pirate, "tcp://127.0.0.1:3"), 2);
    assert_int_equal (pirate_current (pirate), 0);
    assert_false (pirate_connected (pirate, 0));
    assert_int_equal (pirate_wait (pirate, 0), PIRATE_NOTHING);
    pirate_destroy (&pirate);
    pirate_destroy (&pirate);
}

static void test_echo (void **state)
{
    (void) state;
    for (int type = 0; type < 2; type++) {
        server_t server[2];
        pirate_t *pirate = s_pair (server, type ? ZMQ_ROUTER : ZMQ_REP);
        for (int count = 0; count < 50; count++)
            assert_true (s_echo (pirate, "hello"));
        s_end (server, &pirate);
        assert_int_equal (server[0].requests + server[1].requests, 50);
    }
}

//  Nobody answers: the call ends in time.
static void test_nobody (void **state)
{
    (void) state;
    server_t server[2];
    pirate_t *pirate = s_pair (server, ZMQ_REP);
    s_tell (&server[0], "CLOSE");
    s_tell (&server[1], "CLOSE");
    pirate_set_timeout (pirate, 100);
    assert_false (s_echo (pirate, "hello"));
    assert_int_equal (errno, EAGAIN);
    //  And it recovers, without the request of before.
    s_tell (&server[1], "OPEN");
    pirate_set_timeout (pirate, patience_ms ());
    assert_true (s_echo (pirate, "again"));
    s_end (server, &pirate);
    assert_int_equal (server[1].requests, 1);
}

//  A server that dies is left at once, not after the patience.
static void test_death (void **state)
{
    (void) state;
    server_t server[2];
    pirate_t *pirate = s_pair (server, ZMQ_REP);
    s_connect (pirate);
    pirate_set_timeout (pirate, -1);
    pirate_set_patience (pirate, 1000000);
    for (int count = 0; count < 10; count++) {
        size_t current = pirate_current (pirate);
        assert_true (s_echo (pirate, "before"));
        s_tell (&server[current], "CLOSE");
        assert_true (s_echo (pirate, "after"));
        assert_int_equal (pirate_current (pirate), 1 - current);
        s_tell (&server[current], "OPEN");
        while (!pirate_connected (pirate, current))
            pirate_wait (pirate, -1);
    }
    assert_int_equal (pirate_moves (pirate), 10);
    s_end (server, &pirate);
}

//  A server that takes requests and says nothing costs one patience.
static void test_mute (void **state)
{
    (void) state;
    server_t server[2];
    pirate_t *pirate = s_pair (server, ZMQ_ROUTER);
    s_connect (pirate);
    pirate_set_patience (pirate, 50);
    s_tell (&server[0], "MUTE");
    assert_true (s_echo (pirate, "hello"));
    assert_int_equal (pirate_current (pirate), 1);
    //  Both: the end of time.
    s_tell (&server[1], "MUTE");
    pirate_set_timeout (pirate, 200);
    assert_false (s_echo (pirate, "hello"));
    s_end (server, &pirate);
    assert_true (server[0].requests > 1);
}

//  A second opinion: another server is asked and answers while the current one is mute, and is not moved to.
static void test_listen (void **state)
{
    (void) state;
    server_t server[2];
    pirate_t *pirate = s_pair (server, ZMQ_ROUTER);
    s_connect (pirate);
    while (!pirate_connected (pirate, 1))
        pirate_wait (pirate, 10);
    s_tell (&server[0], "MUTE");
    assert_null (pirate_listen (pirate, 0));
    assert_int_equal (zmq_send (pirate_socket (pirate), "one", 3, ZMQ_DONTWAIT), 3);
    void *other = pirate_listen (pirate, 1);
    assert_non_null (other);
    assert_int_equal (zmq_send (other, "two", 3, ZMQ_DONTWAIT), 3);
    pirate_event_t event;
    while ((event = pirate_wait (pirate, patience_ms ())) == PIRATE_UP)
        ;
    assert_int_equal (event, PIRATE_OTHER);
    char reply[8];
    assert_int_equal (zmq_recv (other, reply, sizeof reply, ZMQ_DONTWAIT), 3);
    assert_memory_equal (reply, "two", 3);
    assert_int_equal (pirate_current (pirate), 0);
    //  Once it is the current one it is no other.
    pirate_move (pirate, 1, false);
    assert_null (pirate_listen (pirate, 1));
    s_end (server, &pirate);
}

//  The reply to a request that was given up is not taken for the reply to the next one.
static void test_late (void **state)
{
    (void) state;
    server_t server;
    s_start (&server, ZMQ_ROUTER);
    pirate_t *pirate = s_client (server.endpoint);
    assert_true (s_echo (pirate, "zero"));
    s_tell (&server, "LATE");
    pirate_set_timeout (pirate, 50);
    assert_false (s_echo (pirate, "one"));
    pirate_set_timeout (pirate, patience_ms ());
    assert_true (s_echo (pirate, "two"));
    assert_true (s_echo (pirate, "three"));
    pirate_destroy (&pirate);
    s_stop (&server);
}

//  The same when the request is sent again, to the only server there is.
static void test_again (void **state)
{
    (void) state;
    server_t server;
    s_start (&server, ZMQ_ROUTER);
    pirate_t *pirate = s_client (server.endpoint);
    assert_true (s_echo (pirate, "zero"));
    s_tell (&server, "LATE");
    pirate_set_patience (pirate, 50);
    assert_true (s_echo (pirate, "one"));
    assert_true (s_echo (pirate, "two"));
    pirate_destroy (&pirate);
    s_stop (&server);
    assert_int_equal (server.requests, 4);
}

static void s_nothing (int number)
{
    (void) number;
}

static void test_interrupted (void **state)
{
    (void) state;
    pirate_t *pirate = pirate_new ("tcp://127.0.0.1:1");
    struct sigaction action = {.sa_handler = s_nothing};
    struct sigaction previous;
    sigaction (SIGALRM, &action, &previous);
    struct itimerval timer = {{0, 20000}, {0, 20000}};
    struct itimerval off = {{0, 0}, {0, 0}};
    setitimer (ITIMER_REAL, &timer, NULL);
    pirate_set_timeout (pirate, -1);
    assert_false (s_echo (pirate, "hello"));
    assert_int_equal (errno, EINTR);
    setitimer (ITIMER_REAL, &off, NULL);
    sigaction (SIGALRM, &previous, NULL);
    pirate_destroy (&pirate);
}

//  The lower level: what was received comes before the loss, and the loss is told once.
static void test_lost (void **state)
{
    (void) state;
    server_t server[2];
    pirate_t *pirate = s_pair (server, ZMQ_ROUTER);
    s_connect (pirate);
    for (int count = 0; count < 3; count++)
        assert_int_not_equal (zmq_send (pirate_socket (pirate), "x", 1, ZMQ_DONTWAIT), -1);
    //  All three are answered when the fourth one is.
    assert_int_not_equal (zmq_send (pirate_socket (pirate), "last", 4, ZMQ_DONTWAIT), -1);
    char buffer[8];
    assert_int_equal (pirate_wait (pirate, -1), PIRATE_READY);
    assert_int_equal (zmq_recv (pirate_socket (pirate), buffer, sizeof (buffer), 0), 1);
    while (zmq_recv (pirate_socket (pirate), buffer, sizeof (buffer), ZMQ_DONTWAIT) != 4)
        pirate_wait (pirate, 10);
    s_tell (&server[0], "CLOSE");
    assert_int_equal (pirate_wait (pirate, -1), PIRATE_LOST);
    assert_false (pirate_connected (pirate, 0));
    assert_int_equal (pirate_wait (pirate, 0), PIRATE_NOTHING);
    //  Nothing is queued for a server that is away.
    assert_int_equal (zmq_send (pirate_socket (pirate), "x", 1, ZMQ_DONTWAIT), -1);
    assert_int_equal (errno, EAGAIN);
    pirate_next (pirate, true);
    assert_int_equal (pirate_current (pirate), 1);
    assert_int_not_equal (zmq_send (pirate_socket (pirate), "x", 1, ZMQ_DONTWAIT), -1);
    assert_int_equal (pirate_wait (pirate, -1), PIRATE_READY);
    //  There is no other one to go to.
    pirate_next (pirate, true);
    assert_int_equal (pirate_current (pirate), 1);
    s_tell (&server[0], "OPEN");
    assert_int_equal (zmq_recv (pirate_socket (pirate), buffer, sizeof (buffer), 0), 1);
    assert_int_equal (pirate_wait (pirate, -1), PIRATE_UP);
    assert_true (pirate_connected (pirate, 0));
    s_end (server, &pirate);
}

//  A renewed connection brings nothing of the old one.
static void test_renew (void **state)
{
    (void) state;
    server_t server;
    s_start (&server, ZMQ_ROUTER);
    pirate_t *pirate = s_client (server.endpoint);
    assert_int_equal (pirate_wait (pirate, -1), PIRATE_UP);
    assert_int_not_equal (zmq_send (pirate_socket (pirate), "old", 3, ZMQ_DONTWAIT), -1);
    assert_int_equal (pirate_wait (pirate, -1), PIRATE_READY);
    pirate_renew (pirate);
    assert_false (pirate_connected (pirate, 0));
    assert_int_equal (pirate_wait (pirate, -1), PIRATE_UP);
    assert_int_not_equal (zmq_send (pirate_socket (pirate), "new", 3, ZMQ_DONTWAIT), -1);
    assert_int_equal (pirate_wait (pirate, -1), PIRATE_READY);
    char buffer[8];
    assert_int_equal (zmq_recv (pirate_socket (pirate), buffer, sizeof (buffer), 0), 3);
    assert_memory_equal (buffer, "new", 3);
    pirate_destroy (&pirate);
    s_stop (&server);
}

//  A new connection to the same address is no loss, and the server's other connection stands.
static void test_reroute (void **state)
{
    (void) state;
    server_t server[2];
    pirate_t *pirate = s_pair (server, ZMQ_REP);
    assert_true (s_echo (pirate, "one"));
    size_t moves = pirate_moves (pirate);
    pirate_reroute (pirate);
    assert_false (pirate_connected (pirate, pirate_current (pirate)));
    while (!pirate_connected (pirate, pirate_current (pirate)))
        assert_int_not_equal (pirate_wait (pirate, patience_ms ()), PIRATE_NOTHING);
    assert_true (s_echo (pirate, "two"));
    //  It is the same server, and nothing was taken for a loss.
    assert_int_equal (pirate_moves (pirate), moves);
    s_end (server, &pirate);
}

//  A server that lives and does not take requests is not left: its heartbeats don't wait behind them.
static void test_busy (void **state)
{
    (void) state;
    server_t server[2];
    pirate_t *pirate = s_pair (server, ZMQ_ROUTER);
    pirate_set_heartbeat (pirate, 100, 1000);
    s_connect (pirate);
    s_tell (&server[0], "DEAF");
    for (int count = 0; count < 10; count++)
        assert_int_equal (zmq_send (pirate_socket (pirate), "x", 1, ZMQ_DONTWAIT), 1);
    assert_int_equal (pirate_wait (pirate, 3000), PIRATE_NOTHING);
    assert_true (pirate_connected (pirate, 0));
    s_tell (&server[0], "SERVE");
    char buffer[8];
    for (int count = 0; count < 10; count++) {
        assert_int_equal (pirate_wait (pirate, -1), PIRATE_READY);
        assert_int_equal (zmq_recv (pirate_socket (pirate), buffer, sizeof (buffer), 0), 1);
    }
    s_end (server, &pirate);
}

//  A server in a process of its own, for tests that stop it: this program, with the pipe for its endpoint as argument.
static int s_serve (int report)
{
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    zsock_t *socket = zsock_new_router ("tcp://127.0.0.1:*");
    dprintf (report, "%s\n", zsock_endpoint (socket));
    while (true) {
        zmsg_t *request = zmsg_recv (socket);
        if (request)
            zmsg_send (&request, socket);
    }
    return 0;
}

static pid_t s_spawn (char *endpoint, size_t size)
{
    int report[2];
    assert_int_equal (pipe (report), 0);
    char path[PATH_MAX] = "";
    assert_true (readlink ("/proc/self/exe", path, sizeof (path) - 1) > 0);
    char number[12];
    snprintf (number, sizeof (number), "%d", report[1]);
    pid_t process = fork ();
    if (process == 0) {
        execl (path, path, number, NULL);
        _exit (1);
    }
    close (report[1]);
    ssize_t length = read (report[0], endpoint, size - 1);
    assert_true (length > 1);
    endpoint[length - 1] = 0;
    close (report[0]);
    return process;
}

//  One that is frozen keeps its connections, and is left all the same, without a request: in use or not.
static void test_frozen (void **state)
{
    (void) state;
    char frozen[64];
    pid_t process = s_spawn (frozen, sizeof (frozen));
    server_t server;
    s_start (&server, ZMQ_ROUTER);
    char endpoints[160];
    snprintf (endpoints, sizeof (endpoints), "%s,%s", frozen, server.endpoint);
    pirate_t *pirate = s_client (endpoints);
    pirate_set_heartbeat (pirate, 100, 1000);
    s_connect (pirate);
    assert_true (s_echo (pirate, "before"));
    kill (process, SIGSTOP);
    assert_int_equal (pirate_wait (pirate, patience_ms ()), PIRATE_LOST);
    assert_false (pirate_connected (pirate, 0));
    pirate_next (pirate, true);
    assert_int_equal (pirate_current (pirate), 1);
    assert_true (s_echo (pirate, "after"));
    for (int round = 0; round < 2; round++) {
        kill (process, SIGCONT);
        s_connect (pirate);
        kill (process, SIGSTOP);
        while (pirate_connected (pirate, 0))
            assert_int_not_equal (pirate_wait (pirate, 10), PIRATE_LOST);
    }
    kill (process, SIGCONT);
    s_connect (pirate);
    pirate_move (pirate, 0, true);
    assert_true (s_echo (pirate, "again"));
    pirate_destroy (&pirate);
    s_stop (&server);
    kill (process, SIGKILL);
    waitpid (process, NULL, 0);
}

//  A program's signals are its own.
static void test_signals (void **state)
{
    (void) state;
    struct sigaction action = {.sa_handler = s_nothing};
    struct sigaction previous;
    sigaction (SIGINT, &action, &previous);
    server_t server;
    s_start (&server, ZMQ_REP);
    pirate_t *pirate = s_client (server.endpoint);
    assert_true (s_echo (pirate, "hello"));
    pirate_destroy (&pirate);
    s_stop (&server);
    sigaction (SIGINT, &previous, &action);
    assert_true (action.sa_handler == s_nothing);
}

int main (int argc, char *argv[])
{
    if (argc == 2)
        return s_serve (atoi (argv[1]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_new),     cmocka_unit_test (test_echo), cmocka_unit_test (test_nobody),
        cmocka_unit_test (test_death),   cmocka_unit_test (test_mute), cmocka_unit_test (test_late),
        cmocka_unit_test (test_listen),
        cmocka_unit_test (test_again),   cmocka_unit_test (test_busy), cmocka_unit_test (test_interrupted),
        cmocka_unit_test (test_frozen),  cmocka_unit_test (test_lost), cmocka_unit_test (test_renew),
        cmocka_unit_test (test_signals), cmocka_unit_test (test_reroute),
    };
    zsys_handler_set (NULL);
    return cmocka_run_group_tests_name ("pirate", tests, NULL, NULL);
}
