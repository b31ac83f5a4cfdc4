#!/bin/sh
#  Makes ./configure from configure.ac.  Needed once after a clone, and after changes to configure.ac.
set -e
cd "$(dirname "$0")"
for tool in autoreconf automake libtoolize pkg-config; do
    command -v $tool >/dev/null || {
        echo "autogen.sh: $tool is missing (Debian: apt-get install autoconf automake libtool pkg-config)" >&2
        exit 1
    }
done
mkdir -p build-aux/m4
autoreconf --force --install
