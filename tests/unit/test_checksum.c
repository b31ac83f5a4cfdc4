/*  =========================================================================
    test_checksum - our checksum is Berkeley DB's, and Berkeley DB calls it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <db.h>
#include <dlfcn.h>

#include "io/store/checksum.h"
#include "io/store/env.h"
#include "store_kit.h"

#define LARGE (3 << 20)
#define SMALL 300
#define SHIFTS 33

typedef u_int32_t sum_fn (DB *db, const void *data, u_int32_t size);
sum_fn __ham_func4;

//  The one that the library has; it is hidden by ours, so the next one in the order of the dynamic linker.
static sum_fn *s_theirs (void)
{
    sum_fn *theirs;
    *(void **) &theirs = dlsym (RTLD_NEXT, "__ham_func4");
    assert_non_null (theirs);
    assert_true (theirs != __ham_func4);
    return theirs;
}

static uint8_t *s_random (size_t size)
{
    uint8_t *data = malloc (size);
    assert_non_null (data);
    uint64_t state = 88172645463325252u;
    for (size_t index = 0; index < size; index++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data[index] = (uint8_t) (state >> 24);
    }
    return data;
}

static void test_what_is_known (void **state)
{
    (void) state;
    assert_int_equal (zb_checksum ("", 0), 0);
    assert_int_equal (zb_checksum ("\1", 1), 1);
    assert_int_equal (zb_checksum ("\1\2", 2), 33 + 2);
    assert_int_equal (zb_checksum ("\377\377\377", 3), 255 * (33 * 33 + 33 + 1));
}

//  Of each size, at each address modulo 32; each is at the end of its memory, so that valgrind and the sanitizers see a
//  byte too many.
static void test_each_size_and_address (void **state)
{
    (void) state;
    sum_fn *theirs = s_theirs ();
    uint8_t *random = s_random (SMALL);
    for (size_t size = 0; size <= SMALL; size++)
        for (size_t shift = 0; shift < SHIFTS; shift++) {
            uint8_t *data = malloc (shift + size + 1);
            assert_non_null (data);
            data = realloc (data, shift + size ? shift + size : 1);
            assert_non_null (data);
            memcpy (data + shift, random, size);
            assert_int_equal (zb_checksum (data + shift, size), theirs (NULL, data + shift, (uint32_t) size));
            assert_int_equal (__ham_func4 (NULL, data + shift, (uint32_t) size),
                              theirs (NULL, data + shift, (uint32_t) size));
            free (data);
        }
    free (random);
}

static void test_what_is_large (void **state)
{
    (void) state;
    sum_fn *theirs = s_theirs ();
    uint8_t *data = s_random (LARGE);
    for (size_t cut = 0; cut < SHIFTS; cut++)
        assert_int_equal (zb_checksum (data + cut, LARGE - 2 * cut), theirs (NULL, data + cut, LARGE - 2 * cut));
    //  No part of a sum is too large for its lane.
    memset (data, 0xff, LARGE);
    assert_int_equal (zb_checksum (data, LARGE), theirs (NULL, data, LARGE));
    free (data);
}

//  The linker counts who calls ours.
static _Atomic size_t s_calls;

uint32_t __real_zb_checksum (const void *data, size_t size);
uint32_t __wrap_zb_checksum (const void *data, size_t size);
uint32_t __wrap_zb_checksum (const void *data, size_t size)
{
    s_calls++;
    return __real_zb_checksum (data, size);
}

static void test_berkeley_db_calls_it (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    s_calls = 0;
    zb_env_args_t args = {.home = dir, .node = 1, .cache = 8 << 20, .log_file = 1 << 20};
    zb_env_t *env = zb_env_new (&args);
    assert_null (zb_env_fault (env));
    zb_env_destroy (&env);
    assert_true (s_calls);
    kit_dir_destroy (&dir);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_what_is_known),
        cmocka_unit_test (test_each_size_and_address),
        cmocka_unit_test (test_what_is_large),
        cmocka_unit_test (test_berkeley_db_calls_it),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
