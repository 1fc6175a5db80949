#!/bin/sh
# check.sh: what can be said of the code without running it: format, who may include whom, shell scripts,
# clang-tidy (.clang-tidy), cppcheck. All parts run; it fails when one of them finds something.
set -u
cd "$(dirname "$0")/.." || exit 1
jobs=$(nproc)
# Debian 12's, should others come first: formats and findings differ between versions.
clang_format=$(command -v clang-format-14 || echo clang-format)
clang_tidy=$(command -v clang-tidy-14 || echo clang-tidy)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

say() { echo "check: $*"; }

# ---- the files, and the flags that the Makefile compiles them with ----

# Tracked files, and new ones that git does not ignore.
list_files() {
    git ls-files -c -o --exclude-standard -- "$@" | sort -u | while read -r file; do
        [ ! -f "$file" ] || echo "$file"
    done
}

list_files '*.c' >"$work/c"
list_files '*.c' '*.h' '*.cc' >"$work/c_h"
list_files '*.sh' .ci/run >"$work/scripts"
list_files '*.c' '*.h' '*.cc' '*.def' '*.cl' '*.clh' '*.sh' '*.sql' '*.gp' >"$work/sources"
flags=$("${MAKE:-make}" -s --no-print-directory flags)
if [ ! -s "$work/c" ] || [ -z "$flags" ]; then
    say "this must be a git checkout in which 'make flags' works"
    exit 1
fi

# ---- the rules of the rooms, as tables ----

# A room, and the rooms that it may include besides itself. Each row names only rooms above it, so that
# there can be no cycle. A test may include everything.
rooms='
base
device   base
results  base
kernels  device base
tuner    kernels results device base
runtime  kernels results device base
cli      tuner runtime/engine.h kernels results device base
examples kernels/hone_reference.h
'

# A header of somebody else, and where it may be included. Tests of a room may what the room may. What
# is not in this table must be libc.
foreign='
CL/             device/
device/opencl.h device/
sqlite3.h       results/ tests/
clblast         tuner/rival_
cblas.h         tuner/rival_
popt.h          cli/
pcre2.h         runtime/
jansson.h       device/ results/ tuner/ runtime/ cli/
zlib.h          device/ results/ tuner/ runtime/ cli/
criterion/      tests/
'
libc='assert complex ctype dirent dlfcn errno execinfo fcntl fenv float fnmatch ftw getopt glob inttypes langinfo
limits link locale malloc math netdb poll pthread pwd sched search semaphore setjmp signal spawn stdalign stdarg
stdatomic stdbool stddef stdint stdio stdlib string strings termios threads time unistd wchar wctype'

# What no line says, be it code or comment (an extended regular expression); where it may be said; what to say instead.
forbidden='
\<(v?sprintf|strcpy|strcat|gets|strtok)\(             ;            ; a call that knows the room it has
\<(ato[ifl]|atoll)\(                                  ;            ; strtol and its kin, which say where they ended
\<(system|popen)\(                                    ; tests/     ; base/child.h
\<s?rand\(                                            ;            ; base/rng.h
\<exit\(                                              ; cli/main.c ; a status that travels to main
\<(printf|puts|putchar|perror|v?fprintf|fput[sc])\(   ; base/ cli/ ; base/log.h, or a status that travels to main
\<typedef (struct|union|enum)\>                       ;            ; struct noun
^#if 0|\<(TODO|FIXME)\>                               ;            ; the code that is meant, or none
\<(cppcheck-suppress|NOLINT)[A-Za-z0-9,.():*/ -]*$   ;            ; the same, a semicolon, and the reason
'

# Lines "file:line: what is wrong" for includes that the tables do not allow.
check_includes() {
    xargs grep -nE '^[[:space:]]*#[[:space:]]*include' /dev/null |
        awk -v rooms="$rooms" -v foreign="$foreign" -v libc="$libc" '
        function within(file, places,    n, i, place) {
            n = split(places, place, " ")
            for (i = 1; i <= n; i++) if (index(file, place[i]) == 1) return 1
            return 0
        }
        function wrong(text) { printf "%s: %s\n", where, text; bad = 1 }
        BEGIN {
            n = split(rooms, row, "\n")
            for (i = 1; i <= n; i++) {
                m = split(row[i], word, " ")
                if (m == 0) continue
                may[word[1]] = " "
                for (j = 2; j <= m; j++) {
                    may[word[1]] = may[word[1]] word[j] (word[j] ~ /\// ? " " : "/ ")
                    split(word[j], part, "/")
                    if (!(part[1] in may) || part[1] == word[1]) {
                        printf "setup/check.sh: the row of %s names %s, which is not above it\n", word[1], part[1]
                        bad = 1
                    }
                }
            }
            n = split(foreign, row, "\n")
            for (i = 1; i <= n; i++) {
                m = split(row[i], word, " ")
                for (j = 2; j <= m; j++) places[word[1]] = places[word[1]] " " word[j]
            }
            n = split(libc, word, /[ \n]+/)
            for (i = 1; i <= n; i++) is_libc[word[i] ".h"] = 1
        }
        {
            split($0, at, ":")
            file = at[1]; where = at[1] ":" at[2]
            if (!match($0, /[<"][^>"]+[>"]/)) next
            name = substr($0, RSTART + 1, RLENGTH - 2)
            is_ours = substr($0, RSTART, 1) == "\""
            asker = file
            is_test = sub(/^tests\//, "", asker)
            split(file, part, "/")
            room = part[1]
            for (header in places) if (index(name, header) == 1 && !within(asker, places[header]) &&
                                       !within(file, places[header]))
                wrong(name " is for" places[header] " only")
            if (is_ours) {
                split(name, part, "/")
                if (is_test || part[1] == room) next
                if (!(room in may)) wrong("there is no room " room " in the table of setup/check.sh")
                else if (!within(name, may[room])) wrong(room "/ may not include " name)
            } else if (name !~ /^sys\// && !(name in is_libc)) {
                for (header in places) if (index(name, header) == 1) next
                wrong(name " is neither of libc nor in the table of setup/check.sh")
            }
        }
        END { exit bad }'
}

# Lines "file:line: what is wrong" for words that the table forbids. Tests may say what any room may.
check_words() {
    words_bad=0
    while IFS=';' read -r pattern place instead; do
        pattern=$(echo "$pattern" | sed 's/ *$//')
        [ -n "$pattern" ] || continue
        xargs grep -nE "$pattern" /dev/null <"$work/c_h" | awk -v place="$place" -v instead="$instead" '
            {
                split($0, at, ":")
                text = substr($0, length(at[1] at[2]) + 3)
                if (at[1] ~ /^tests\// && place ~ /[a-z]/) next
                n = split(place, may, " ")
                for (i = 1; i <= n; i++) if (index(at[1], may[i]) == 1) next
                printf "%s:%s: instead of this:%s\n    %s\n", at[1], at[2], instead, text
                bad = 1
            }
            END { exit bad }' || words_bad=1
    done <<EOF
$forbidden
EOF
    return $words_bad
}

# Every file opens with what it is, behind "#!" and empty lines.
check_charters() {
    xargs awk '
        FNR == 1 { is_open = 0 }
        is_open || /^$/ || /^#!/ { next }
        {
            is_open = 1
            if (FILENAME ~ /\.(sh|gp)$/ ? /^# [^ ]/ : FILENAME ~ /\.sql$/ ? /^-- [^ ]/ : /^\/\* [^ ]/) next
            printf "%s:%s: it opens with no word on what it is\n", FILENAME, FNR
            bad = 1
        }
        END { exit bad }' <"$work/sources"
}

# ---- the parts: each prints its findings and fails when there are any ----

part_format() { xargs "$clang_format" --dry-run -Werror <"$work/c_h"; }

part_rooms() {
    rooms_bad=0
    check_includes <"$work/sources" || rooms_bad=1
    check_words || rooms_bad=1
    check_charters || rooms_bad=1
    return $rooms_bad
}

part_scripts() {
    scripts_bad=0
    while read -r script; do
        case $(head -n 1 "$script") in
        *bash*) bash -n "$script" || scripts_bad=1 ;;
        *) sh -n "$script" || scripts_bad=1 ;;
        esac
    done <"$work/scripts"
    xargs shellcheck -x <"$work/scripts" || scripts_bad=1
    return $scripts_bad
}

# One file a process: the analyser's memory of earlier files makes it see faults that are not there.
part_clang_tidy() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    flags="$flags" clang_tidy="$clang_tidy" xargs -P "$jobs" -n 1 sh -c '
        out=$("$clang_tidy" --quiet "$1" -- $flags 2>&1)
        status=$?
        [ "$status" = 0 ] || printf "%s\n" "$out" | grep -v "warnings\{0,1\} generated"
        exit "$status"' sh <"$work/c"
}

# Suppressed everywhere:
#   missingIncludeSystem   setup/cppcheck.cfg says what must be known of those
#   funcArgNamesDifferent  prototypes spell out what definitions abbreviate
#   invalidPointerCast     bytes of packed matrices are read as floats
#   variableScope          a table stands beside the steps that use it, even if one of them alone does
#   redundantContinue      while (…) continue; says that nothing is missing
#   readdirCalled          readdir_r is the deprecated one
#   shadow*                the compilers' -Wshadow knows what comes first
#   truncLongCast...       small ints are multiplied before they meet a long
# and what it is mostly wrong about: the first value of a variable taken for that behind a call that fills it
# or behind a loop, pointers to functions as members.
#   knownConditionTrueFalse constVariable invalidFunctionArg CastIntegerToAddressAtReturn unusedStructMember
suppressed='missingIncludeSystem funcArgNamesDifferent invalidPointerCast variableScope redundantContinue
readdirCalled shadowVariable shadowFunction truncLongCastAssignment
knownConditionTrueFalse constVariable invalidFunctionArg CastIntegerToAddressAtReturn unusedStructMember'
part_cppcheck() {
    options=$(for flag in $flags; do case $flag in -D* | -I*) echo "$flag" ;; esac; done
        for id in $suppressed; do echo "--suppress=$id"; done)
    # shellcheck disable=SC2086 # one word an option
    xargs cppcheck -q -j "$jobs" --std=c11 --platform=unix64 --library=posix,gnu,setup/cppcheck.cfg \
        --enable=warning,style,performance,portability --inline-suppr --error-exitcode=1 $options \
        --template='{file}:{line}: {severity}: {message} [{id}]' <"$work/c"
}

# ---- run them all ----

failed=
run_part() {
    start=$(date +%s)
    if output=$("part_$1" 2>&1); then
        say "$2: good ($(($(date +%s) - start)) s)"
    else
        failed="$failed $1"
        printf '%s\n' "$output"
        say "$2: FAILED ($(($(date +%s) - start)) s)${3:+; $3}"
    fi
}

say "$(wc -l <"$work/c_h" | tr -d ' ') C files, $(wc -l <"$work/scripts" | tr -d ' ') scripts, $jobs at a time"
run_part format "format" "clang-format -i FILE mends it"
run_part rooms "room rules" "the tables are in setup/check.sh"
run_part scripts "shell scripts"
run_part clang_tidy "clang-tidy" "what is asked for, and why, is in .clang-tidy"
run_part cppcheck "cppcheck"
[ -z "$failed" ] || { say "FAILED:$failed"; exit 1; }
say "all good"
