#!/bin/sh
#  Does the release do for a user what it should?  tests/release.sh BUILD WORK: makes the archive in BUILD, then goes a
#  user's way in WORK: unpack, configure, make, make install, compile a program with pkg-config, run it, uninstall.
set -eux
build=$1
work=$2

make -C "$build" dist
rm -rf "$work"
mkdir "$work"
cd "$work"
tar xf "$build"/zbroker-*.tar.xz
mkdir build
cd build
configure=$(echo ../zbroker-*/configure)
"$configure" --prefix=/usr
make -j2
make install DESTDIR="$work/root"

cat >example.c <<'C'
#include <stdio.h>
#include <zbroker.h>

int main (void)
{
    zb_client_t *client = zb_client_new ("tcp://127.0.0.1:1");
    printf ("%s %d\n", zbroker_version_text (), client != NULL);
    zb_client_destroy (&client);
    return 0;
}
C
PKG_CONFIG_PATH=$(dirname "$(find "$work/root" -name zbroker.pc)")
PKG_CONFIG_SYSROOT_DIR=$work/root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
#  shellcheck disable=SC2046
gcc -std=c99 -Wall -Wextra -Werror -pedantic example.c $(pkg-config --cflags --libs zbroker) -o example
library=$(dirname "$(find "$work/root" -name libzbroker.so)")
LD_LIBRARY_PATH=$library ./example
"$work/root/usr/bin/zbroker" version
test -e "$work/root/usr/share/man/man1/zbroker.1"
test -e "$work/root/usr/share/man/man5/zbroker.conf.5"

#  The library exports what its header declares, and nothing else.
nm -D --defined-only "$library/libzbroker.so" | awk '{ print $3 }' >exported
test -s exported
while read -r symbol; do
    grep -qw "$symbol" "$work/root/usr/include/zbroker.h"
done <exported

make uninstall DESTDIR="$work/root"
test -z "$(find "$work/root" -type f)"
