#!/bin/sh
#  Is the program in zbroker.h a program?  Takes it out, compiles it as its reader would, and runs it against a pair;
#  compiles the header as C99 and as C++.  Ends early with "skip" while this broker cannot serve.

source=${ZBROKER_SOURCE:-.}
build=${ZBROKER_BUILD:-.}
zbroker=${ZBROKER_PROGRAM:-$build/zbroker}
work=$(mktemp -d) || exit 99
trap 'kill $primary $backup 2>/dev/null; wait; rm -rf "$work"' EXIT
number=0

#  Prints one line of TAP: the result of the command before.
result () {
    if [ $? -eq 0 ]; then verdict="ok"; else verdict="not ok"; cat "$work/log"; fi
    number=$((number + 1))
    echo "$verdict $number - $1"
}

echo "1..5"
cc=${CC:-cc}
sed -n '/^    EXAMPLE BEGIN/,/^    EXAMPLE END/{/EXAMPLE/d;s/^    //;p}' "$source/include/zbroker.h" |
    sed "s/10000/${ZBROKER_SLOWER:-1}0000/" >"$work/example.c"
echo '#include <zbroker.h>' >"$work/header.c"
echo '#include <zbroker.h>
int main () { zb_client_t *client = zb_client_new (nullptr); zb_client_destroy (&client); }' >"$work/header.cc"

strict="-std=c99 -pedantic -Wall -Wextra -Werror -I$source/include"
$cc $strict -fsyntax-only "$work/header.c" >"$work/log" 2>&1
result "the header is C99"

if command -v "${CXX:-c++}" >/dev/null; then
    ${CXX:-c++} -std=c++11 -Wall -Wextra -Werror -I"$source/include" -fsyntax-only "$work/header.cc" >"$work/log" 2>&1
    result "the header is C++"
else
    number=$((number + 1))
    echo "ok $number - the header is C++ # SKIP no C++ compiler"
fi

"$build/libtool" --quiet --mode=link $cc $strict $CFLAGS -o "$work/example" "$work/example.c" \
    "$build/libzbroker.la" >"$work/log" 2>&1
result "the example compiles"

#  Nobody there: it says so, and ends.
sed 's/[0-9]*0000/200/' "$work/example.c" >"$work/short.c"
"$build/libtool" --quiet --mode=link $cc $strict $CFLAGS -o "$work/short" "$work/short.c" \
    "$build/libzbroker.la" >"$work/log" 2>&1
"$build/libtool" --mode=execute $ZBROKER_WRAPPER "$work/short" tcp://127.0.0.1:1 >"$work/log" 2>&1
[ $? -eq 1 ] && grep -q "^create: 1 " "$work/log"
result "without a broker it says why"

#  Ports: four in a row for each broker.
base=$((10000 + $$ % 2500 * 8))
one=tcp://127.0.0.1:$base
two=tcp://127.0.0.1:$((base + 4))
for as in primary backup; do
    $ZBROKER_WRAPPER "$zbroker" serve --as $as --primary $one --backup $two --store "$work/$as" >"$work/$as.log" 2>&1 &
    [ $as = primary ] && primary=$! || backup=$!
done
if "$build/libtool" --mode=execute $ZBROKER_WRAPPER "$work/example" $one,$two >"$work/log" 2>&1; then
    [ "$(grep -c '^stored ' "$work/log")" = 3 ] &&
        [ "$(grep '^got ' "$work/log" | tr '\n' ,)" = "got one coffee,got two teas,got the bill," ]
    result "the example runs"
elif kill -0 $primary 2>/dev/null && kill -0 $backup 2>/dev/null; then
    false
    result "the example runs"
else
    echo "ok 5 - the example runs # SKIP the brokers don't run: $(tail -1 "$work/primary.log")"
fi
