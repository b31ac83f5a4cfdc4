#!/bin/sh
#  Do Debian's packages install, run, upgrade and go, on two machines?  As root, with debootstrap; fetches a bare Debian:
#
#      tests/packages.sh DEBS WORK [EARLIER]
#
#  DEBS: a folder as `make deb` leaves it; EARLIER: one of an earlier version, from which the two are upgraded (default: the same,
#  installed over itself).  WORK has two roots, a and b, and is kept.  There is no systemd in them: what would be said to it is
#  recorded, and brokers are started by their unit's command line, as their unit's user.  The last line is what was found.
set -eu
debs=$(cd "$1" && pwd)
work=$2
earlier=$(cd "${3:-$1}" && pwd)
mkdir -p "$work"
work=$(cd "$work" && pwd)
pids=

say () {
    printf '%s\n' "$*"
}

fail () {
    say "NOT: $*"
    exit 1
}

finish () {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
    done
    for machine in a b; do
        umount "$work/$machine/proc" 2>/dev/null || true
    done
}
trap finish EXIT
trap 'exit 1' INT TERM

#  in_root MACHINE COMMAND...
in_root () {
    root=$work/$1
    shift
    DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

#  until_so SECONDS WHAT COMMAND...: tries it until it succeeds
until_so () {
    left=$1
    what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "waited in vain for: $what"
        sleep 1
    done
}

role () {
    case $1 in a) echo primary ;; b) echo backup ;; esac
}

#  install MACHINE FOLDER: its packages, whatever is installed
install () {
    rm -rf "$work/$1/debs"
    mkdir "$work/$1/debs"
    cp "$2"/zbroker_*.deb "$2"/libzbroker1_*.deb "$work/$1/debs"
    in_root "$1" sh -c 'apt-get -q -y --no-install-recommends --reinstall --allow-downgrades install /debs/*.deb' >>"$work/$1.log" 2>&1 ||
        fail "install on $1, see $work/$1.log"
}

#  start MACHINE: as its unit would
start () {
    unit=$work/$1/lib/systemd/system/zbroker@.service
    [ -e "$unit" ] || unit=$work/$1/usr/lib/systemd/system/zbroker@.service
    line=$(sed -n 's/^ExecStart=//p' "$unit" | sed "s/%i/$(role "$1")/g")
    user=$(sed -n 's/^User=//p' "$unit")
    chroot "$work/$1" setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs \
        sh -c "umask 077; cd /var/lib/zbroker && exec $line" >>"$work/$1.broker" 2>&1 &
    eval "broker_$1=$!"
    pids="$pids $!"
}

stop () {
    eval "pid=\$broker_$1"
    kill "$pid"
    #  It is another process's number soon.
    pids=$(for one in $pids; do [ "$one" = "$pid" ] || printf '%s ' "$one"; done)
    wait "$pid" || fail "the broker of $1 ended with $?"
}

in_sync () {
    in_root a zbroker check in-sync
}

#  Whose broker is active: a or b.
active () {
    [ "$(in_root a zbroker status --brokers tcp://127.0.0.1:5560 2>/dev/null | awk '$1 == "role" { print $2 }')" = active ] && echo a || echo b
}

if command -v lintian >/dev/null; then
    lintian --fail-on error "$debs"/*.deb || fail "lintian has errors"
    say "ok: lintian has no error"
else
    say "left out: lintian is not here"
fi

# ---------------------------------------------------------------------------
#  Two bare machines

for machine in a b; do
    [ -e "$work/$machine/etc/debian_version" ] && continue
    if [ "$machine" = a ]; then
        debootstrap --variant=minbase --include=systemd,util-linux bookworm "$work/a" >"$work/debootstrap.log" 2>&1 ||
            fail "debootstrap, see $work/debootstrap.log"
    else
        cp -a "$work/a" "$work/b"
    fi
done
#  What an earlier run has left.
rm -f "$work/lines" "$work/enough" "$work/oks" "$work/got"
for machine in a b; do
    rm -f "$work/$machine/systemctl.said"
    mount -t proc proc "$work/$machine/proc"
    cp /etc/resolv.conf "$work/$machine/etc/resolv.conf"
    #  Packages say something to systemd where this folder is.
    mkdir -p "$work/$machine/run/systemd/system"
    rm -f "$work/$machine/usr/sbin/policy-rc.d"
    in_root "$machine" dpkg-divert --quiet --rename --add /usr/bin/systemctl
    #  shellcheck disable=SC2016
    printf '#!/bin/sh\necho "$*" >>/systemctl.said\n' >"$work/$machine/usr/bin/systemctl"
    chmod +x "$work/$machine/usr/bin/systemctl"
    in_root "$machine" dpkg --purge zbroker libzbroker1 >>"$work/$machine.log" 2>&1 || fail "what is left on $machine can't be purged"
    in_root "$machine" apt-get -q update >>"$work/$machine.log" 2>&1
    in_root "$machine" sh -c 'find / -xdev \( -path /proc -o -path /debs -o -path "/var/*/apt*" -o -path "/var/lib/dpkg*" -o -path "/var/log*" \) \
        -prune -o -print' | sort >"$work/$machine.before"
done

# ---------------------------------------------------------------------------
#  Installed

install a "$earlier"
install b "$earlier"
start a
start b
until_so 60 "a pair in sync" in_sync
say "ok: a pair by the units' command lines, as $(in_root a stat -c %U /var/lib/zbroker)"

# ---------------------------------------------------------------------------
#  Upgraded, one machine after the other, while a program puts

in_root a zbroker queue create orders >/dev/null
mkfifo "$work/lines"
in_root a zbroker put --name upgrade --wait-for-room orders <"$work/lines" >"$work/oks" 2>"$work/put.log" &
put=$!
(
    exec >"$work/lines"
    number=0
    while [ ! -e "$work/enough" ]; do
        number=$((number + 1))
        echo "$number"
        sleep 0.01
    done
) &
first=$(active)
[ "$first" = a ] && order="b a" || order="a b"
for machine in $order; do
    if [ "$(active)" = "$machine" ]; then
        in_root "$machine" zbroker switchover --config /etc/zbroker/zbroker.conf >/dev/null
    fi
    install "$machine" "$debs"
    stop "$machine"
    start "$machine"
    until_so 120 "the pair in sync after $machine" in_sync
    say "ok: $machine was upgraded"
    for unit in "zbroker@$(role "$machine").service" zbroker-witness.service; do
        in_root "$machine" systemd-analyze verify --man=no "$unit" 2>&1 | grep zbroker && fail "$unit is not as systemd wants it"
        exposed=$(in_root "$machine" systemd-analyze security --offline=true --no-pager "$unit" | sed -n 's/.*exposure level for .*: \([0-9.]*\).*/\1/p')
        echo "$exposed" | awk '{ exit !($1 != "" && $1 <= 2.0) }' || fail "$unit is exposed: $exposed"
        say "ok: $unit on $machine, exposed $exposed"
    done
done
touch "$work/enough"
wait "$put" || fail "the program that puts: $(cat "$work/put.log")"
sent=$(grep -c '^OK' "$work/oks")
in_root a zbroker get --count "$sent" --wait 10000 orders >"$work/got"
seq "$sent" | cmp - "$work/got" || fail "of $sent messages not each one is there once, in order"
say "ok: $sent messages were put meanwhile, each is there once, in order; no error"
for machine in a b; do
    grep -qx -- '--system daemon-reload' "$work/$machine/systemctl.said" || fail "systemd on $machine doesn't read the new units"
    grep -E '^(stop|start|restart|try-restart) ' "$work/$machine/systemctl.said" && fail "an upgrade ends or starts what the operator has to, on $machine"
    say "ok: $machine says to systemd: $(sort "$work/$machine/systemctl.said" | uniq -c | tr -s '\n ' '; ')"
done

# ---------------------------------------------------------------------------
#  Purged

stop a
stop b
for machine in a b; do
    in_root "$machine" apt-get -q -y purge zbroker libzbroker1 >>"$work/$machine.log" 2>&1 || fail "purge on $machine"
    grep -qx 'stop zbroker@\*.service zbroker-witness.service' "$work/$machine/systemctl.said" || fail "what runs on $machine is not stopped"
    #  What was installed for it stays until autoremove.
    left=$(in_root "$machine" sh -c 'find / -xdev \( -path /proc -o -path /debs -o -path "/var/*/apt*" -o -path "/var/lib/dpkg*" -o -path "/var/log*" \) \
        -prune -o -print' | sort | comm -13 "$work/$machine.before" - | grep zbroker || true)
    [ -z "$left" ] || fail "purge has left on $machine: $left"
done
say "ok: purged, and nothing is left"
say "the packages do what they should"
