/*  =========================================================================
    config_file - a configuration file, and how it can mislead

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "io/base/config_file.h"
#include "io/base/config_set.h"
#include "io/base/failure.h"

//  Bytes of a file; what is longer is none.
#define FILE_MAX (1 << 20)

static const char *s_value (zconfig_t *item)
{
    return zconfig_value (item) ? zconfig_value (item) : "";
}

//  True if an elder sibling has the item's name: the later one would silently win.
static bool s_is_repeated (zconfig_t *parent, zconfig_t *item)
{
    for (zconfig_t *elder = zconfig_child (parent); elder != item; elder = zconfig_next (elder))
        if (streq (zconfig_name (elder), zconfig_name (item)))
            return true;
    return false;
}

static int s_load_section (zb_config_t *self, zconfig_t *section, char **error)
{
    for (zconfig_t *item = zconfig_child (section); item; item = zconfig_next (item)) {
        char *path = zsys_sprintf ("%s/%s", zconfig_name (section), zconfig_name (item));
        assert (path);
        int rc = 0;
        if (zconfig_child (item))
            rc = zb_failure (error, "%s has keys of its own: sections don't nest", path);
        else if (s_is_repeated (section, item))
            rc = zb_failure (error, "%s is set twice", path);
        else
            rc = zb_config_set (self, path, s_value (item), error);
        free (path);
        if (rc)
            return rc;
    }
    return 0;
}

static int s_load (zb_config_t *self, zconfig_t *root, char **error)
{
    for (zconfig_t *section = zconfig_child (root); section; section = zconfig_next (section)) {
        const char *name = zconfig_name (section);
        if (streq (name, "as"))
            return zb_failure (error, "'as' is not for the file, which is the same on both machines: say --as %s",
                               s_value (section));
        if (!zb_config_is_section (name))
            return zb_config_unknown (name, error);
        if (*s_value (section))
            return zb_failure (error, "%s is a section: its keys go below it, indented by four spaces", name);
        if (s_is_repeated (root, section))
            return zb_failure (error, "the section %s is there twice", name);
        if (s_load_section (self, section, error))
            return -1;
    }
    return 0;
}

//  Quotes that only look like such, as word processors make them.
static bool s_is_typographic (const char *text)
{
    static const char *const quotes[] = {"\u201c", "\u201d", "\u201e", "\u2018",
                                         "\u2019", "\u201a", "\u00ab", "\u00bb"};
    for (size_t index = 0; index < sizeof quotes / sizeof *quotes; index++)
        if (strncmp (text, quotes[index], strlen (quotes[index])) == 0)
            return true;
    return false;
}

//  Looks at a line for what ZPL would read otherwise than it is meant.  Returns 0, or -1 and *error.
static int s_check_line (const char *line, size_t size, size_t number, char **error)
{
    const char *end = line + size, *value = memchr (line, '=', size);
    const char *comment = memchr (line, '#', size);
    if (!value || (comment && comment < value))
        return 0;
    value++;
    value += strspn (value, " \t");
    if (value >= end || *value == '"' || *value == '\'')
        return 0;
    if (s_is_typographic (value))
        return zb_failure (error, "line %zu: the quotes are typographic ones: write \" instead", number);
    const char *sharp = memchr (value, '#', (size_t) (end - value));
    if (sharp && sharp > value && sharp[-1] != ' ' && sharp[-1] != '\t')
        return zb_failure (error,
                           "line %zu: # begins a comment, so the value would end before it: put the value in "
                           "double quotes, or a space before the comment",
                           number);
    return 0;
}

static int s_check_text (const char *text, char **error)
{
    int rc = 0;
    for (size_t number = 1; rc == 0 && *text; number++) {
        size_t size = strcspn (text, "\n");
        rc = s_check_line (text, size, number, error);
        text += size + (text[size] == '\n');
    }
    return rc;
}

int zb_config_load (zb_config_t *self, const char *file, char **error)
{
    *error = NULL;
    struct stat info;
    if (stat (file, &info) || access (file, R_OK))
        return zb_failure (error, "%s: %s", file, strerror (errno));
    if (!S_ISREG (info.st_mode))
        return zb_failure (error, "%s: not a regular file", file);
    //  Not zconfig_load, which leaks its file when it finds an error.
    zchunk_t *text = zchunk_slurp (file, FILE_MAX);
    assert (text);
    char *copy = strndup ((const char *) zchunk_data (text), zchunk_size (text));
    assert (copy);
    int odd = s_check_text (copy, error);
    free (copy);
    if (odd) {
        zchunk_destroy (&text);
        return zb_failure_in (error, file);
    }
    zconfig_t *root = zchunk_size (text) < FILE_MAX ? zconfig_chunk_load (text) : NULL;
    zchunk_destroy (&text);
    self->exposed = self->exposed || (info.st_mode & (S_IROTH | S_IWOTH));
    if (!root)
        return zb_failure (error,
                           "%s: not valid ZPL: sections begin their line, keys are indented by four spaces and "
                           "look like 'key = value'",
                           file);
    int rc = s_load (self, root, error);
    zconfig_destroy (&root);
    return rc ? zb_failure_in (error, file) : 0;
}
