/*  =========================================================================
    test_token - what one broker signs the other reads, and nobody forges

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "core/wire/token.h"

static const uint8_t s_secret[ZB_SECRET_SIZE] = "a secret that two brokers share";

static int s_parse (zb_token_t *token, const char *text)
{
    return zb_token_parse (token, s_secret, zb_frame (text));
}

//  A text that is signed well but need not be a token.
static void s_sign (const char *text, char forged[ZB_TOKEN_MAX])
{
    uint8_t mac[16];
    char hex[33];
    crypto_generichash (mac, sizeof (mac), (const uint8_t *) text, strlen (text), s_secret, ZB_SECRET_SIZE);
    sodium_bin2hex (hex, sizeof (hex), mac, sizeof (mac));
    snprintf (forged, ZB_TOKEN_MAX, "%s.%s", text, hex);
}

static void test_round_trip (void **state)
{
    (void) state;
    const zb_token_t tokens[] = {
        {1, 1, 0, false}, {7, 2, 12345, true}, {UINT64_MAX, 2, UINT64_MAX, true}, {0, 1, UINT64_MAX, false}};
    for (size_t index = 0; index < sizeof (tokens) / sizeof (tokens[0]); index++) {
        char text[ZB_TOKEN_MAX];
        size_t size = zb_token_format (&tokens[index], s_secret, text);
        assert_int_equal (size, strlen (text));
        assert_true (size < ZB_TOKEN_MAX);
        zb_token_t token;
        assert_int_equal (s_parse (&token, text), 0);
        assert_true (token.epoch == tokens[index].epoch);
        assert_int_equal (token.node, tokens[index].node);
        assert_true (token.commit == tokens[index].commit);
        assert_int_equal (token.alone, tokens[index].alone);
    }
}

//  The text is a contract between brokers of different versions.
static void test_text (void **state)
{
    (void) state;
    const zb_token_t token = {7, 2, 12345, true};
    char text[ZB_TOKEN_MAX], expected[ZB_TOKEN_MAX];
    zb_token_format (&token, s_secret, text);
    s_sign ("7.2.12345.a", expected);
    assert_string_equal (text, expected);
}

//  Any bit of a token that changes makes it void, and so does any cut.
static void test_damage (void **state)
{
    (void) state;
    const zb_token_t good = {7, 2, 12345, true};
    zb_token_t token;
    char text[ZB_TOKEN_MAX];
    size_t size = zb_token_format (&good, s_secret, text);
    for (size_t bit = 0; bit < size * 8; bit++) {
        text[bit / 8] = (char) (text[bit / 8] ^ (1 << bit % 8));
        assert_int_equal (zb_token_parse (&token, s_secret, (zb_frame_t){text, size}), -1);
        text[bit / 8] = (char) (text[bit / 8] ^ (1 << bit % 8));
    }
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal (zb_token_parse (&token, s_secret, (zb_frame_t){text, cut}), -1);
    assert_int_equal (zb_token_parse (&token, s_secret, (zb_frame_t){text, size + 1}), -1);
    assert_int_equal (zb_token_parse (&token, s_secret, (zb_frame_t){NULL, 0}), -1);

    static const uint8_t other[ZB_SECRET_SIZE] = "the secret of another pair";
    assert_int_equal (zb_token_parse (&token, other, (zb_frame_t){text, size}), -1);
    assert_int_equal (zb_token_parse (&token, s_secret, (zb_frame_t){text, size}), 0);
}

static void test_malformed (void **state)
{
    (void) state;
    static const char *const texts[] = {
        "",
        ".",
        "..",
        "...",
        "....",
        "1.1.1",
        "1.1.1.a.",
        "1.1.a",
        "1.0.1.a",
        "1.3.1.a",
        "01.1.1.a",
        "1.01.1.a",
        "1.1.01.a",
        "-1.1.1.a",
        "1.1.1.",
        "1.1.1.aa",
        "1.1.1.b",
        "1.1.1.A",
        " 1.1.1.a",
        "1..1.a",
        "1.1..a",
        ".1.1.a",
        "x.1.1.a",
        "1.1.x.a",
        "1.1.1.1.a",
        "18446744073709551616.1.1.a",
        "1.1.18446744073709551616.a",
    };
    zb_token_t token;
    char forged[ZB_TOKEN_MAX];
    s_sign ("1.1.1.a", forged);
    assert_int_equal (s_parse (&token, forged), 0);
    for (size_t index = 0; index < sizeof (texts) / sizeof (texts[0]); index++) {
        s_sign (texts[index], forged);
        if (s_parse (&token, forged) != -1)
            fail_msg ("\"%s\" was accepted", texts[index]);
    }
    //  Upper case digits say the same and are refused all the same: one token has one text.
    s_sign ("1.1.1.a", forged);
    for (char *digit = forged + 8; *digit; digit++)
        if (*digit >= 'a')
            *digit = (char) (*digit - 'a' + 'A');
    assert_int_equal (s_parse (&token, forged), -1);
    char text[ZB_TOKEN_MAX + 1];
    memset (text, '1', ZB_TOKEN_MAX);
    memcpy (text, "1.1.1.a.", 8);
    text[ZB_TOKEN_MAX] = 0;
    assert_int_equal (s_parse (&token, text), -1);
}

int main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (test_round_trip), cmocka_unit_test (test_text),
                                       cmocka_unit_test (test_damage), cmocka_unit_test (test_malformed)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
