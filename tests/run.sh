#!/bin/sh
# run.sh BUILD: run every test program, one after the other (they time things), and add up.
set -u
build=$1
root=$(cd "$(dirname "$0")/.." && pwd)
HONE_PROGRAM=$(cd "$build" && pwd)/hone
HONE_TEST_DATA=${HONE_TEST_DATA:-$root/../shared/data}
export HONE_PROGRAM HONE_TEST_DATA
# Tests never touch the user's database or caches; compiled kernels are kept between runs.
XDG_DATA_HOME=$(mktemp -d)
export XDG_DATA_HOME
trap 'rm -rf "$XDG_DATA_HOME"' EXIT
passed=0 failed=0 skipped=0
for program in $(find "$build/tests" -name 'test_*' -type f -perm -u+x | sort); do
    name=${program#"$build/tests/"}
    start=$(date +%s)
    output=$("$program" --verbose=0 -j1 --timeout 600 2>&1)
    status=$?
    line=$(printf '%s\n' "$output" | grep 'Synthesis' | tail -n 1)
    number() { printf '%s' "$line" | sed -n "s/.*$1: \([0-9]*\).*/\1/p"; }
    p=$(number Passing) f=$(number Failing) c=$(number Crashing) t=$(number Tested)
    s=$(printf '%s\n' "$output" | grep -c 'SKIP')
    passed=$((passed + ${p:-0})) skipped=$((skipped + s))
    bad=$((${f:-0} + ${c:-0}))
    [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    failed=$((failed + bad))
    printf '%-36s %3s passed %3s failed %3s skipped  %4s s\n' "$name" "${p:-0}" "$bad" "$s" "$(($(date +%s) - start))"
    [ "$bad" -ne 0 ] && printf '%s\n' "$output"
    printf '%s\n' "$output" | grep -E 'SKIP|checked' | head -n 20
done
printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
