#!/bin/sh
#  Do the parts include and need only what their place in the house allows?  Prints TAP.
source=${ZBROKER_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${ZBROKER_BUILD:-$source}
count=0

#  check NAME LINES: passes if there are no lines
check () {
    count=$((count + 1))
    if [ -z "$2" ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        echo "$2" | sed 's/^/# /'
    fi
}

#  foreign FOLDER ALLOWED: the #include lines of a folder's files that match no allowed pattern
foreign () {
    grep -rnE '^[[:space:]]*#[[:space:]]*include' "$source"/$1 --include='*.[ch]' 2>/dev/null | grep -vE "$2"
}

libc='<(assert|ctype|errno|inttypes|limits|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings)\.h>'

check "core includes only libc, CZMQ, libsodium, core and pattern machines" \
    "$(foreign src/core "$libc|<(czmq|sodium)\\.h>|\"(core/)?[a-z]+\\.h\"|\"(\\.\\./\\.\\./)?patterns/[a-z]+_fsm\\.h\"")"

check "pattern machines include only libc and themselves" \
    "$(for f in "$source"/patterns/*_fsm.[ch]; do
        [ -e "$f" ] && grep -HnE '^[[:space:]]*#[[:space:]]*include' "$f" | grep -vE "$libc|\"(patterns/)?[a-z]+_fsm\\.h\""
    done)"

check "patterns include nothing of the broker" \
    "$(foreign patterns "<[a-z0-9_/]+\\.h>|\"(patterns/)?[a-z_]+\\.h\"")"

check "patterns include no foreign library but CZMQ" \
    "$(grep -rnE '#[[:space:]]*include[[:space:]]*<(db|sodium|jansson|microhttpd)\.h>' "$source"/patterns 2>/dev/null)"

check "only the store includes db.h" \
    "$(grep -rlE '#[[:space:]]*include[[:space:]]*<db\.h>' "$source"/src "$source"/patterns "$source"/tools "$source"/include 2>/dev/null |
        grep -vE '/src/io/(store|env|ship)[a-z_]*\.[ch]$')"

check "the public header needs no foreign header" \
    "$(grep -nE '#[[:space:]]*include' "$source"/include/*.h 2>/dev/null | grep -vE '<(stdbool|stddef|stdint)\.h>')"

#  What the linker says: core may not know a socket, a file, a clock, a thread or a log.
impure='^(socket|bind|connect|listen|accept|send|recv|poll|select|epoll_.*|open|openat|close|read|write|fopen|fsync|fdatasync'
impure="$impure"'|rename|unlink|clock_gettime|gettimeofday|time|nanosleep|usleep|sleep|pthread_.*|printf|fprintf|puts|syslog'
impure="$impure"'|zsys_.*|zclock_.*|zsock_.*|zactor_.*|zpoller_.*|zloop_.*|zfile_.*|zmq_(socket|bind|connect|poll|ctx).*|db_.*)$'
archive=$build/.libs/libzbcore.a
if [ -e "$archive" ]; then
    check "the core's archive needs nothing impure" \
        "$(nm -u "$archive" 2>/dev/null | awk '$1 == "U" { print $2 }' | sed 's/@.*//' | sort -u | grep -E "$impure")"
else
    count=$((count + 1))
    echo "ok $count - the core's archive needs nothing impure # SKIP no $archive"
fi

echo "1..$count"
