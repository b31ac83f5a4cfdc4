#!/bin/sh
#  Builds `zbroker` as it was at a commit, and prints where the program is.  `make check-upgrade` updates a pair from it.
#
#      tests/earlier.sh FOLDER [COMMIT]
set -eu
#  The first one with levels of a store (src/core/base/level.h): since then what a store of level 2 has is what it has now.
first=be116c65eed54e29590f083aedf29cc3b015c074
source=$(cd "$(dirname "$0")/.." && pwd)
folder=$1
commit=${2:-$first}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if [ ! -x "$folder/zbroker" ]; then
    git -C "$source" archive "$commit" | tar -x -C "$folder"
    {
        cd "$folder"
        ./autogen.sh
        ./configure CC="${CC:-cc}" CFLAGS="${CFLAGS:--O2}"
        make -j2 zbroker
    } >"$folder/build.log" 2>&1 || { tail -20 "$folder/build.log" >&2; exit 1; }
fi
echo "$folder/zbroker"
