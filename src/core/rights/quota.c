/*  =========================================================================
    quota - what a principal may use: connections, requests and bytes a second

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/ring.h"
#include "core/rights/quota.h"

#define NS 1000000        //  of a ms
#define SECOND 1000000000 //  ns

//  One rate.  A bucket that is full is paid a second ago.
typedef struct {
    uint64_t rate;
    int64_t paid; //  when all that was used is, ns
} bucket_t;

typedef struct {
    zb_entry_t entry; //  by key
    char key[ZB_KEY_SIZE];
    size_t connections;
    bucket_t requests, bytes;
} account_t;

struct zb_quota {
    zb_map_t accounts;
};

zb_quota_t *zb_quota_new (const uint8_t *key)
{
    zb_quota_t *self = (zb_quota_t *) calloc (1, sizeof *self);
    assert (self);
    zb_map_init (&self->accounts, key);
    return self;
}

void zb_quota_destroy (zb_quota_t **self_p)
{
    zb_quota_t *self = *self_p;
    if (!self)
        return;
    for (size_t bucket = 0; bucket < self->accounts.buckets; bucket++)
        for (zb_entry_t *entry = self->accounts.bucket[bucket], *next; entry; entry = next) {
            next = entry->next;
            free (ZB_ITEM (entry, account_t, entry));
        }
    zb_map_clear (&self->accounts);
    free (self);
    *self_p = NULL;
}

static account_t *s_find (const zb_quota_t *self, zb_frame_t key)
{
    zb_entry_t *entry = zb_map_find (&self->accounts, key);
    return entry ? ZB_ITEM (entry, account_t, entry) : NULL;
}

static account_t *s_account (zb_quota_t *self, const zb_principal_t *who)
{
    account_t *account = s_find (self, zb_frame (who->key));
    if (!account) {
        account = (account_t *) calloc (1, sizeof *account);
        assert (account);
        memcpy (account->key, who->key, ZB_KEY_SIZE);
        zb_map_add (&self->accounts, &account->entry, (zb_frame_t){account->key, ZB_KEY_SIZE});
    }
    return account;
}

bool zb_quota_enter (zb_quota_t *self, const zb_principal_t *who)
{
    uint64_t most = who->limit[ZB_LIMIT_CONNECTIONS];
    return ++s_account (self, who)->connections <= most || most == 0;
}

//  ns until what was taken at this rate is paid; another rate has a bucket of its own.
static int64_t s_owes (const bucket_t *bucket, uint64_t rate, int64_t now)
{
    return rate && bucket->rate == rate && bucket->paid > now ? bucket->paid - now : 0;
}

void zb_quota_leave (zb_quota_t *self, zb_frame_t key, int64_t now)
{
    account_t *account = s_find (self, key);
    if (!account)
        return;
    if (account->connections)
        account->connections--;
    //  What is owed is owed after a new connection, too.
    if (account->connections == 0 && account->requests.paid <= now * NS && account->bytes.paid <= now * NS) {
        zb_map_remove (&self->accounts, &account->entry);
        free (account);
    }
}

static int64_t s_owed (const account_t *account, const zb_principal_t *who, int64_t ns)
{
    int64_t requests = s_owes (&account->requests, who->limit[ZB_LIMIT_REQUESTS], ns);
    int64_t bytes = s_owes (&account->bytes, who->limit[ZB_LIMIT_BYTES], ns);
    return ((requests > bytes ? requests : bytes) + NS - 1) / NS;
}

int64_t zb_quota_owes (const zb_quota_t *self, const zb_principal_t *who, int64_t now)
{
    bool limits = who->limit[ZB_LIMIT_REQUESTS] || who->limit[ZB_LIMIT_BYTES];
    const account_t *account = limits ? s_find (self, zb_frame (who->key)) : NULL;
    return account ? s_owed (account, who, now * NS) : 0;
}

//  Takes so much out.
static void s_take (bucket_t *bucket, uint64_t rate, uint64_t used, int64_t now)
{
    if (bucket->rate != rate || bucket->paid < now - SECOND)
        bucket->paid = now - SECOND;
    bucket->rate = rate;
    if (rate)
        bucket->paid += (int64_t) (used * SECOND / rate);
}

int64_t zb_quota_use (zb_quota_t *self, const zb_principal_t *who, size_t bytes, size_t visits, int64_t now)
{
    account_t *account = s_account (self, who);
    s_take (&account->requests, who->limit[ZB_LIMIT_REQUESTS], 1 + (uint64_t) visits / ZB_QUOTA_VISITS, now * NS);
    s_take (&account->bytes, who->limit[ZB_LIMIT_BYTES], bytes, now * NS);
    return s_owed (account, who, now * NS);
}
