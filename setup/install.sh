#!/bin/sh
# install.sh: install what is missing of packages.debian, with sudo only when not root. Says one line
# and does nothing when all is there.
set -eu
cd "$(dirname "$0")/.."

say() { echo "install: $*" >&2; }

wanted=$(sed 's/#.*//' packages.debian | tr -s ' \n' ' ')
if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "this is not Debian: the counterparts of these packages must be there:$wanted"
    exit 0
fi

missing_packages() {
    for package in $wanted; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' ok installed$' ||
            printf ' %s' "$package"
    done
}

missing=$(missing_packages)
if [ -z "$missing" ]; then
    say "all Debian packages are there"
    exit 0
fi

say "missing:$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo true; then
        say "this user has no sudo: run as root 'apt-get update && apt-get install$missing', then this again"
        exit 1
    fi
    as_root=sudo
fi

apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Acquire::Retries=3 \
        -o DPkg::Lock::Timeout=120 -o APT::Update::Error-Mode=any "$@" >&2
}

updated=no
update() {
    updated=yes
    for attempt in 1 2 3; do
        say "updating the package lists"
        if apt update; then return 0; fi
        [ "$attempt" = 3 ] || sleep $((attempt * 3))
    done
    return 1
}

have_lists() { ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; }

# shellcheck disable=SC2086 # one word a package
install() { apt install --no-install-recommends $missing; }

# Lists that are there may be too old for what the mirror holds: one update, one more try.
if { have_lists || update; } && { install || { [ "$updated" = no ] && update && install; }; }; then
    missing=$(missing_packages)
    [ -n "$missing" ] || { say "done"; exit 0; }
fi
say "could not install$missing: is the network there, and do the mirrors of /etc/apt/sources.list* have them?"
exit 1
