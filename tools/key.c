/*  =========================================================================
    key - zbroker key: who may do what, and the files with keys

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <sodium.h>

#include "commands.h"
#include "core/rights/rights.h"
#include "io/auth/keys.h"
#include "operate.h"

static const tool_option_t s_options[] = {
    {"file", "FILE", "new, bundle: the file to write (default: NAME.key)"},
    {"public", "KEY", "new: of a key that was made elsewhere; no secret key is written then"},
    {"use", NULL, "rotate: the next key is the key from now on"},
    {"finish", NULL, "rotate: the former key is forgotten"},
    OPERATE_CONFIG,
    TOOL_BROKERS,
    TOOL_KEY,
    OPERATE_TIMEOUT,
    {NULL, NULL, NULL}};

#define LOOK_EVERY 20 //  ms between two looks for the active broker

static size_t s_seen_active (const operate_t *pair)
{
    size_t active = 0;
    while (active < pair->brokers.size && !streq (brokers_text (pair->brokers.status[active], "role"), "active"))
        active++;
    return active;
}

//  The broker that is active; the number of brokers if none is before the time is over.
static size_t s_active (operate_t *pair)
{
    size_t active = s_seen_active (pair);
    while (active == pair->brokers.size && zclock_mono () < pair->end && !zsys_interrupted) {
        zclock_sleep (LOOK_EVERY);
        for (size_t index = 0; index < pair->brokers.size; index++)
            operate_look (pair, index);
        active = s_seen_active (pair);
    }
    return active;
}

//  Whether this broker still serves; after a moment, for who changes roles.
static bool s_serves (operate_t *pair, size_t index)
{
    zclock_sleep (LOOK_EVERY);
    return operate_look (pair, index) && operate_is_active (pair, index);
}

//  Makes a change, or "" to be told.  Who does not answer it because he no longer leads, or not yet, is asked no more:
//  whoever leads then is.  Returns the text; NULL after it has printed why not, with *code, and whether the change may
//  have been made nevertheless.
static const char *s_change (const tool_t *tool, operate_t *pair, const char *change, int *code, bool *perhaps)
{
    const char *text;
    size_t index;
    int error;
    *perhaps = false;
    do {
        index = s_active (pair);
        if (index == pair->brokers.size) {
            *code = tool_fail (
                tool, TOOL_NO_ANSWER,
                "no broker is active, or none takes this key; see 'zbroker status', and zbroker(1) for who may ask");
            return NULL;
        }
        text = operate_change (pair, index, change);
        //  One that has lost the role says so of what it has written, too.
        error = text ? ZB_ERR_NONE : zb_client_error (pair->brokers.client);
        *perhaps = *perhaps || error == ZB_ERR_TIMEOUT || error == ZB_ERR_NOT_READY;
    } while (error == ZB_ERR_NOT_READY && zclock_mono () < pair->end && !s_serves (pair, index));
    if (!text)
        *code = operate_fail (pair, tool, index);
    return text;
}

//  ---------------------------------------------------------------------------
//  Files

//  zbroker key make FILE
static int s_make (tool_t *tool)
{
    if (tool->size != 2)
        return tool_misused (tool, "make takes the name of a file");
    zb_keyfile_t file = {.brokers = 0};
    char *error = NULL;
    zb_keys_draw (&file);
    if (zb_keys_write (&file, tool->arguments[1], &error)) {
        int code = tool_fail (tool, TOOL_FAILED, "%s", error);
        free (error);
        return code;
    }
    printf ("%s\n", file.public_key);
    return TOOL_OK;
}

//  The next step of a key's change.  Returns NULL; or what is wrong with it.
static const char *s_step (zb_keyfile_t *file, bool use, bool finish)
{
    bool other = *file->other_secret;
    zb_keyfile_t drawn = {.brokers = 0};
    if (!*file->secret_key)
        return "there is no secret-key in it";
    if (use && (!other || file->former))
        return "there is no next key in it: 'zbroker key rotate FILE' draws one";
    if (finish && (!other || !file->former))
        return "there is no former key in it: --use takes the next one into use first";
    if (!use && !finish && other)
        return "its key is being changed already: --use, then --finish";
    if (use) {
        drawn = *file;
        memcpy (file->public_key, drawn.other_public, sizeof file->public_key);
        memcpy (file->secret_key, drawn.other_secret, sizeof file->secret_key);
    }
    else if (!finish)
        zb_keys_draw (&drawn);
    //  The one before; the next one; or none.
    memcpy (file->other_public, drawn.public_key, sizeof file->other_public);
    memcpy (file->other_secret, drawn.secret_key, sizeof file->other_secret);
    file->former = use;
    sodium_memzero (&drawn, sizeof drawn);
    return NULL;
}

//  zbroker key rotate FILE
static int s_rotate (tool_t *tool)
{
    bool use = tool_option (tool, "use"), finish = tool_option (tool, "finish");
    const char *path = tool->arguments[1], *wrong;
    char *error = NULL;
    zb_keyfile_t file;
    if (use && finish)
        return tool_misused (tool, "--use and --finish are two steps");
    int code = TOOL_OK;
    if (zb_keys_read (&file, path, &error))
        code = tool_fail (tool, TOOL_FAILED, "%s", error);
    else if ((wrong = s_step (&file, use, finish)) != NULL)
        code = tool_fail (tool, TOOL_FAILED, "%s: %s", path, wrong);
    else if (zb_keys_rewrite (&file, path, &error))
        code = tool_fail (tool, TOOL_FAILED, "%s", error);
    else
        printf ("%s\n", use || finish ? file.public_key : file.other_public);
    free (error);
    sodium_memzero (&file, sizeof file);
    return code;
}

//  The brokers' keys as this command knows them, and the client's name.
static int s_fill (const tool_t *tool, const operate_t *pair, zb_keyfile_t *file, const char *name)
{
    if (strlen (name) > ZB_PRINCIPAL_NAME_MAX)
        return tool_misused (tool, "'%s' is longer than %d bytes", name, ZB_PRINCIPAL_NAME_MAX);
    if (pair->keys.brokers == 0)
        return tool_misused (
            tool, "the brokers' public keys go into the client's file: say --config with their config file, and "
                  "set keys in it (zbroker.conf(5))");
    snprintf (file->name, sizeof file->name, "%s", name);
    file->brokers = pair->keys.brokers;
    memcpy (file->broker, pair->keys.broker, sizeof file->broker);
    return TOOL_OK;
}

static char *s_path (const tool_t *tool, const char *name)
{
    const char *path = tool_option (tool, "file");
    return path ? strdup (path) : zsys_sprintf ("%s.key", name);
}

//  zbroker key new NAME [RIGHT=PATTERN...].  The file comes first: a key that brokers know and nobody has helps nobody.
static int s_new (tool_t *tool, operate_t *pair, const char *rules)
{
    const char *name = tool->arguments[1], *public_key = tool_option (tool, "public");
    zb_keyfile_t file = {.brokers = 0};
    int code = s_fill (tool, pair, &file, name);
    if (code)
        return code;
    if (public_key && !zb_key_is (public_key, strlen (public_key)))
        return tool_misused (tool, "--public '%s' is not 40 characters of Z85", public_key);
    if (public_key)
        snprintf (file.public_key, sizeof file.public_key, "%s", public_key);
    else
        zb_keys_draw (&file);
    char *path = s_path (tool, name), *error = NULL;
    bool perhaps;
    if (zb_keys_write (&file, path, &error))
        code = tool_fail (tool, TOOL_FAILED, "%s", error);
    else {
        char *change = zsys_sprintf ("new %s %s%s", name, file.public_key, rules);
        const char *level = s_change (tool, pair, change, &code, &perhaps);
        if (level)
            printf ("OK %s %s\n", level, path);
        else if (perhaps)
            tool_fail (tool, code,
                       "the brokers may know the key nevertheless, so that %s is kept: 'zbroker key show %s' tells; if "
                       "they do not, remove the file and say it again",
                       path, name);
        else
            unlink (path);
        free (change);
    }
    free (error);
    free (path);
    return code;
}

//  zbroker key bundle NAME: the file as the brokers are now.
static int s_bundle (tool_t *tool, operate_t *pair)
{
    const char *name = tool->arguments[1];
    char *path = s_path (tool, name), *error = NULL;
    zb_keyfile_t file;
    int code = zb_keys_read (&file, path, &error) ? tool_fail (tool, TOOL_FAILED, "%s", error)
                                                  : s_fill (tool, pair, &file, name);
    if (code == TOOL_OK && zb_keys_rewrite (&file, path, &error))
        code = tool_fail (tool, TOOL_FAILED, "%s", error);
    if (code == TOOL_OK)
        printf ("%s\n", path);
    free (error);
    free (path);
    return code;
}

//  ---------------------------------------------------------------------------
//  Principals

//  The arguments from this one on, each "RIGHT=PATTERN", as lines of a change; to be freed.  NULL after it has printed
//  what is wrong.
static char *s_rules (const tool_t *tool, const char *act, const char *name, size_t from)
{
    char *change = strdup ("");
    for (size_t index = from; change && index < tool->size; index++) {
        const char *rule = tool->arguments[index], *sign = strchr (rule, '=');
        char *more =
            sign ? zsys_sprintf ("%s\n%s %s %.*s %s", change, act, name, (int) (sign - rule), rule, sign + 1) : NULL;
        if (!sign)
            tool_misused (tool, "'%s' is not of the form RIGHT=PATTERN", rule);
        free (change);
        change = more;
    }
    return change;
}

//  Prints the principals; with a name only that one.
static int s_print (const tool_t *tool, const char *row, const char *name)
{
    zb_rights_t *rights = zb_rights_new ();
    size_t found = 0;
    if (zb_rights_decode (rights, row, strlen (row))) {
        zb_rights_destroy (&rights);
        return tool_fail (tool, TOOL_FAILED, "the brokers tell what this version does not read: update it");
    }
    for (size_t index = 0; index < zb_rights_size (rights); index++) {
        const zb_principal_t *who = zb_rights_at (rights, index);
        if (name && !streq (who->name, name))
            continue;
        found++;
        printf ("%-20s %s %s%.*s\n", who->name, who->key, who->revoked ? "revoked" : "", (int) who->rules_size,
                who->rules ? who->rules : "");
    }
    zb_rights_destroy (&rights);
    return name && !found ? tool_fail (tool, TOOL_FAILED, "there is no principal %s", name) : TOOL_OK;
}

static int s_act (tool_t *tool, operate_t *pair)
{
    const char *act = tool->arguments[0], *name = tool->size > 1 ? tool->arguments[1] : NULL;
    int code = TOOL_OK;
    bool perhaps;
    if (streq (act, "list") || streq (act, "show")) {
        const char *row = s_change (tool, pair, "", &code, &perhaps);
        return row ? s_print (tool, row, name) : code;
    }
    if (streq (act, "bundle"))
        return s_bundle (tool, pair);
    char *rules = s_rules (tool, streq (act, "new") ? "allow" : act, name, 2);
    if (!rules)
        return TOOL_USAGE;
    if (streq (act, "new"))
        code = s_new (tool, pair, rules);
    else {
        bool plain = streq (act, "revoke") || streq (act, "drop");
        char *change = plain ? zsys_sprintf ("%s %s", act, name) : strdup (*rules ? rules + 1 : "");
        const char *level = s_change (tool, pair, change, &code, &perhaps);
        if (level)
            printf ("OK %s\n", level);
        free (change);
    }
    free (rules);
    return code;
}

static int s_run (tool_t *tool)
{
    static const struct {
        const char *act;
        size_t least, most; //  arguments behind it
    } acts[] = {{"make", 1, 1},        {"new", 1, SIZE_MAX}, {"list", 0, 0},   {"show", 1, 1}, {"allow", 2, SIZE_MAX},
                {"deny", 2, SIZE_MAX}, {"bundle", 1, 1},     {"revoke", 1, 1}, {"drop", 1, 1}, {"rotate", 1, 1}};
    const char *act = tool->size ? tool->arguments[0] : "";
    for (size_t index = 0; index < sizeof acts / sizeof *acts; index++) {
        if (!streq (act, acts[index].act))
            continue;
        if (tool->size - 1 < acts[index].least || tool->size - 1 > acts[index].most)
            return tool_misused (tool, "'%s' takes other arguments", act);
        if (streq (act, "make"))
            return s_make (tool);
        if (streq (act, "rotate"))
            return s_rotate (tool);
        operate_t pair;
        int code = operate_open (&pair, tool, NULL, NULL);
        if (code == TOOL_OK)
            code = s_act (tool, &pair);
        operate_close (&pair);
        return code;
    }
    return tool_misused (tool, "'%s' is none of make, new, list, show, allow, deny, bundle, revoke, drop and rotate",
                         act);
}

const tool_command_t tool_key = {
    .name = "key",
    .arguments = "make FILE | rotate [--use | --finish] FILE | new NAME [RIGHT=PATTERN...] | list | show NAME | allow "
                 "NAME RIGHT=PATTERN... | deny NAME "
                 "RIGHT=PATTERN... | bundle NAME | revoke NAME | drop NAME",
    .summary = "Make keys, and say who may do what with them",
    .text = "\n"
            "'make' writes a key for a broker or a witness and prints its public part, for the config file.\n"
            "'rotate' changes such a key in three steps, with nobody cut off: zbroker(1) has them.\n"
            "'new' makes a client's key known to the pair, and writes the one file that the client needs.\n"
            "Rights are put, get, manage, look, operate and as; in a pattern * stands for any characters but /.\n"
            "'bundle' writes the client's file anew, with the brokers as --config says them.  'revoke' refuses\n"
            "a client from now on, connected or not; its key stays known as one that was revoked until 'drop'\n"
            "forgets it, which is refused while the other broker might not know of that.\n"
            "All but 'make', 'rotate' and 'bundle' ask the active broker, as an operator: with the brokers' own key, "
            "which --config\n"
            "names, or with --key of a principal that may operate; and with the pair's name and secret.\n",
    .options = s_options,
    .run = s_run,
};
