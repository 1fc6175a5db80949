#!/bin/sh
# oclgrind.sh BUILD: the small problems of test_families on Oclgrind, a simulator of a device that sees what real
# ones hide: every access outside of a buffer (inputs end where their buffer ends), every data race.
# Prints what it found and a line about how much it looked at; fails when it found anything.
#
# Portable values only (no assembly). Attention stands apart: Oclgrind 21.10 lacks an intrinsic that `split`
# compiles to, and with rope=1 at n=1 one group writes the row's own K and V while others read that block, whose
# slot they mask: a race by design.
set -u
build=$(cd "$1" && pwd) || exit 1
program=$build/tests/kernels/test_families
export HONE_PROGRAM="${HONE_PROGRAM:-$build/hone}" HONE_TEST_SIMULATOR=1
if ! command -v oclgrind >/dev/null; then
    echo "oclgrind: not installed, nothing checked (packages.debian lists it)"
    exit 0
fi

output=$(HONE_TEST_EXCEPT=attention oclgrind --data-races "$program" -j2 --timeout 600 2>&1)
status=$?
naive=$(HONE_TEST_VARIANT="attention naive" oclgrind "$program" -j1 --timeout 600 2>&1) || status=1
flash=$(HONE_TEST_VARIANT="attention flash" oclgrind --data-races "$program" -j1 --timeout 600 2>&1) || status=1
output=$(printf '%s\n%s\n%s\n' "$output" "$naive" "$flash")

# What it complains of begins a line.
printf '%s\n' "$output" | grep -qE '^(Invalid|Read-write|Write-write|Work-group divergence|OCLGRIND)' && status=1
[ "$status" -ne 0 ] && printf '%s\n' "$output" | grep -v 'warning generated' | head -n 200
printf '%s\n' "$output" | sed -n 's/.*: checked \([0-9]*\) configurations.*, \([0-9]*\) runs$/\1 \2/p' |
    awk '{ c += $1; r += $2 } END { printf "oclgrind: checked %d configurations of %d variants, %d runs\n", c, NR, r }'
exit "$status"
