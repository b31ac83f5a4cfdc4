/*  =========================================================================
    demo - zbroker demo: lose a broker, keep the message

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Starts a pair on loopback in a scratch folder, with this very program, stores a
    message, kills the active broker with SIGKILL and takes the message from the
    other one.
*/

#include <arpa/inet.h>
#include <czmq.h>
#include <jansson.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "commands.h"

#define START_LIMIT 30000 //  ms for a broker to say READY, and for the pair to be in step
#define PORTS 4           //  that a broker takes from its endpoint's port upwards
#define QUEUE "demo"
#define BODY "hello from before the crash"

static const tool_option_t s_options[] = {{NULL, NULL, NULL}};

typedef struct {
    const char *role;
    char endpoint[64];
    char log[PATH_MAX];
    pid_t pid;  //  0: not running
    int output; //  its standard output, -1: none
} node_t;

typedef struct {
    const tool_t *tool;
    char folder[PATH_MAX / 2];
    node_t node[2];
    zb_client_t *client;
} demo_t;

static volatile sig_atomic_t s_interrupted;

static void s_on_signal (int number)
{
    s_interrupted = number;
}

//  ---------------------------------------------------------------------------
//  The brokers

//  Binds a TCP port of the loopback address, 0 = any.  Returns the socket, or -1.
static int s_bind (int port)
{
    int handle = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons ((uint16_t) port)};
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    if (handle != -1 && bind (handle, (struct sockaddr *) &address, sizeof address)) {
        close (handle);
        handle = -1;
    }
    return handle;
}

//  Returns the first of PORTS free ports, which stay bound in `handles` until both brokers have theirs; 0 if none.
static int s_find_ports (int handles[PORTS])
{
    for (int attempt = 0; attempt < 100; attempt++) {
        struct sockaddr_in address;
        socklen_t size = sizeof address;
        int count = 0, port = 0;
        handles[count] = s_bind (0);
        if (handles[count] != -1 && getsockname (handles[count], (struct sockaddr *) &address, &size) == 0) {
            port = ntohs (address.sin_port);
            do
                count++;
            while (count < PORTS && port + count < 65536 && (handles[count] = s_bind (port + count)) != -1);
            if (count == PORTS)
                return port;
        }
        while (count-- > 0)
            close (handles[count]);
    }
    return 0;
}

static int s_choose_endpoints (demo_t *self)
{
    int handles[2][PORTS], found = 0;
    while (found < 2) {
        int port = s_find_ports (handles[found]);
        if (!port)
            break;
        snprintf (self->node[found].endpoint, sizeof self->node[found].endpoint, "tcp://127.0.0.1:%d", port);
        found++;
    }
    for (int index = 0; index < found; index++)
        for (int port = 0; port < PORTS; port++)
            close (handles[index][port]);
    return found == 2 ? 0 : -1;
}

//  In the child: becomes the broker.
static void s_become (const demo_t *self, const node_t *node, int output)
{
    char store[PATH_MAX];
    snprintf (store, sizeof store, "%s/%s", self->folder, node->role);
    //  Whatever happens to the demo, its brokers go with it.
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    int log = open (node->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log == -1 || dup2 (output, STDOUT_FILENO) == -1 || dup2 (log, STDERR_FILENO) == -1)
        _exit (TOOL_FAILED);
    execl ("/proc/self/exe", "zbroker", "serve", "--as", node->role, "--primary", self->node[0].endpoint, "--backup",
           self->node[1].endpoint, "--store", store, (char *) NULL);
    _exit (TOOL_FAILED);
}

static int s_start (demo_t *self, node_t *node)
{
    int pipes[2];
    if (pipe2 (pipes, O_CLOEXEC))
        return -1;
    node->pid = fork ();
    if (node->pid == 0)
        s_become (self, node, pipes[1]);
    close (pipes[1]);
    node->output = pipes[0];
    return node->pid == -1 ? -1 : 0;
}

//  Waits for the line READY.  Returns 0, or -1 if the broker ended or took too long.
static int s_await_ready (const node_t *node)
{
    char text[4096] = "";
    size_t size = 0;
    int64_t limit = zclock_mono () + START_LIMIT;
    while (!s_interrupted) {
        int64_t left = limit - zclock_mono ();
        struct pollfd item = {.fd = node->output, .events = POLLIN};
        if (left <= 0 || poll (&item, 1, (int) left) <= 0)
            return -1;
        ssize_t got = read (node->output, text + size, sizeof text - 1 - size);
        if (got <= 0)
            return -1;
        size += (size_t) got;
        text[size] = 0;
        if (strncmp (text, "READY", 5) == 0 || strstr (text, "\nREADY"))
            return 0;
    }
    return -1;
}

static void s_kill (node_t *node)
{
    if (node->pid > 0) {
        kill (node->pid, SIGKILL);
        waitpid (node->pid, NULL, 0);
    }
    node->pid = 0;
    if (node->output != -1)
        close (node->output);
    node->output = -1;
}

//  Waits until the active broker says that the other one is in step with it.
static int s_await_in_step (demo_t *self)
{
    int64_t limit = zclock_mono () + START_LIMIT;
    while (!s_interrupted && zclock_mono () < limit) {
        for (size_t index = 0; index < 2; index++) {
            const char *text = zb_client_status (self->client, index, 1000);
            json_t *status = text ? json_loads (text, 0, NULL) : NULL;
            const char *role = json_string_value (json_object_get (status, "role"));
            bool done = role && streq (role, "active") && json_is_true (json_object_get (status, "in_step"));
            json_decref (status);
            if (done)
                return 0;
        }
        zclock_sleep (20);
    }
    return -1;
}

//  ---------------------------------------------------------------------------
//  The story

static int s_client_fail (const demo_t *self, const char *what)
{
    return tool_client_fail (self->tool, self->client, what);
}

static int s_start_pair (demo_t *self)
{
    if (s_choose_endpoints (self))
        return tool_fail (self->tool, TOOL_FAILED, "no free ports on 127.0.0.1");
    for (int index = 0; index < 2; index++)
        if (s_start (self, &self->node[index]))
            return tool_fail (self->tool, TOOL_FAILED, "start: %s", strerror (errno));
    for (int index = 0; index < 2; index++) {
        node_t *node = &self->node[index];
        if (s_await_ready (node))
            return tool_fail (self->tool, TOOL_FAILED, "the %s did not start", node->role);
        printf ("started the %s at %s, process %d\n", node->role, node->endpoint, (int) node->pid);
    }
    return TOOL_OK;
}

static int s_put (demo_t *self)
{
    char *brokers = zsys_sprintf ("%s,%s", self->node[0].endpoint, self->node[1].endpoint);
    self->client = zb_client_new (brokers);
    free (brokers);
    if (!self->client)
        return tool_fail (self->tool, TOOL_FAILED, "no client");
    if (zb_client_create_queue (self->client, QUEUE, NULL))
        return s_client_fail (self, "create the queue");
    if (s_await_in_step (self))
        return tool_fail (self->tool, TOOL_FAILED, "the pair is not in step after %d s", START_LIMIT / 1000);
    zb_receipt_t receipt;
    if (zb_client_put (self->client, QUEUE, BODY, strlen (BODY), &receipt))
        return s_client_fail (self, "put");
    printf ("put \"%s\" at %s: OK %s\n", BODY, zb_client_endpoint (self->client), zb_level_name (receipt.level));
    if (receipt.level != ZB_LEVEL_BOTH)
        return tool_fail (self->tool, TOOL_FAILED, "the message is not on both brokers");
    return TOOL_OK;
}

static int s_kill_active (demo_t *self)
{
    for (int index = 0; index < 2; index++) {
        node_t *node = &self->node[index];
        if (strcmp (node->endpoint, zb_client_endpoint (self->client)) == 0) {
            printf ("kill -9 %d, the %s\n", (int) node->pid, node->role);
            s_kill (node);
            return TOOL_OK;
        }
    }
    return tool_fail (self->tool, TOOL_FAILED, "no broker is active");
}

static int s_get (demo_t *self, int64_t killed_at)
{
    zb_messages_t *messages = zb_client_get (self->client, QUEUE, 10, 10000, NULL);
    int64_t took = zclock_mono () - killed_at;
    if (!messages)
        return s_client_fail (self, "get");
    const zb_message_t *message = zb_messages_at (messages, 0);
    int code = TOOL_OK;
    if (zb_messages_size (messages) != 1 || message->size != strlen (BODY) ||
        memcmp (message->body, BODY, message->size) != 0)
        code = tool_fail (self->tool, TOOL_FAILED, "got %zu messages, or another one", zb_messages_size (messages));
    else if (zb_client_ack (self->client, QUEUE, zb_messages_ids (messages)))
        code = s_client_fail (self, "ack");
    else {
        printf ("got \"%.*s\" from %s: acknowledged, OK %s\n", (int) message->size, (const char *) message->body,
                zb_client_endpoint (self->client), zb_level_name (zb_client_level (self->client)));
        printf ("the takeover took %" PRIi64 " ms, from the kill to the message in hand\n", took);
    }
    zb_messages_destroy (&messages);
    return code;
}

static int s_tell (demo_t *self)
{
    int code = s_start_pair (self);
    if (code == TOOL_OK)
        code = s_put (self);
    int64_t killed_at = zclock_mono ();
    if (code == TOOL_OK)
        code = s_kill_active (self);
    return code == TOOL_OK ? s_get (self, killed_at) : code;
}

static int s_run (tool_t *tool)
{
    if (tool->size)
        return tool_misused (tool, "'%s': demo takes no arguments", tool->arguments[0]);
    demo_t self = {.tool = tool, .node = {{.role = "primary", .output = -1}, {.role = "backup", .output = -1}}};
    const char *parent = getenv ("TMPDIR");
    snprintf (self.folder, sizeof self.folder, "%s/zbroker-demo.XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp (self.folder))
        return tool_fail (tool, TOOL_FAILED, "%s: %s", self.folder, strerror (errno));
    for (int index = 0; index < 2; index++)
        snprintf (self.node[index].log, sizeof self.node[index].log, "%s/%s.log", self.folder, self.node[index].role);
    struct sigaction action = {.sa_handler = s_on_signal};
    sigaction (SIGINT, &action, NULL);
    sigaction (SIGTERM, &action, NULL);
    setvbuf (stdout, NULL, _IOLBF, 0);

    int code = s_tell (&self);
    zb_client_destroy (&self.client);
    for (int index = 0; index < 2; index++)
        s_kill (&self.node[index]);
    if (s_interrupted)
        code = tool_fail (tool, TOOL_FAILED, "interrupted");
    if (code != TOOL_OK && !s_interrupted)
        return tool_fail (tool, code, "what the brokers said and stored is kept in %s", self.folder);
    zdir_t *folder = zdir_new (self.folder, NULL);
    if (folder) {
        zdir_remove (folder, true);
        zdir_destroy (&folder);
    }
    return code;
}

const tool_command_t tool_demo = {
    .name = "demo",
    .arguments = "",
    .summary = "Start a pair here, put a message, kill the active broker, get the message",
    .text = "\n"
            "Uses free ports of 127.0.0.1 and a folder in $TMPDIR or /tmp, and leaves nothing behind.  Prints\n"
            "the time that the takeover took.\n",
    .options = s_options,
    .run = s_run,
};
