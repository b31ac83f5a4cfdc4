/*  =========================================================================
    load - zbroker load: puts messages that were dumped, through the brokers

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <jansson.h>
#include <sodium.h>
#include <sys/stat.h>

#include "commands.h"
#include "io/base/exit_codes.h"
#include "io/store/backup.h"
#include "io/store/part.h"
#include "pair.h"
#include "progress.h"

#define TOGETHER 256          //  messages of one PUT at most,
#define TOGETHER_BYTES 262144 //  and bytes

//  Of a pair of our own: what other brokers could take, it takes, and none of it is dropped for being too much.
#define LIMITS                                                                                                         \
    "limits\n    body = 1g\n    properties = 1m\n    request = 1040m\n    memory = 8g\n    topic-bytes = 1024g\n"    \
    "    queues = 10000000\n    subscriptions = 10000000\n"

static const tool_option_t s_options[] = {
    {"name", "PRODUCER", "number the PUTs under this name (default: load-PAIR-EPOCH-COMMIT of the dump)"},
    {"store", "DIR", "without a broker: make a store of them in this folder"},
    {"force", NULL, "take a dump that was cut, or made of what is damaged"},
    {"as", "primary|backup|single", "--store: whose store it shall be (default: primary)"},
    TOOL_BROKERS,
    TOOL_KEY,
    TOOL_TIMEOUT,
    {NULL, NULL, NULL}};

typedef struct {
    tool_t *tool;
    zb_client_t *client;
    FILE *file;
    const char *path;
    uint64_t line, number, last, messages;
    uint64_t read; //  messages, of this dump
    bool ended;
    //  What goes into one PUT.
    char *queue, *properties;
    size_t count, bytes;
    zb_body_t body[TOGETHER];
} load_t;

static int s_wrong (const load_t *self, const char *what)
{
    const char *rest = tool_option (self->tool, "store")
                           ? "; no store is made"
                           : "; what is before it is stored, and is not stored again when this is repeated";
    return tool_fail (self->tool, TOOL_FAILED, "%s, line %" PRIu64 ": %s%s", self->path, self->line, what, rest);
}

//  Sends what was collected, unless an earlier run has.
static int s_send (load_t *self)
{
    int rc = 0;
    if (self->count && ++self->number > self->last) {
        rc = zb_client_put_many (self->client, self->queue, self->properties, self->body, self->count, NULL);
        self->messages += rc ? 0 : self->count;
    }
    for (size_t index = 0; index < self->count; index++)
        free ((void *) (uintptr_t) self->body[index].data);
    free (self->queue);
    free (self->properties);
    self->queue = self->properties = NULL;
    self->count = self->bytes = 0;
    return rc ? tool_client_fail (self->tool, self->client, self->path) : TOOL_OK;
}

//  All that is there was taken, and it is not all.
static int s_lacking (load_t *self, const char *what)
{
    int code = s_send (self);
    return code ? code
                : tool_fail (self->tool, ZB_EXIT_DAMAGED, "%s, line %" PRIu64 ": %s (--force takes it)", self->path,
                             self->line, what);
}

//  What makes a queue, a topic or a subscription, or changes its options.
typedef int (make_fn) (zb_client_t *client, const char *name, const char *options);

static int s_options_line (load_t *self, make_fn *make, const char *queue, json_t *options)
{
    int code = s_send (self);
    char *lines = strdup ("");
    const char *name;
    json_t *value;
    json_object_foreach (options, name, value)
    {
        const char *end = *lines ? "\n" : "", *text = json_string_value (value);
        char *more = text ? zsys_sprintf ("%s%s%s=%s", lines, end, name, text)
                          : zsys_sprintf ("%s%s%s=%" JSON_INTEGER_FORMAT, lines, end, name, json_integer_value (value));
        free (lines);
        lines = more;
    }
    if (code == TOOL_OK && make (self->client, queue, lines))
        code = tool_client_fail (self->tool, self->client, queue);
    free (lines);
    return code;
}

//  The properties of a message that was dumped with the time at which it is due: that in the place of a delay, which would
//  begin anew.  0: it had none, and does not get the queue's.
static char *s_due (const char *properties, json_int_t due)
{
    char *text = zmalloc (strlen (properties) + 32), *end = text;
    while (*properties) {
        size_t size = strcspn (properties, "\n");
        size += properties[size] == '\n';
        if (strncmp (properties, "delay=", 6) != 0 && strncmp (properties, "due=", 4) != 0) {
            memcpy (end, properties, size);
            end += size;
        }
        properties += size;
    }
    if (end > text && end[-1] != '\n')
        *end++ = '\n';
    if (due)
        snprintf (end, 32, "due=%" JSON_INTEGER_FORMAT, due);
    else
        strcpy (end, "delay=0");
    return text;
}

static int s_message_line (load_t *self, const char *queue, const char *properties, const char *body)
{
    size_t room = strlen (body) / 4 * 3 + 1, size;
    uint8_t *data = zmalloc (room);
    if (sodium_base642bin (data, room, body, strlen (body), NULL, &size, NULL, sodium_base64_VARIANT_ORIGINAL)) {
        free (data);
        return s_wrong (self, "its body is not base64");
    }
    //  What goes together follows from the dump alone, so that each run numbers alike.
    bool same = self->count && streq (self->queue, queue) && streq (self->properties, properties) &&
                self->count < TOGETHER && self->bytes + size <= TOGETHER_BYTES;
    int code = same ? TOOL_OK : s_send (self);
    if (!same) {
        self->queue = strdup (queue);
        self->properties = strdup (properties);
    }
    self->body[self->count++] = (zb_body_t){data, size};
    self->bytes += size;
    self->read++;
    return code;
}

//  The dump's first line: what the numbers belong to.
static int s_begin (load_t *self, json_t *object)
{
    const char *name = tool_option (self->tool, "name"), *pair = json_string_value (json_object_get (object, "pair"));
    if (json_integer_value (json_object_get (object, "zbroker-dump")) != 1 || !pair)
        return s_wrong (self, "it is not the first line of a dump that this version reads");
    char *own = zsys_sprintf ("load-%.16s-%" JSON_INTEGER_FORMAT "-%" JSON_INTEGER_FORMAT, pair,
                              json_integer_value (json_object_get (object, "epoch")),
                              json_integer_value (json_object_get (object, "commit")));
    int rc = zb_client_set_name (self->client, name ? name : own);
    free (own);
    if (rc == 0)
        rc = zb_client_connect (self->client);
    self->last = rc ? 0 : zb_client_last_number (self->client);
    return rc ? tool_client_fail (self->tool, self->client, self->path) : TOOL_OK;
}

//  The dump's last line.
static int s_end (load_t *self, json_t *object)
{
    self->ended = true;
    json_int_t messages = json_integer_value (json_object_get (object, "messages"));
    bool damaged = !json_is_false (json_object_get (object, "damaged"));
    if (tool_option (self->tool, "force"))
        return TOOL_OK;
    if (damaged)
        return s_lacking (self, "it was made of what is damaged, and messages are missing");
    if (messages < 0 || (uint64_t) messages != self->read)
        return s_lacking (self, "it is not the dump's end: so many messages were not there");
    return TOOL_OK;
}

static int s_line (load_t *self, const char *text, size_t size)
{
    json_error_t error;
    json_t *object = json_loadb (text, size, JSON_ALLOW_NUL, &error);
    const char *queue = json_string_value (json_object_get (object, "queue"));
    const char *body = json_string_value (json_object_get (object, "body"));
    const char *properties = json_string_value (json_object_get (object, "properties"));
    const char *topic = json_string_value (json_object_get (object, "topic"));
    const char *subscription = json_string_value (json_object_get (object, "subscription"));
    json_t *options = json_object_get (object, "options"), *due = json_object_get (object, "due");
    self->line++;
    int code;
    if (self->line == 1)
        code = s_begin (self, object);
    else if (self->ended)
        code = s_wrong (self, "this is behind the dump's end");
    else if (json_object_get (object, "zbroker-dump-end"))
        code = s_end (self, object);
    else if (queue && body && due && !json_is_integer (due))
        code = s_wrong (self, "when it is due is not a number");
    else if (queue && body) {
        char *timed = due ? s_due (properties ? properties : "", json_integer_value (due)) : NULL;
        code = s_message_line (self, queue, timed ? timed : properties ? properties : "", body);
        free (timed);
    }
    else if (queue && json_is_object (options))
        code = s_options_line (self, zb_client_create_queue, queue, options);
    else if (topic && json_is_object (options))
        code = s_options_line (self, zb_client_topic, topic, options);
    //  It begins behind what was put so far.
    else if (subscription && json_is_object (options))
        code = s_options_line (self, zb_client_subscribe, subscription, options);
    else
        code = s_wrong (self, object ? "neither a queue, a topic, a subscription nor a message" : error.text);
    json_decref (object);
    return code;
}

static int s_load (load_t *self)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t size;
    int code = TOOL_OK;
    while (code == TOOL_OK && !pair_interrupted () && (size = getline (&text, &room, self->file)) > 0)
        code = s_line (self, text, (size_t) size);
    free (text);
    //  Only into a store of our own: without one a signal ends this command at once.
    if (code == TOOL_OK && pair_interrupted ())
        code = TOOL_FAILED;
    if (code == TOOL_OK && ferror (self->file))
        code = s_wrong (self, strerror (errno));
    if (code == TOOL_OK && !self->line)
        code = tool_fail (self->tool, TOOL_FAILED, "%s is empty", self->path);
    if (code == TOOL_OK)
        code = s_send (self);
    if (code == TOOL_OK && !self->ended && !tool_option (self->tool, "force"))
        code = s_lacking (self, "the dump's end is missing: it was cut");
    if (code == TOOL_OK)
        printf ("%" PRIu64 " messages stored%s\n", self->messages, self->last ? "; the others were before" : "");
    //  What is left after a failure is not sent.
    self->last = UINT64_MAX;
    s_send (self);
    return code;
}

//  ---------------------------------------------------------------------------
//  Without a broker

//  Those of the pair are not those of progress_catch.
static bool s_go_on (void *arg, uint64_t done)
{
    return progress_show (arg, done) && !pair_interrupted ();
}

//  What a pair of our own has stored, as another incarnation, as a restored backup is.
static int s_make (const tool_t *tool, const char *store, const char *made, const char *folder, const char *as)
{
    zb_backup_t *backup = NULL;
    char *error = NULL;
    progress_t progress = {.what = "load"};
    int code = zb_backup_store (store, made, s_go_on, &progress, &error);
    if (code == TOOL_OK)
        code = zb_backup_open (&backup, made, &error);
    if (code == TOOL_OK) {
        progress.total = zb_backup_size (backup);
        code = zb_backup_restore (backup, folder, as, s_go_on, &progress, &error);
    }
    progress_end (&progress);
    if (code != TOOL_OK && !pair_interrupted ())
        tool_fail (tool, code, "%s", error);
    if (code == TOOL_OK)
        pair_complete ();
    if (code == TOOL_OK)
        printf ("%s is a store with them, of the %s\n", folder, streq (as, "single") ? "broker without a pair" : as);
    zb_backup_close (&backup);
    free (error);
    return code;
}

//  Has a pair of our own, in a scratch folder beside the store's, take all: what is checked and how it is stored is known to
//  brokers alone.
static int s_into (load_t *self, const char *folder, const char *as)
{
    char *parent = strdup (folder), *slash = strrchr (parent, '/');
    if (slash)
        slash[slash == parent] = 0;
    setenv ("TMPDIR", slash ? parent : ".", 1);
    free (parent);
    umask (077);
    pair_t *pair = pair_new (self->tool);
    if (!pair)
        return TOOL_FAILED;
    int code = pair_start_keyed (pair, LIMITS);
    size_t active = 0;
    if (code == TOOL_OK) {
        self->client = zb_client_new (pair_brokers (pair));
        code = zb_client_set_key (self->client, pair_key (pair)) ? tool_client_fail (self->tool, self->client, "key")
                                                                 : s_load (self);
    }
    //  Where the role has changed, what was answered by one alone is replayed to the other one before.
    if (code == TOOL_OK)
        code = pair_settle (pair, self->client, &active);
    //  Before the brokers: it would look for them.
    zb_client_destroy (&self->client);
    for (size_t index = 0; index < PAIR_SIZE; index++)
        pair_kill (pair, index == 0 ? !active : active);
    if (code == TOOL_OK) {
        char *store = zsys_sprintf ("%s/%s", pair_folder (pair), pair_role (pair, active));
        char *made = zsys_sprintf ("%s/made", pair_folder (pair));
        code = s_make (self->tool, store, made, folder, as);
        free (store);
        free (made);
    }
    //  Of what failed nothing stays.
    int ended = pair_destroy (&pair, TOOL_OK);
    return code == TOOL_OK || ended != TOOL_OK ? ended : code;
}

static int s_check_store (const tool_t *tool, const char *folder, const char *as)
{
    if (!folder)
        return as ? tool_misused (tool, "--as is for --store") : TOOL_OK;
    if (tool_option (tool, "brokers") || tool_option (tool, "key") || tool_option (tool, "timeout"))
        return tool_misused (tool, "--store is without brokers: it takes no --brokers, --key or --timeout");
    if (as && !streq (as, "primary") && !streq (as, "backup") && !streq (as, "single"))
        return tool_misused (tool, "--as '%s' is none of primary, backup and single", as);
    //  A dangling link is there, too.
    struct stat info;
    if (!*folder || lstat (folder, &info) == 0)
        return tool_misused (tool, "--store '%s': it is made, and must not be there yet", folder);
    char *part = zsys_sprintf ("%s" ZB_PART, folder), *lock = zsys_sprintf ("%s" ZB_PART "/" ZB_PART_LOCK, folder);
    bool foreign = lstat (part, &info) == 0 && lstat (lock, &info) != 0;
    free (part);
    free (lock);
    return foreign
               ? tool_misused (tool, "--store '%s': %s" ZB_PART " is there, and is not of such work", folder, folder)
               : TOOL_OK;
}

//  Without the slashes at its end.
static char *s_bare (const char *folder)
{
    char *bare = folder ? strdup (folder) : NULL;
    for (size_t size = bare ? strlen (bare) : 0; size > 1 && bare[size - 1] == '/'; size--)
        bare[size - 1] = 0;
    return bare;
}

static int s_take (tool_t *tool, const char *folder, const char *as)
{
    bool given = tool->size && !streq (tool->arguments[0], "-");
    load_t load = {.tool = tool, .path = given ? tool->arguments[0] : "standard input"};
    load.file = given ? fopen (load.path, "r") : stdin;
    if (!load.file)
        return tool_misused (tool, "%s: %s", load.path, strerror (errno));
    int code = TOOL_USAGE;
    if (folder)
        code = s_into (&load, folder, as ? as : "primary");
    else if ((load.client = tool_client (tool)))
        code = s_load (&load);
    zb_client_destroy (&load.client);
    if (given)
        fclose (load.file);
    return code;
}

static int s_run (tool_t *tool)
{
    if (tool->size > 1)
        return tool_misused (tool, "'%s': load takes one file", tool->arguments[1]);
    char *folder = s_bare (tool_option (tool, "store"));
    const char *as = tool_option (tool, "as");
    int code = s_check_store (tool, folder, as);
    if (code == TOOL_OK)
        code = s_take (tool, folder, as);
    free (folder);
    return code;
}

const tool_command_t tool_load = {
    .name = "load",
    .arguments = "[FILE]",
    .summary = "Put the messages that were dumped, through the brokers or into a new store",
    .text =
        "\n"
        "Makes the queues, topics and subscriptions with their options, and stores the messages in their order, "
        "under new ids and in this\n"
        "command's name.  Repeated after an interruption it goes on where it was: nothing is stored twice.\n"
        "Without FILE it reads standard input.  With --store it makes a new store of them, which is there when all is\n"
        "in it.  A pair starts with it as with a restored backup, but it knows no producers: see zbroker(1).\n",
    .options = s_options,
    .run = s_run,
};
