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
    grep -rnE '^[[:space:]]*#[[:space:]]*include' "$source/$1" --include='*.[ch]' 2>/dev/null | grep -vE "$2"
}

libc='<(assert|ctype|errno|inttypes|limits|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings)\.h>'

check "core includes only libc, CZMQ, libsodium, core and pattern machines" \
    "$(foreign src/core "$libc|<(czmq|sodium)\\.h>|\"core/[a-z]+/[a-z_]+\\.h\"|\"patterns/[a-z]+_fsm\\.h\"")"

#  wing ROOM NAME WINGS: the #include lines of a wing's files that name another wing of the room than itself and these
wing () {
    grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*\"$1/" "$source/src/$1/$2" --include='*.[ch]' 2>/dev/null | grep -vE "\"$1/($2|$3)/"
}

check "a wing of the core includes itself and the wings below it: base, wire, queue, replay, engine, pair" \
    "$(wing core base none; wing core wire base; wing core queue 'base|wire'; wing core rights 'base|wire'
    wing core replay 'base|wire|queue'; wing core engine 'base|wire|queue|rights|replay'; wing core pair 'base|wire|queue|rights|replay|engine')"

check "a wing of io includes itself and the wings below it: base, auth, store, pair, broker, http" \
    "$(wing io base none; wing io auth base; wing io store 'base|auth'; wing io pair 'base|auth|store'; wing io broker 'base|auth|store|pair'
    wing io http 'base|auth|store|pair|broker')"

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
        grep -vE '/src/io/store/(store|env|tables|ship|brief)[a-z_]*\.c$')"

check "only io/http includes microhttpd.h" \
    "$(grep -rlE '#[[:space:]]*include[[:space:]]*<microhttpd\.h>' "$source"/src "$source"/patterns "$source"/tools "$source"/include 2>/dev/null |
        grep -vE '/src/io/http/[a-z_]*\.[ch]$')"

check "make check runs each integration test, or the Makefile says what else does" \
    "$(for f in "$source"/tests/integration/test_*; do
        grep -q "tests/integration/${f##*/}" "$source/Makefile.am" || echo "${f##*/}"
    done)"

check "the broker logs through io/base/log alone: zsys's own functions are not for several threads" \
    "$(grep -rnE 'zsys_(error|warning|notice|info|debug) \(' "$source/src" --include='*.[ch]' | grep -v '/io/base/log\.c:')"

check "io includes nothing of the client and the tools" \
    "$(grep -rnE '#[[:space:]]*include[[:space:]]*"(client|tools)/' "$source"/src/io 2>/dev/null)"

check "the client library is built on the core's values and patterns alone" \
    "$(foreign src/client "<[a-z0-9_/]+\\.h>|\"client/[a-z_]+\\.h\"|\"core/(base|rights|wire)/[a-z]+\\.h\"|\"patterns/[a-z_]+\\.h\"|\"zbroker\\.h\"")"

check "the public header needs no foreign header" \
    "$(grep -nE '^#[[:space:]]*include' "$source"/include/*.h 2>/dev/null | grep -vE '<(stdbool|stddef|stdint)\.h>')"

#  What the linker says.  All that the core may need of others is in this list: what is not in it is a socket, a file,
#  a clock, a thread, a log, or has to be argued for here.
libc='bcmp|mem(chr|cmp|cpy|move|set)|str(chr|rchr|str|len|n?cmp|n?cpy|spn|cspn)|v?snprintf|malloc|calloc|realloc|free|qsort|bsearch'
libc="$libc|abort|__assert_fail|__assert_rtn|__(mem|str|v?snprintf)[a-z]*_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_"
libc="$libc|__(asan|ubsan|tsan|sanitizer|sancov|gcov|llvm)_.*|_?_gcov.*"
values='crypto_(shorthash|generichash|core_h?salsa20)[a-z0-9_]*|sodium_mem(cmp|zero)|z(hash|list|hashx|listx|rex)_[a-z_]+'

#  members ARCHIVE PATTERN LETTERS: the symbols of these kinds in the archive's objects whose names match
members () {
    nm -A "$1" 2>/dev/null | sed -nE "s/^[^ ]*:($2): *[0-9a-fA-F]* ([$3]) ([^@]*).*/\\3/p" | sort -u
}

#  needs NAME ARCHIVE PATTERN ALLOWED [GIVEN]: passes if the objects need nothing but what they define themselves, what
#  is allowed, and the given symbols
needs () {
    if [ ! -e "$2" ]; then
        count=$((count + 1))
        echo "ok $count - $1 # SKIP no $2"
        return
    fi
    check "$1" "$( { members "$2" "$3" 'TDBRVWC'; printf '%s\n' "$5"; } | sort -u > "$scratch"
        members "$2" "$3" 'Uvw' | grep -vxE "$4" | grep -vxFf "$scratch")"
}

scratch=$(mktemp) || exit 1
trap 'rm -f "$scratch"' EXIT
machines=$(members "$build/.libs/libpatterns.a" '[a-z]+_fsm\.o' 'TDBR')
needs "the core's objects need only memory, strings, containers, hashes and ciphers" \
    "$build/.libs/libzbcore.a" '[^:]*' "$libc|$values" "$machines"
needs "the pattern machines' objects need only libc" "$build/.libs/libpatterns.a" '[a-z]+_fsm\.o' "$libc"

check "the program exports the checksum that Berkeley DB is to call, if it has one to be found" \
    "$([ ! -e "$build/zbroker" ] || ! nm -D "$build/zbroker" 2>/dev/null | grep -q ' U db_env_create' ||
        nm -D "$build/zbroker" | grep -q ' [TW] __ham_func4$' || echo 'zbroker: no __ham_func4')"

echo "1..$count"
