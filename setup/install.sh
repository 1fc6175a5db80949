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

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        say "missing:$missing"
        say "there is no sudo here: run as root 'apt-get update && apt-get install$missing', then again"
        exit 1
    fi
    as_root=sudo
fi

apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Acquire::Retries=3 \
        -o DPkg::Lock::Timeout=120 -o APT::Update::Error-Mode=any "$@" >&2
}

update() {
    for attempt in 1 2 3; do
        say "updating the package lists"
        if apt update; then return 0; fi
        [ "$attempt" = 3 ] || sleep $((attempt * 3))
    done
    return 1
}

have_lists() { ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; }

install() { apt install --no-install-recommends $missing; }

say "missing:$missing"
updated=no
if ! have_lists; then
    update && updated=yes || say "the package lists cannot be fetched"
fi
# Lists that are there may be too old for what the mirror holds: one update, one more try.
if install || { [ "$updated" = no ] && update && install; }; then
    missing=$(missing_packages)
    [ -n "$missing" ] || { say "done"; exit 0; }
fi
say "could not install:$missing"
say "is the network there, and may this machine reach the mirrors of /etc/apt/sources.list*?"
exit 1
