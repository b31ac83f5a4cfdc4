/*  =========================================================================
    config_kit - configurations from texts, and the errors they give

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef CONFIG_KIT_H_INCLUDED
#define CONFIG_KIT_H_INCLUDED

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <czmq.h>

#include "io/base/config_file.h"
#include "io/base/config_finish.h"
#include "io/base/config_set.h"

static char kit_file[] = "/tmp/zb_test_config.XXXXXX";

static inline int kit_make_file (void **state)
{
    (void) state;
    int handle = mkstemp (kit_file);
    return handle == -1 ? -1 : close (handle);
}

static inline int kit_remove_file (void **state)
{
    (void) state;
    return unlink (kit_file);
}

//  Loads a text as a file.  Returns the error, or NULL; the caller frees it.
static inline char *kit_load (zb_config_t *config, const char *text)
{
    FILE *file = fopen (kit_file, "w");
    assert_non_null (file);
    assert_true (fputs (text, file) >= 0);
    assert_int_equal (fclose (file), 0);
    char *error;
    int rc = zb_config_load (config, kit_file, &error);
    assert_int_equal (rc, error ? -1 : 0);
    return error;
}

static inline void kit_good (char *error)
{
    if (error)
        fail_msg ("%s", error);
}

//  Takes the error, which must have all the words.
#define kit_refused(...) kit_refused_with (__VA_ARGS__, NULL)
static inline void kit_refused_with (char *error, ...)
{
    assert_non_null (error);
    va_list words;
    va_start (words, error);
    for (const char *word = va_arg (words, const char *); word; word = va_arg (words, const char *))
        if (!strstr (error, word))
            fail_msg ("'%s' lacks '%s'", error, word);
    va_end (words);
    free (error);
}

static inline char *kit_set (zb_config_t *config, const char *key, const char *value)
{
    char *error;
    zb_config_set (config, key, value, &error);
    return error;
}

static inline char *kit_finish (zb_config_t *config)
{
    char *error;
    zb_config_finish (config, &error);
    return error;
}

#endif
