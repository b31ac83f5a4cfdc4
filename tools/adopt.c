/*  =========================================================================
    adopt - zbroker adopt: a store is used that no broker would use by itself

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <sys/stat.h>

#include "commands.h"
#include "io/store/folder.h"
#include "io/store/home.h"
#include "io/store/moment.h"
#include "io/store/node.h"

static const tool_option_t s_options[] = {{"store", "DIR", "the store's folder; no broker may use it meanwhile"},
                                          {"as", "primary|backup", "whose store it shall be"},
                                          {"accept-loss", NULL, "yes: it may lack what was answered OK"},
                                          {NULL, NULL, NULL}};

typedef struct {
    const tool_t *tool;
    const char *dir;
    zb_kind_t kind;
    zb_home_t *home;
    zb_node_state_t state;
    zb_node_t node;
} adopt_t;

static int s_failed (const adopt_t *self, const char *what)
{
    int code = zb_moment_code (errno);
    return tool_fail (self->tool, code, "can't %s %s: %s", what, self->dir, zb_moment_text (errno));
}

//  Takes the lock of the folder.  Returns an exit code.
static int s_enter (adopt_t *self)
{
    struct stat info;
    if (stat (self->dir, &info) != 0)
        return tool_misused (self->tool, "%s: %s", self->dir, strerror (errno));
    zb_lock_t *lock = zb_lock_new (self->dir);
    zb_holder_t holder = {.kind = tool_option (self->tool, "as") ? ZB_KIND_REPLICATED : ZB_KIND_SINGLE};
    bool held;
    int rc = zb_lock_look (lock, &holder, &held), error = errno;
    zb_lock_destroy (&lock);
    if (rc == 0 || error == ENOENT)
        self->kind = holder.kind;
    char *text;
    int code;
    self->home = zb_home_new (self->dir, self->kind, &text, &code);
    if (!self->home) {
        tool_fail (self->tool, code, "%s", text);
        free (text);
        return code;
    }
    if (self->kind == ZB_KIND_SHARED && zb_lock_take (zb_home_lock (self->home)) != 0)
        return errno == EAGAIN ? tool_fail (self->tool, ZB_EXIT_BUSY, "a broker uses %s", self->dir)
                               : s_failed (self, "lock");
    self->state = zb_node_load (&self->node, self->dir);
    if (self->state == ZB_NODE_ERROR)
        return s_failed (self, "read the file node of");
    if (self->state != ZB_NODE_BEYOND)
        return TOOL_OK;
    text = zb_node_beyond (self->dir);
    tool_fail (self->tool, ZB_EXIT_USAGE, "%s", text);
    free (text);
    return ZB_EXIT_USAGE;
}

//  Whose the store shall be.  Returns an exit code.
static int s_name (adopt_t *self)
{
    const char *as = tool_option (self->tool, "as");
    if (as && self->kind == ZB_KIND_SHARED)
        return tool_misused (self->tool, "a shared store is both brokers': leave --as out");
    if (as && !streq (as, zb_node_name (ZB_PRIMARY)) && !streq (as, zb_node_name (ZB_BACKUP)))
        return tool_misused (self->tool, "'%s' is neither 'primary' nor 'backup'", as);
    if (as)
        self->node.as = streq (as, zb_node_name (ZB_PRIMARY)) ? ZB_PRIMARY : ZB_BACKUP;
    if (!self->node.as && self->kind == ZB_KIND_REPLICATED)
        return tool_misused (self->tool, "whose store shall it be? Say --as primary or --as backup");
    return TOOL_OK;
}

static bool s_is_only (const adopt_t *self, uint64_t number)
{
    for (uint64_t other = 1; other < number; other++)
        if (zb_home_has (self->home, other))
            return false;
    return number > 0;
}

//  The environment that shall be used: the one that is named, else the one that counts, else the only one with tables.
//  One that was put aside gets a number again.  Returns an exit code.
static int s_choose (adopt_t *self, uint64_t *number)
{
    uint64_t newest;
    if (zb_home_newest (self->dir, &newest) != 0)
        return s_failed (self, "read");
    const char *name = self->tool->size ? self->tool->arguments[0] : NULL;
    unsigned long long which;
    char end;
    if (!name && self->node.current && zb_home_has (self->home, self->node.current))
        *number = self->node.current;
    else if (!name && s_is_only (self, newest) && zb_home_holds_tables (self->dir))
        *number = newest;
    else if (!name)
        return tool_misused (self->tool, "which one? Name a folder in %s: env.N, or damaged.N, which was put aside",
                             self->dir);
    else if (sscanf (name, "env.%llu%c", &which, &end) == 1 && zb_home_has (self->home, which))
        *number = which;
    else if (sscanf (name, "damaged.%llu%c", &which, &end) == 1) {
        char *aside = zsys_sprintf ("%s/%s", self->dir, name);
        *number = (newest > self->node.current ? newest : self->node.current) + 1;
        int rc = rename (aside, zb_home_env (self->home, *number));
        free (aside);
        if (rc != 0 || zb_folder_sync (self->dir) != 0)
            return s_failed (self, "bring back what was put aside in");
    }
    else
        return tool_misused (self->tool, "%s has no folder %s", self->dir, name);
    return TOOL_OK;
}

//  Says why it takes the operator's word; TOOL_OK if it has that, or takes none.
static int s_ask (const adopt_t *self)
{
    const char *why = self->state == ZB_NODE_ABSENT ? "its file `node` is missing, so it may be a part of a copy only"
                      : self->state == ZB_NODE_DAMAGED
                          ? "its file `node` is damaged, so it may be a part of a copy only"
                      : self->tool->size     ? "it is not the one that this broker would use"
                      : self->node.suspect   ? "a sync to this disk failed, or it was damaged"
                      : !self->node.complete ? "it was not complete"
                                             : NULL;
    if (!why || tool_option (self->tool, "accept-loss"))
        return TOOL_OK;
    return tool_fail (self->tool, TOOL_FAILED,
                      "%s: what was answered OK may not be in it. Make a copy of %s first. If that is accepted, say "
                      "--accept-loss",
                      why, self->dir);
}

static int s_adopt (adopt_t *self)
{
    uint64_t number = 0;
    int code = s_enter (self);
    if (code == TOOL_OK)
        code = s_name (self);
    if (code == TOOL_OK)
        code = s_ask (self);
    if (code == TOOL_OK)
        code = s_choose (self, &number);
    if (code != TOOL_OK)
        return code;
    //  What the page cache shows may not be on the disk: a sync that failed leaves it so.
    if (zb_home_rewrite (self->home, number) < 0)
        return s_failed (self, "write again and sync");
    self->node.complete = true;
    self->node.suspect = false;
    self->node.current = number;
    self->node.filling = 0;
    if (zb_node_save (&self->node, self->dir) != 0)
        return s_failed (self, "write the file node of");
    printf ("%s is the store from now on%s%s\n", zb_home_env (self->home, number), self->node.as ? ", of the " : "",
            self->node.as ? zb_node_name (self->node.as) : "");
    return TOOL_OK;
}

static int s_run (tool_t *self)
{
    adopt_t adopt = {.tool = self, .dir = tool_option (self, "store")};
    if (!adopt.dir || !*adopt.dir)
        return tool_misused (self, "which folder? Say --store DIR");
    if (self->size > 1)
        return tool_misused (self, "'%s': adopt takes one folder", self->arguments[1]);
    int code = s_adopt (&adopt);
    zb_home_destroy (&adopt.home);
    return code;
}

const tool_command_t tool_adopt = {
    .name = "adopt",
    .arguments = "[env.N|damaged.N]",
    .summary = "Use a store that no broker would use by itself, on the operator's word",
    .text = "\n"
            "One that was put aside; one after a failed sync, whose files are written again; one whose file\n"
            "`node` is missing or damaged; and one of the other broker's, with --as.  The broker that is started\n"
            "on it then is as any other that was down: it meets its peer, and the one with more leads, or it\n"
            "waits for that one, or for 'zbroker promote --accept-loss'.\n",
    .options = s_options,
    .run = s_run,
};
