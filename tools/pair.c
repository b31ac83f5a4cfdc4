/*  =========================================================================
    pair - a pair of brokers on loopback, in a scratch folder

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <arpa/inet.h>
#include <czmq.h>
#include <jansson.h>
#include <poll.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "io/auth/keys.h"
#include "pair.h"
#include "progress.h"

#define PORTS_FROM 31000
#define BLOCKS 432        //  of PAIR_PORTS, up to 32727
#define START_LIMIT 30000 //  ms for a broker to say READY, and for the pair to be in sync

typedef struct {
    const char *role;
    char endpoint[64];
    char log[PATH_MAX];
    char config[PATH_MAX]; //  "" without keys
    pid_t pid;  //  0: not running
    int output; //  its standard output, -1: none
} node_t;

struct pair {
    const tool_t *tool;
    char folder[PATH_MAX / 2];
    char brokers[2 * 64];
    char key[PATH_MAX]; //  "" without keys
    node_t node[PAIR_SIZE];
};

static volatile sig_atomic_t s_interrupted;

static void s_on_signal (int number)
{
    s_interrupted = number;
}

bool pair_interrupted (void)
{
    return s_interrupted != 0;
}

void pair_complete (void)
{
    progress_handle (SIG_IGN);
    s_interrupted = 0;
}

//  ---------------------------------------------------------------------------
//  Ports

//  Holds a TCP port of the loopback address.  Returns the socket, or -1.
static int s_hold (int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons ((uint16_t) port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    int handle = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    //  Ports that closed connections leave behind are free, as they are to libzmq: a minute of load has thousands.
    setsockopt (handle, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof (int));
    //  Who listens has it alone; two may be bound.
    if (handle != -1 && (bind (handle, (struct sockaddr *) &address, sizeof address) || listen (handle, 1))) {
        close (handle);
        handle = -1;
    }
    return handle;
}

//  Returns the first of PAIR_PORTS free ports, which `handles` hold; 0 if none.
//  Below those that the kernel gives to connections (ip(7), ip_local_port_range): none of these takes one before the broker
//  has it.  Who looks for some at the same time begins elsewhere.
static int s_find_ports (int handles[PAIR_PORTS])
{
    for (int attempt = 0; attempt < BLOCKS; attempt++) {
        int port = PORTS_FROM + (getpid () * PAIR_SIZE + attempt) % BLOCKS * PAIR_PORTS, count = 0;
        while (count < PAIR_PORTS && (handles[count] = s_hold (port + count)) != -1)
            count++;
        if (count == PAIR_PORTS)
            return port;
        while (count-- > 0)
            close (handles[count]);
    }
    return 0;
}

int pair_find_ports (int port[], size_t size)
{
    assert (size <= PAIR_SIZE);
    int handles[PAIR_SIZE][PAIR_PORTS];
    size_t found = 0;
    while (found < size && (port[found] = s_find_ports (handles[found])) != 0)
        found++;
    for (size_t index = 0; index < found; index++)
        for (int handle = 0; handle < PAIR_PORTS; handle++)
            close (handles[index][handle]);
    return found == size ? 0 : -1;
}

//  ---------------------------------------------------------------------------
//  The brokers

static int s_choose_endpoints (pair_t *self)
{
    int port[PAIR_SIZE];
    if (pair_find_ports (port, PAIR_SIZE))
        return -1;
    for (size_t index = 0; index < PAIR_SIZE; index++)
        snprintf (self->node[index].endpoint, sizeof self->node[index].endpoint, "tcp://127.0.0.1:%d", port[index]);
    snprintf (self->brokers, sizeof self->brokers, "%s,%s", self->node[0].endpoint, self->node[1].endpoint);
    return 0;
}

//  In the child: the path of this very program.
static void s_find_program (char program[PATH_MAX])
{
    //  Read, for under valgrind the link itself is valgrind.
    ssize_t size = readlink ("/proc/self/exe", program, PATH_MAX - 1);
    if (size == -1)
        _exit (TOOL_FAILED);
    program[size] = 0;
}

//  In the child: becomes the broker.
static void s_become (const pair_t *self, const node_t *node, int output)
{
    char store[PATH_MAX], program[PATH_MAX];
    s_find_program (program);
    snprintf (store, sizeof store, "%s/%s", self->folder, node->role);
    //  Whatever happens to the command, its brokers go with it.
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    //  ^C at a terminal is for the command alone, which then ends them.
    setpgid (0, 0);
    int log = open (node->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log == -1 || dup2 (output, STDOUT_FILENO) == -1 || dup2 (log, STDERR_FILENO) == -1)
        _exit (TOOL_FAILED);
    if (*node->config)
        execl (program, "zbroker", "serve", "--as", node->role, "--config", node->config, "--store", store, "--http", "none",
               (char *) NULL);
    else
        execl (program, "zbroker", "serve", "--as", node->role, "--primary", self->node[0].endpoint, "--backup",
               self->node[1].endpoint, "--store", store, "--http", "none", (char *) NULL);
    _exit (TOOL_FAILED);
}

static int s_start (pair_t *self, node_t *node)
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

//  ---------------------------------------------------------------------------
//  The pair

pair_t *pair_new (const tool_t *tool)
{
    pair_t *self = (pair_t *) zmalloc (sizeof *self);
    self->tool = tool;
    const char *parent = getenv ("TMPDIR");
    snprintf (self->folder, sizeof self->folder, "%s/zbroker-%s.XXXXXX", parent && *parent ? parent : "/tmp",
              tool->command->name);
    if (!mkdtemp (self->folder)) {
        tool_fail (tool, TOOL_FAILED, "%s: %s", self->folder, strerror (errno));
        free (self);
        return NULL;
    }
    for (size_t index = 0; index < PAIR_SIZE; index++) {
        node_t *node = &self->node[index];
        node->role = index ? "backup" : "primary";
        node->output = -1;
        snprintf (node->log, sizeof node->log, "%s/%s.log", self->folder, node->role);
    }
    //  CZMQ would install handlers of its own, which pair_interrupted knows nothing of.
    zsys_handler_set (NULL);
    progress_handle (s_on_signal);
    return self;
}

int pair_destroy (pair_t **self_p, int code)
{
    assert (self_p);
    pair_t *self = *self_p;
    if (!self)
        return code;
    *self_p = NULL;
    for (size_t index = 0; index < PAIR_SIZE; index++)
        pair_kill (self, index);
    if (s_interrupted)
        code = tool_fail (self->tool, TOOL_FAILED, "interrupted");
    if (code != TOOL_OK && !s_interrupted && *self->brokers)
        tool_fail (self->tool, code, "what the brokers said and stored is kept in %s", self->folder);
    else {
        zdir_t *folder = zdir_new (self->folder, NULL);
        if (folder)
            zdir_remove (folder, true);
        zdir_destroy (&folder);
    }
    free (self);
    return code;
}

static int s_start_both (pair_t *self)
{
    for (size_t index = 0; index < PAIR_SIZE; index++)
        if (s_start (self, &self->node[index]))
            return tool_fail (self->tool, TOOL_FAILED, "start: %s", strerror (errno));
    for (size_t index = 0; index < PAIR_SIZE; index++)
        if (s_await_ready (&self->node[index]))
            return tool_fail (self->tool, TOOL_FAILED, "the %s did not start", self->node[index].role);
    return TOOL_OK;
}

int pair_start (pair_t *self)
{
    return s_choose_endpoints (self) ? tool_fail (self->tool, TOOL_FAILED, "no free ports on 127.0.0.1")
                                     : s_start_both (self);
}

//  ---------------------------------------------------------------------------
//  Keys

//  A broker's key, in a file that its config will name.
static int s_draw (const pair_t *self, const node_t *node, zb_keyfile_t *file)
{
    char path[PATH_MAX], *error = NULL;
    snprintf (path, sizeof path, "%s/%s.key", self->folder, node->role);
    zb_keys_draw (file);
    int code = zb_keys_write (file, path, &error) ? tool_fail (self->tool, TOOL_FAILED, "%s", error) : TOOL_OK;
    free (error);
    return code;
}

//  Both know both keys, have a secret in common, and more settings.
static int s_configure (pair_t *self, const char *more)
{
    zb_keyfile_t file[PAIR_SIZE] = {{.brokers = 0}};
    uint8_t secret[16];
    char text[2 * sizeof secret + 1];
    randombytes_buf (secret, sizeof secret);
    sodium_bin2hex (text, sizeof text, secret, sizeof secret);
    int code = TOOL_OK;
    for (size_t index = 0; code == TOOL_OK && index < PAIR_SIZE; index++)
        code = s_draw (self, &self->node[index], &file[index]);
    for (size_t index = 0; code == TOOL_OK && index < PAIR_SIZE; index++) {
        node_t *node = &self->node[index];
        snprintf (node->config, sizeof node->config, "%s/%s.conf", self->folder, node->role);
        int handle = open (node->config, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int size = handle == -1 ? -1
                                : dprintf (handle,
                                           "pair\n    secret = %s\nprimary\n    endpoint = \"%s\"\nbackup\n"
                                           "    endpoint = \"%s\"\nkeys\n    own = \"%s/%s.key\"\n    primary = \"%s\"\n"
                                           "    backup = \"%s\"\n%s",
                                           text, self->node[0].endpoint, self->node[1].endpoint, self->folder, node->role,
                                           file[0].public_key, file[1].public_key, more);
        if (size < 0)
            code = tool_fail (self->tool, TOOL_FAILED, "%s: %s", node->config, strerror (errno));
        if (handle != -1)
            close (handle);
    }
    sodium_memzero (file, sizeof file);
    return code;
}

//  As an operator does.
static int s_introduce (pair_t *self)
{
    snprintf (self->key, sizeof self->key, "%s/client.key", self->folder);
    pid_t pid = fork ();
    if (pid == 0) {
        char program[PATH_MAX];
        s_find_program (program);
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        int none = open ("/dev/null", O_WRONLY);
        if (none == -1 || dup2 (none, STDOUT_FILENO) == -1)
            _exit (TOOL_FAILED);
        unsetenv ("ZBROKER_KEY");
        //  It would be asked before the config file.
        unsetenv ("ZBROKER");
        execl (program, "zbroker", "key", "new", "client", "put=*", "get=*", "get=*/*", "manage=*", "look=*", "as=*",
               "--config", self->node[0].config, "--timeout", "30000", "--file", self->key, (char *) NULL);
        _exit (TOOL_FAILED);
    }
    int status = -1;
    while (pid > 0 && waitpid (pid, &status, 0) == -1 && errno == EINTR)
        ;
    return status == 0 ? TOOL_OK : tool_fail (self->tool, TOOL_FAILED, "no key for the clients");
}

int pair_start_keyed (pair_t *self, const char *more)
{
    if (s_choose_endpoints (self))
        return tool_fail (self->tool, TOOL_FAILED, "no free ports on 127.0.0.1");
    int code = s_configure (self, more);
    code = code ? code : s_start_both (self);
    return code ? code : s_introduce (self);
}

const char *pair_key (const pair_t *self)
{
    return *self->key ? self->key : NULL;
}

const char *pair_config (const pair_t *self)
{
    return *self->node[0].config ? self->node[0].config : NULL;
}

//  ---------------------------------------------------------------------------
//  Looking at it

int pair_restart (pair_t *self, size_t index)
{
    node_t *node = &self->node[index];
    if (s_start (self, node))
        return tool_fail (self->tool, TOOL_FAILED, "start: %s", strerror (errno));
    if (s_await_ready (node))
        return tool_fail (self->tool, TOOL_FAILED, "the %s did not start again", node->role);
    return TOOL_OK;
}

//  Whether a broker says that it is active, and if `in_step`, that the other one is in sync with it.
static bool s_is_active (zb_client_t *client, size_t index, bool in_step)
{
    const char *text = zb_client_status (client, index, 1000);
    json_t *status = text ? json_loads (text, 0, NULL) : NULL;
    const char *role = json_string_value (json_object_get (status, "role"));
    bool active = role && streq (role, "active") && (!in_step || json_is_true (json_object_get (status, "in_step")));
    json_decref (status);
    return active;
}

static int s_await_active (pair_t *self, zb_client_t *client, bool in_step, size_t *index)
{
    int64_t limit = zclock_mono () + START_LIMIT;
    while (!s_interrupted && zclock_mono () < limit) {
        for (*index = 0; *index < PAIR_SIZE; ++*index)
            if (s_is_active (client, *index, in_step))
                return TOOL_OK;
        zclock_sleep (20);
    }
    return tool_fail (self->tool, TOOL_FAILED, "%s after %d s", in_step ? "the pair is not in sync" : "no broker is active",
                      START_LIMIT / 1000);
}

int pair_active (pair_t *self, zb_client_t *client, size_t *index)
{
    return s_await_active (self, client, false, index);
}

int pair_await_in_step (pair_t *self, zb_client_t *client)
{
    size_t index;
    return s_await_active (self, client, true, &index);
}

//  The first one whose process has ended; NULL: both run.
static const node_t *s_ended (const pair_t *self)
{
    for (size_t index = 0; index < PAIR_SIZE; index++) {
        siginfo_t info = {.si_pid = 0};
        //  It is left to s_kill.
        if (waitid (P_PID, (id_t) self->node[index].pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid)
            return &self->node[index];
    }
    return NULL;
}

int pair_settle (pair_t *self, zb_client_t *client, size_t *index)
{
    const node_t *ended = NULL;
    while (!s_interrupted && !(ended = s_ended (self))) {
        for (*index = 0; *index < PAIR_SIZE; ++*index)
            if (s_is_active (client, *index, true))
                return TOOL_OK;
        zclock_sleep (20);
    }
    return ended ? tool_fail (self->tool, TOOL_FAILED, "the %s has ended", ended->role) : TOOL_FAILED;
}

void pair_kill (pair_t *self, size_t index)
{
    s_kill (&self->node[index]);
}

const char *pair_brokers (const pair_t *self)
{
    return self->brokers;
}

const char *pair_endpoint (const pair_t *self, size_t index)
{
    return self->node[index].endpoint;
}

const char *pair_role (const pair_t *self, size_t index)
{
    return self->node[index].role;
}

pid_t pair_pid (const pair_t *self, size_t index)
{
    return self->node[index].pid;
}

const char *pair_folder (const pair_t *self)
{
    return self->folder;
}
