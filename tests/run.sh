#!/bin/sh
# run.sh BUILD: run every test program, one after the other (they time things), and add up. At the end, the
# kernels once more in a simulator (oclgrind.sh), and what failed once more.
set -u
build=$(cd "$1" && pwd) || exit 1
root=$(cd "$(dirname "$0")/.." && pwd)
export HONE_PROGRAM="$build/hone" HONE_TEST_DATA="${HONE_TEST_DATA:-$root/../shared/data}"

# Tests never touch the user's database or caches; compiled kernels are kept between runs, below the build.
# The model is the one that setup/model.sh keeps.
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP
case ${XDG_CACHE_HOME:-} in
/*) models=$XDG_CACHE_HOME/hone/models ;;
*) models=${HOME:?is not set}/.cache/hone/models ;;
esac
unset HONE_DB
# PoCL's cache does not follow tests into the empty cache folders that they make: it would compile the same
# kernels again for each.
export XDG_DATA_HOME="$scratch" XDG_CACHE_HOME="$build/cache" POCL_CACHE_DIR="$build/cache/pocl"
mkdir -p "$POCL_CACHE_DIR"
mkdir -p "$XDG_CACHE_HOME/hone" && ln -sfn "$models" "$XDG_CACHE_HOME/hone/models" || exit 1

passed=0 failed=0 skipped=0 failures=
number() { printf '%s' "$line" | sed -n "s/.*$1: \([0-9]*\).*/\1/p"; }
# The lines of what was printed that tell why; else the last ones.
why_failed() {
    printf '%s\n' "$1" | grep -E '^\[(FAIL|----)' | grep -v ' Criterion v' | head -n 12 | grep . ||
        printf '%s\n' "$1" | tail -n 5
}
for program in $(find "$build/tests" -name 'test_*' -type f -perm -u+x | sort); do
    name=${program#"$build/tests/"}
    start=$(date +%s)
    # A test a variant, no times: minutes of compiling, on all processors.
    case $name in kernels/test_families) jobs=$(nproc) ;; *) jobs=1 ;; esac
    output=$("$program" --verbose=0 "-j$jobs" --timeout 600 2>&1)
    status=$?
    line=$(printf '%s\n' "$output" | grep 'Synthesis' | tail -n 1)
    p=$(number Passing) bad=$(number Failing)
    s=$(printf '%s\n' "$output" | grep -c '^\[SKIP\]')
    bad=${bad:-0}
    [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    passed=$((passed + ${p:-0})) failed=$((failed + bad)) skipped=$((skipped + s))
    printf '%-36s %3s passed %3s failed %3s skipped  %4s s\n' "$name" "${p:-0}" "$bad" "$s" "$(($(date +%s) - start))"
    if [ "$bad" -ne 0 ]; then
        printf '%s\n' "$output"
        failures="$failures
$name (exit status $status)
$(why_failed "$output")"
    fi
    # What tests say of how much they covered, and why some were skipped, each reason once.
    printf '%s\n' "$output" | grep -vE '^\[(RUN |PASS|FAIL)' | grep -E '(^|: )checked ' | head -n 20
    printf '%s\n' "$output" | sed -n 's/^\[SKIP\] [^ ]*: /    skipped: /p' | sort -u | head -n 3
done
start=$(date +%s)
output=$(sh "$root/tests/oclgrind.sh" "$build" 2>&1)
status=$?
printf '%s\n' "$output"
if [ "$status" -eq 0 ]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    failures="$failures
oclgrind
$(why_failed "$output")"
fi
printf '%-36s %41s s\n' oclgrind "$(($(date +%s) - start))"
# Once more what failed: who reads the end of a long log sees it there.
[ -z "$failures" ] || printf '\nfailed:%s\n\n' "$failures"
printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
