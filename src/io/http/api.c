/*  =========================================================================
    api - /api/v1: the pair, its queues, and what can be done to them, as JSON

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <netinet/in.h>
#include <sodium.h>
#include <czmq.h>

#include "core/wire/wire.h"
#include "io/base/log.h"
#include "io/http/api.h"

#define COOKIE "zbroker"
#define HOST_COOKIE "__Host-" COOKIE //  by TLS: browsers take that from this host alone, by TLS, and for all its paths
#define OWN_HEADER "X-Zbroker"
#define NO_KEY "this login has no key, and the brokers want one: see http/login in zbroker.conf(5)"

//  ---------------------------------------------------------------------------
//  Answers

void zb_exchange_is (zb_exchange_t *self, const zb_login_t *login)
{
    snprintf (self->who, sizeof self->who, "%s", login->name);
    free (self->key);
    self->key = login->key ? strdup (login->key) : NULL;
}

uint32_t zb_exchange_address (const zb_exchange_t *self)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info (self->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info && info->client_addr->sa_family == AF_INET
               ? ((const struct sockaddr_in *) info->client_addr)->sin_addr.s_addr
               : 0;
}

void zb_exchange_say (zb_exchange_t *self, unsigned code, const char *text)
{
    self->code = code;
    self->type = ZB_PLAIN;
    self->text = zsys_sprintf ("%s\n", text);
    self->text_size = strlen (self->text);
}

void zb_exchange_json (zb_exchange_t *self, unsigned code, json_t *object)
{
    self->code = code;
    self->type = ZB_JSON;
    self->text = json_dumps (object, JSON_COMPACT | JSON_PRESERVE_ORDER);
    self->text_size = self->text ? strlen (self->text) : 0;
    json_decref (object);
}

const char *zb_exchange_text (const json_t *object, const char *name)
{
    const char *text = json_string_value (json_object_get (object, name));
    return text ? text : "";
}

static void s_refuse (zb_exchange_t *self, unsigned code, const char *text)
{
    json_t *why = json_string (text);
    zb_exchange_json (self, code, json_pack ("{s:i, s:o}", "error", (int) code, "text", why ? why : json_string ("?")));
}

//  Of what a broker has refused.  Its 401 is about HELLO, and none of HTTP's.
static bool s_refused (zb_exchange_t *self)
{
    const zb_question_t *question = &self->question;
    if (question->code)
        s_refuse (self, question->code == 401 ? 503 : question->code, question->texts ? question->text[0] : ZB_CROWDED);
    return question->code != 0;
}

//  ---------------------------------------------------------------------------
//  The pair

//  May this machine be switched off now?
static const struct {
    const char *may, *why;
} s_verdicts[] = {
    {"no", "This broker has no pair: clients wait until it is back."},
    {"after-switchover", "Hand the role over first: then clients notice nothing. Until this machine is back what is "
                         "stored is on one disk."},
    {"yes", "The other broker serves and has everything. Until this machine is back what is stored is on one disk."},
    {"no", "This broker alone has what clients were told is stored, and the other one would wait for it."},
    {"no", "This disk holds messages that the other one lacks."},
    {"yes", "The other broker serves, and this one is not level with it yet: it goes on later."},
    {"no", "No broker is known to serve, and this one may be needed."},
};

static size_t s_verdict (const json_t *here)
{
    bool active = streq (zb_exchange_text (here, "role"), "active");
    const json_t *peer = json_object_get (here, "peer");
    if (streq (zb_exchange_text (here, "node"), "single"))
        return 0;
    if (json_is_true (json_object_get (here, "in_sync")))
        return active ? 1 : 2;
    if (active)
        return 3;
    if (json_is_true (json_object_get (here, "alone")) || !json_is_null (json_object_get (here, "replay")))
        return 4;
    return json_is_true (json_object_get (peer, "heard")) && streq (zb_exchange_text (peer, "role"), "active") ? 5 : 6;
}

static json_t *s_object (char *text)
{
    json_t *object = text ? json_loads (text, 0, NULL) : NULL;
    free (text);
    return object ? object : json_null ();
}

static void s_pair (zb_exchange_t *self)
{
    static const char *const nodes[] = {"single", "primary", "backup"};
    const zb_config_t *config = self->site->config;
    int64_t came = 0;
    size_t verdict = s_verdict (self->status);
    json_t *there = s_object (zb_asker_peer (self->site->asker, &came));
    int other = config->as == ZB_PRIMARY ? ZB_BACKUP : ZB_PRIMARY;
    json_t *answer = json_object ();
    json_object_set_new (answer, "node", json_string (nodes[config->as]));
    json_object_set_new (answer, "endpoint", json_string (config->host[config->as].endpoint));
    json_object_set_new (answer, "other",
                         config->as == ZB_SINGLE ? json_null () : json_string (config->host[other].endpoint));
    json_object_set_new (answer, "pair", json_string (config->pair));
    json_object_set_new (answer, "switch_off",
                         json_pack ("{s:s, s:s}", "may", s_verdicts[verdict].may, "why", s_verdicts[verdict].why));
    json_object_set_new (answer, "here", json_incref (self->status));
    json_object_set_new (answer, "there_age_ms",
                         json_is_null (there) ? json_null () : json_integer (zclock_mono () - came));
    json_object_set_new (answer, "there", there);
    json_object_set_new (answer, "login", *self->who ? json_string (self->who) : json_null ());
    json_object_set_new (answer, "logins", json_boolean (config->http_login != NULL));
    json_object_set_new (answer, "keys", json_boolean (self->site->keyed));
    zb_exchange_json (self, 200, answer);
}

//  ---------------------------------------------------------------------------
//  Queues

//  Lines name=value as an object; numbers that JSON can hold everywhere are numbers.
static json_t *s_lines (const char *lines)
{
    json_t *object = json_object ();
    while (*lines) {
        size_t size = strcspn (lines, "\n"), name = strcspn (lines, "=\n");
        const char *value = lines + name + (name < size);
        size_t value_size = size - name - (name < size);
        char key[ZB_NAME_MAX + 1];
        snprintf (key, sizeof key, "%.*s", (int) name, lines);
        bool number = value_size && value_size < 16 && strspn (value, "0123456789") == value_size;
        json_object_set_new (object, key,
                             number ? json_integer (strtoll (value, NULL, 10)) : json_stringn (value, value_size));
        lines += size + (lines[size] == '\n');
    }
    return object;
}

json_t *zb_api_listed (zb_exchange_t *self)
{
    if (s_refused (self))
        return NULL;
    const zb_question_t *question = &self->question;
    json_t *queues = json_array ();
    size_t index = 0;
    for (; index + 1 < question->texts; index += 2) {
        json_t *queue = s_lines (question->text[index + 1]);
        json_object_set_new (queue, "name", json_string (question->text[index]));
        json_array_append_new (queues, queue);
    }
    bool more = index < question->texts && *question->text[index];
    json_t *next = more ? json_string (question->text[index]) : json_null ();
    return json_pack ("{s:o, s:o}", "queues", queues, "next", next);
}

static void s_listed (zb_exchange_t *self)
{
    json_t *page = zb_api_listed (self);
    if (page)
        zb_exchange_json (self, 200, page);
}

static const char *s_asked_for (const zb_exchange_t *self, const char *name, const char *otherwise)
{
    const char *value = MHD_lookup_connection_value (self->connection, MHD_GET_ARGUMENT_KIND, name);
    return value ? value : otherwise;
}

void zb_api_look (zb_exchange_t *self, zb_verb_t verb, const char *one, const char *two, const char *three,
                  void (*finish) (zb_exchange_t *self))
{
    //  On the wire it takes a right.
    if (self->site->keyed && !*self->who) {
        s_refuse (self, 401, "the brokers have keys: log in to see this");
        return;
    }
    //  Without one it would be the broker that asks, which may look at all.
    if (self->site->keyed && !self->key) {
        s_refuse (self, 403, NO_KEY);
        return;
    }
    zb_question_t *question = &self->question;
    question->verb = verb;
    question->argument[0] = one;
    question->argument[1] = two;
    question->argument[2] = three;
    question->arguments = three ? 3 : 2;
    question->key = self->key;
    self->finish = finish;
}

//  A number of queues; false, and it is refused, if it is none.
static bool s_number (zb_exchange_t *self, const char *name, const char *otherwise, size_t least, size_t *number)
{
    const char *text = s_asked_for (self, name, otherwise);
    size_t digits = strspn (text, "0123456789");
    *number = digits < 10 ? strtoul (text, NULL, 10) : SIZE_MAX;
    if (!text[digits] && *number >= least && *number <= ZB_LIST_MAX)
        return true;
    s_refuse (self, 400, "max and, in another order than by name, after are numbers: see zbroker-api(7)");
    return false;
}

//  False if it is refused.
static bool s_page (zb_exchange_t *self, size_t *from, size_t *most)
{
    return s_number (self, "after", "", 0, from) && s_number (self, "max", "100", 1, most);
}

static void s_show_sorted (zb_exchange_t *self)
{
    size_t from, most;
    if (s_page (self, &from, &most))
        zb_exchange_json (self, 200, zb_sorted_page (&self->site->sorted, s_asked_for (self, "sort", ""), from, most));
}

static void s_sort (zb_exchange_t *self)
{
    json_t *page = zb_api_listed (self);
    if (page) {
        zb_sorted_keep (&self->site->sorted, json_incref (json_object_get (page, "queues")),
                        s_asked_for (self, "pattern", ""), self->key, zclock_mono ());
        s_show_sorted (self);
    }
    json_decref (page);
}

static void s_queues (zb_exchange_t *self)
{
    const char *sort = s_asked_for (self, "sort", "name"), *pattern = s_asked_for (self, "pattern", "");
    bool allowed = !self->site->keyed || self->key;
    size_t from, most;
    if (streq (sort, "name"))
        zb_api_look (self, ZB_LIST, pattern, s_asked_for (self, "after", ""), s_asked_for (self, "max", "100"),
                     s_listed);
    else if (!zb_sorted_by (sort))
        s_refuse (self, 400, "sort is name, messages, leased or waiting");
    else if (!s_page (self, &from, &most))
        return;
    else if (allowed && zb_sorted_has (&self->site->sorted, pattern, self->key, zclock_mono ()))
        s_show_sorted (self);
    else {
        self->argument[0] = zsys_sprintf ("%d", ZB_LIST_MAX);
        zb_api_look (self, ZB_LIST, pattern, "", self->argument[0], s_sort);
    }
}

//  ---------------------------------------------------------------------------
//  Messages

//  The body as text, if it is any; else in base64.  What is cut may have lost a part of a character.
static void s_body (json_t *message, const char *body, size_t size)
{
    size_t shown = size < ZB_HTTP_SHOWN ? size : ZB_HTTP_SHOWN;
    json_t *text = json_stringn (body, shown);
    for (size_t less = 1; !text && shown < size && less < 4; less++)
        text = json_stringn (body, shown - less);
    json_object_set_new (message, "size", json_integer ((json_int_t) size));
    json_object_set_new (message, "cut", json_boolean (shown < size));
    if (text)
        json_object_set_new (message, "body", text);
    else {
        size_t room = sodium_base64_ENCODED_LEN (shown, sodium_base64_VARIANT_ORIGINAL);
        char *base64 = (char *) zmalloc (room);
        sodium_bin2base64 (base64, room, (const unsigned char *) body, shown, sodium_base64_VARIANT_ORIGINAL);
        json_object_set_new (message, "body_base64", json_string (base64));
        free (base64);
    }
}

//  What the broker says of it comes first, and is a member; all else are pairs.
static json_t *s_message (const zb_index_t *line)
{
    static const struct {
        const char *name, *member;
    } own[] = {{"zb-state", "state"}, {"zb-by", "by"}, {"zb-until", "until"}};
    json_t *message = json_pack ("{s:o, s:I, s:n, s:n, s:n}", "id", json_stringn (line->id.data, line->id.size),
                                 "deliveries", (json_int_t) line->deliveries, "state", "by", "until");
    json_t *pairs = json_array ();
    size_t cursor = 0, next = 0;
    zb_frame_t name, value;
    while (zb_lines_next (line->properties, &cursor, &name, &value)) {
        size_t index = next;
        while (index < 3 && !zb_frame_is (name, own[index].name))
            index++;
        json_t *text = json_stringn (value.size ? value.data : "", value.size);
        if (index < 3)
            json_object_set_new (message, own[index].member, text);
        else
            json_array_append_new (pairs, json_pack ("[o, o]", json_stringn (name.data, name.size), text));
        //  Of one that is ready the broker says no more.
        next = index == 0 && zb_frame_is (value, "ready") ? 3 : index < 3 ? index + 1 : 3;
    }
    json_object_set_new (message, "properties", pairs);
    return message;
}

static void s_peeked (zb_exchange_t *self)
{
    if (s_refused (self))
        return;
    //  Level, queue, index, bodies.
    const zb_question_t *question = &self->question;
    json_t *messages = json_array ();
    zb_index_t line;
    size_t at = 0, body = 3;
    bool bad = false;
    while (body < question->texts &&
           zb_index_next ((zb_frame_t){question->text[2], question->size[2]}, &at, &line, &bad)) {
        json_t *message = s_message (&line);
        s_body (message, question->text[body], question->size[body]);
        json_array_append_new (messages, message);
        body++;
    }
    size_t size = json_array_size (messages);
    json_t *last = size ? json_object_get (json_array_get (messages, size - 1), "id") : NULL;
    zb_exchange_json (self, 200, json_pack ("{s:o, s:O}", "messages", messages, "next", last ? last : json_null ()));
}

static void s_messages (zb_exchange_t *self)
{
    unsigned long max = strtoul (s_asked_for (self, "max", "20"), NULL, 10);
    if (max < 1 || max > ZB_HTTP_MESSAGES) {
        s_refuse (self, 400, "max is 1 to 100");
        return;
    }
    self->argument[0] = zsys_sprintf ("%lu", max);
    zb_api_look (self, ZB_PEEK, s_asked_for (self, "queue", ""), s_asked_for (self, "after", "first"),
                 self->argument[0], s_peeked);
}

//  ---------------------------------------------------------------------------
//  Who watches

//  What the broker says is JSON already.
static void s_told (zb_exchange_t *self)
{
    if (s_refused (self))
        return;
    const zb_question_t *question = &self->question;
    json_t *object = question->texts ? json_loads (question->text[0], 0, NULL) : NULL;
    if (object)
        zb_exchange_json (self, 200, object);
    else
        s_refuse (self, 503, "the broker's answer is no JSON");
}

static void s_clients (zb_exchange_t *self)
{
    zb_api_look (self, ZB_CLIENTS, s_asked_for (self, "pattern", ""), s_asked_for (self, "after", ""),
                 s_asked_for (self, "max", ""), s_told);
}

static void s_events (zb_exchange_t *self)
{
    zb_api_look (self, ZB_EVENTS, s_asked_for (self, "after", ""), s_asked_for (self, "max", ""), NULL, s_told);
}

//  ---------------------------------------------------------------------------
//  Changes

static void s_changed (zb_exchange_t *self)
{
    const zb_question_t *question = &self->question;
    //  A name that is none may be anything.
    bool named = question->arguments && !zb_name_check (zb_frame (question->argument[0]));
    zb_log (ZB_LOG_NOTICE, "page: %s says %s%s%s: %s", self->who, zb_verb_name (question->verb), named ? " " : "",
            named ? question->argument[0] : "", question->code && question->texts ? question->text[0] : "OK");
    if (!s_refused (self)) {
        json_t *said = json_array ();
        for (size_t index = 0; index < question->texts; index++)
            json_array_append_new (said, json_string (question->text[index]));
        zb_exchange_json (self, 200, json_pack ("{s:o}", "ok", said));
    }
}

static void s_change (zb_exchange_t *self, zb_verb_t verb)
{
    zb_question_t *question = &self->question;
    question->verb = verb;
    question->arguments = 0;
    while (question->arguments < ZB_QUESTION_ARGUMENTS && self->argument[question->arguments]) {
        question->argument[question->arguments] = self->argument[question->arguments];
        question->arguments++;
    }
    question->key = self->key;
    self->finish = s_changed;
}

//  Takes the queue's name; false, and it is refused, if `confirm` is not the same.
static bool s_confirmed (zb_exchange_t *self, const char *what)
{
    if (streq (zb_exchange_text (self->said, "confirm"), what) && *what)
        return true;
    s_refuse (self, 400, "not confirmed: \"confirm\" has to be the queue's name, or the word switchover");
    return false;
}

static void s_empty (zb_exchange_t *self, zb_verb_t verb)
{
    const char *queue = zb_exchange_text (self->said, "queue");
    if (!s_confirmed (self, queue))
        return;
    self->argument[0] = strdup (queue);
    s_change (self, verb);
}

static void s_purge (zb_exchange_t *self)
{
    s_empty (self, ZB_PURGE);
}

static void s_delete (zb_exchange_t *self)
{
    s_empty (self, ZB_DELETE);
}

//  One step: what moves many asks again until it is told 0.
static void s_move (zb_exchange_t *self)
{
    const json_t *max = json_object_get (self->said, "max");
    if (!json_is_integer (max) || json_integer_value (max) < 0) {
        s_refuse (self, 400, "max is a number of messages, 0 for none");
        return;
    }
    self->argument[0] = strdup (zb_exchange_text (self->said, "queue"));
    self->argument[1] = strdup (zb_exchange_text (self->said, "to"));
    self->argument[2] = strdup (zb_exchange_text (self->said, "last"));
    self->argument[3] = zsys_sprintf ("%lld", (long long) json_integer_value (max));
    s_change (self, ZB_MOVE);
}

static void s_switchover (zb_exchange_t *self)
{
    if (s_confirmed (self, "switchover"))
        s_change (self, ZB_SWITCHOVER);
}

//  Creates a queue, or changes options of it.
static void s_queue (zb_exchange_t *self)
{
    const char *name;
    json_t *value;
    char *lines = strdup ("");
    json_object_foreach (json_object_get (self->said, "options"), name, value)
    {
        char number[32];
        snprintf (number, sizeof number, "%lld", (long long) json_integer_value (value));
        const char *text = json_is_integer (value) ? number : json_string_value (value);
        char *more = text && !strpbrk (name, "=\n") && !strchr (text, '\n')
                         ? zsys_sprintf ("%s%s=%s\n", lines, name, text)
                         : NULL;
        free (lines);
        lines = more;
        if (!more) {
            s_refuse (self, 400, "options are texts and integers, each of one line");
            return;
        }
    }
    self->argument[0] = strdup (zb_exchange_text (self->said, "queue"));
    self->argument[1] = lines;
    s_change (self, ZB_QUEUE);
}

//  ---------------------------------------------------------------------------
//  Logins

static const char *s_cookie (const zb_exchange_t *self)
{
    return MHD_lookup_connection_value (self->connection, MHD_COOKIE_KIND, self->site->secure ? HOST_COOKIE : COOKIE);
}

//  Has the browser keep this one; "": forget it.
static void s_give_cookie (zb_exchange_t *self, const char *cookie)
{
    bool secure = self->site->secure;
    snprintf (self->cookie, sizeof self->cookie, "%s=%s; Path=/; HttpOnly; SameSite=Strict%s%s",
              secure ? HOST_COOKIE : COOKIE, cookie, *cookie ? "" : "; Max-Age=0", secure ? "; Secure" : "");
}

static void s_logged_in (zb_exchange_t *self)
{
    if (s_refused (self))
        return;
    zb_question_t *question = &self->question;
    if (question->edition != self->site->edition) {
        s_refuse (self, 503, ZB_CHANGED);
        return;
    }
    if (self->site->keyed && !question->found) {
        s_refuse (self, 403, NO_KEY);
        return;
    }
    //  Who is somebody else now is not who he was.
    zb_logins_end (&self->site->logins, s_cookie (self), zclock_mono ());
    const zb_login_t *login =
        zb_logins_begin (&self->site->logins, NULL, question->name, question->found, zclock_mono ());
    question->found = NULL;
    s_give_cookie (self, login->cookie);
    zb_log (ZB_LOG_NOTICE, "page: %s has logged in", login->name);
    zb_exchange_json (self, 200, json_pack ("{s:s}", "login", login->name));
}

static void s_log_in (zb_exchange_t *self)
{
    const char *name = zb_exchange_text (self->said, "name");
    if (!self->site->config->http_login) {
        s_refuse (self, 403, "no login is configured: http/login in zbroker.conf(5)");
        return;
    }
    if (!*name || strlen (name) > ZB_LOGIN_NAME_MAX || strpbrk (name, " \t\n")) {
        s_refuse (self, 400, "a login has a name of 1 to 64 bytes without spaces");
        return;
    }
    self->question.file = self->site->config->http_login;
    self->question.name = name;
    self->question.password = zb_exchange_text (self->said, "password");
    self->question.address = zb_exchange_address (self);
    self->finish = s_logged_in;
}

static void s_log_out (zb_exchange_t *self)
{
    zb_logins_end (&self->site->logins, s_cookie (self), zclock_mono ());
    s_give_cookie (self, "");
    zb_exchange_json (self, 200, json_pack ("{s:n}", "login"));
}

//  ---------------------------------------------------------------------------
//  Requests

static const struct {
    const char *path;
    void (*function) (zb_exchange_t *self);
    bool change, stranger; //  it changes something; without a login
} s_routes[] = {{"pair", s_pair, false, true},
                {"queues", s_queues, false, true},
                {"messages", s_messages, false, true},
                {"clients", s_clients, false, true},
                {"events", s_events, false, true},
                {"login", s_log_in, true, true},
                {"logout", s_log_out, true, true},
                {"queue", s_queue, true, false},
                {"purge", s_purge, true, false},
                {"delete", s_delete, true, false},
                {"move", s_move, true, false},
                {"switchover", s_switchover, true, false}};

static const char *s_header (const zb_exchange_t *self, const char *name)
{
    return MHD_lookup_connection_value (self->connection, MHD_HEADER_KIND, name);
}

//  Whether the page that sends this is ours: who sends none is no browser, or asks its own site.
static bool s_own_origin (const zb_exchange_t *self)
{
    const char *origin = s_header (self, "Origin"), *host = s_header (self, "Host");
    const char *at = origin ? strstr (origin, "://") : NULL;
    return !origin || (at && host && streq (at + 3, host));
}

//  What a change takes.  Returns false if it is refused.
static bool s_takes (zb_exchange_t *self)
{
    const char *type = s_header (self, "Content-Type");
    size_t size = type ? strcspn (type, "; ") : 0;
    if (!s_own_origin (self))
        s_refuse (self, 403, "this comes from the page of another site");
    else if (!s_header (self, OWN_HEADER))
        s_refuse (self, 403, "a change takes the header " OWN_HEADER);
    else if (size != strlen (ZB_JSON) || strncasecmp (type, ZB_JSON, size) != 0)
        s_refuse (self, 415, "a change takes Content-Type: " ZB_JSON);
    else if (self->beyond)
        s_refuse (self, 413, "too much");
    else if (!(self->said = json_loadb (self->body, self->size, JSON_REJECT_DUPLICATES, NULL)) ||
             !json_is_object (self->said))
        s_refuse (self, 400, "no JSON object");
    return self->code == 0;
}

bool zb_api_login (zb_exchange_t *self)
{
    const zb_login_t *login = zb_logins_find (&self->site->logins, s_cookie (self), true, zclock_mono ());
    if (login)
        zb_exchange_is (self, login);
    return login != NULL;
}

void zb_api (zb_exchange_t *self, const char *path, const char *method)
{
    size_t index = 0, routes = sizeof s_routes / sizeof *s_routes;
    while (index < routes && !streq (s_routes[index].path, path + strlen (ZB_API)))
        index++;
    bool login = zb_api_login (self);
    if (index == routes)
        s_refuse (self, 404, "there is no such thing: see zbroker-api(7)");
    else if (!streq (method, s_routes[index].change ? "POST" : "GET")) {
        self->allow = s_routes[index].change ? "POST" : "GET";
        s_refuse (self, 405, s_routes[index].change ? "this takes POST" : "this takes GET");
    }
    else if (s_routes[index].change && !s_takes (self))
        return;
    else if (!login && (!s_routes[index].stranger || (self->site->beyond && !s_routes[index].change)))
        s_refuse (self, 401,
                  self->site->config->http_login ? "log in first"
                                                 : "no login is configured: http/login in zbroker.conf(5)");
    else if (!self->status)
        s_refuse (self, 503, "the broker has not turned for some seconds");
    else
        s_routes[index].function (self);
}
