/*  =========================================================================
    output - where and how a command writes the messages that it has taken

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/store/folder.h"
#include "output.h"

int output_open (output_t *self, const tool_t *tool)
{
    self->tool = tool;
    self->folder = tool_option (tool, "file-per-message");
    self->json = tool_option (tool, "json") != NULL;
    bool null = tool_option (tool, "null") != NULL;
    self->mark = null ? 0 : '\n';
    if (null + self->json + (self->folder != NULL) > 1)
        return tool_misused (tool, "one of --null, --json and --file-per-message");
    if (self->folder && mkdir (self->folder, 0777) == -1 && errno != EEXIST)
        return tool_fail (tool, TOOL_FAILED, "%s: %s", self->folder, strerror (errno));
    return TOOL_OK;
}

//  --- JSON ---------------------------------------------------------------------------------------------------------

//  An object of the lines.  A name that comes again has an array of its values.
static json_t *s_properties (const char *lines)
{
    json_t *whole = json_object ();
    while (*lines) {
        size_t size = strcspn (lines, "\n");
        size_t name = strcspn (lines, "=");
        char *key = strndup (lines, name < size ? name : size);
        json_t *value = json_stringn (name < size ? lines + name + 1 : "", name < size ? size - name - 1 : 0);
        json_t *there = json_object_get (whole, key);
        if (!there)
            json_object_set_new (whole, key, value);
        else if (json_is_array (there))
            json_array_append_new (there, value);
        else
            json_object_set_new (whole, key, json_pack ("[Oo]", there, value));
        free (key);
        lines += size + (lines[size] == '\n');
    }
    return whole;
}

static void s_write_json (const zb_message_t *message)
{
    json_t *whole = json_pack ("{ss sI so}", "id", message->id, "deliveries", (json_int_t) message->deliveries,
                               "properties", s_properties (message->properties));
    json_t *body = json_stringn (message->size ? (const char *) message->body : "", message->size);
    if (body)
        json_object_set_new (whole, "body", body);
    else {
        size_t room = sodium_base64_ENCODED_LEN (message->size, sodium_base64_VARIANT_ORIGINAL);
        char *text = (char *) malloc (room);
        assert (text);
        sodium_bin2base64 (text, room, (const unsigned char *) message->body, message->size,
                           sodium_base64_VARIANT_ORIGINAL);
        json_object_set_new (whole, "body_base64", json_string (text));
        free (text);
    }
    json_dumpf (whole, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar ('\n');
    json_decref (whole);
}

//  --- Files --------------------------------------------------------------------------------------------------------

static int s_write_all (int file, const char *data, size_t size)
{
    while (size) {
        ssize_t written = write (file, data, size);
        if (written == -1 && errno != EINTR)
            return -1;
        data += written > 0 ? written : 0;
        size -= written > 0 ? (size_t) written : 0;
    }
    return 0;
}

//  The file has its name only when all of it is on the disk.
static int s_write_file (const output_t *self, const zb_message_t *message)
{
    //  Ids are text that others have made.
    if (strchr (message->id, '/') || *message->id == '.')
        return tool_fail (self->tool, TOOL_FAILED, "message id '%s' is no name of a file", message->id);
    char name[4096];
    char part[4096 + 8];
    if (snprintf (name, sizeof name, "%s/%s", self->folder, message->id) >= (int) sizeof name)
        return tool_fail (self->tool, TOOL_FAILED, "%s: %s", self->folder, strerror (ENAMETOOLONG));
    snprintf (part, sizeof part, "%s/.%s.new", self->folder, message->id);
    int file = open (part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int rc = file == -1 ? -1 : s_write_all (file, (const char *) message->body, message->size);
    if (rc == 0)
        rc = fsync (file);
    if (file != -1 && close (file) == -1)
        rc = -1;
    if (rc || rename (part, name) == -1)
        return tool_fail (self->tool, TOOL_FAILED, "%s: %s", name, strerror (errno));
    puts (name);
    return TOOL_OK;
}

static int s_sync_folder (const output_t *self)
{
    if (zb_folder_sync (self->folder) == 0)
        return TOOL_OK;
    return tool_fail (self->tool, TOOL_FAILED, "%s: %s", self->folder, strerror (errno));
}

//  --- Messages -----------------------------------------------------------------------------------------------------

int output_write (output_t *self, const zb_messages_t *messages)
{
    int code = TOOL_OK;
    for (size_t index = 0; code == TOOL_OK && index < zb_messages_size (messages); index++) {
        const zb_message_t *message = zb_messages_at (messages, index);
        if (self->folder)
            code = s_write_file (self, message);
        else if (self->json)
            s_write_json (message);
        else {
            fwrite (message->body, 1, message->size, stdout);
            putchar (self->mark);
        }
    }
    if (code == TOOL_OK && self->folder)
        code = s_sync_folder (self);
    if (code == TOOL_OK && (fflush (stdout) || ferror (stdout)))
        code = tool_fail (self->tool, TOOL_FAILED, "standard output: %s", strerror (errno));
    return code;
}
