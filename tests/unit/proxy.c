/*  =========================================================================
    proxy - a wire that can be cut: a process that passes on what connects to it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <poll.h>
#include <sys/prctl.h>

#include "proxy.h"
#include "store_kit.h"

int proxy_main (int listener, int target)
{
    struct pollfd polls[64];
    int count = 1;
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    polls[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    address.sin_port = htons ((uint16_t) target);
    while (poll (polls, (nfds_t) count, -1) > 0) {
        if (polls[0].revents && count < 62) {
            polls[count] = (struct pollfd){.fd = accept (polls[0].fd, NULL, NULL), .events = POLLIN};
            polls[count + 1] = (struct pollfd){.fd = socket (AF_INET, SOCK_STREAM, 0), .events = POLLIN};
            if (connect (polls[count + 1].fd, (struct sockaddr *) &address, sizeof (address)) == 0)
                count += 2;
            else {
                close (polls[count].fd);
                close (polls[count + 1].fd);
            }
        }
        for (int i = 1; i < count; i++) {
            static char bytes[65536];
            int other = (i - 1) % 2 ? i - 1 : i + 1;
            if (polls[i].fd < 0 || !polls[i].revents)
                continue;
            ssize_t size = read (polls[i].fd, bytes, sizeof (bytes));
            ssize_t sent = 0, rc = 1;
            while (size > sent && (rc = send (polls[other].fd, bytes + sent, (size_t) (size - sent), MSG_NOSIGNAL)) > 0)
                sent += rc;
            if (size <= 0 || rc <= 0) {
                close (polls[i].fd);
                close (polls[other].fd);
                polls[i].fd = polls[other].fd = -1;
            }
        }
    }
    return 1;
}

pid_t proxy_new (int port, int target)
{
    int on = 1, listener = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    address.sin_port = htons ((uint16_t) port);
    setsockopt (listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof (on));
    assert_int_equal (bind (listener, (struct sockaddr *) &address, sizeof (address)), 0);
    assert_int_equal (listen (listener, 8), 0);
    char number[2][16];
    snprintf (number[0], sizeof (number[0]), "%d", listener);
    snprintf (number[1], sizeof (number[1]), "%d", target);
    pid_t pid = fork ();
    assert_true (pid >= 0);
    if (pid == 0) {
        execl (kit_self (), "proxy", "proxy", number[0], number[1], (char *) NULL);
        _exit (127);
    }
    close (listener);
    return pid;
}

void proxy_destroy (pid_t *pid)
{
    kill (*pid, SIGKILL);
    waitpid (*pid, NULL, 0);
    *pid = 0;
}
