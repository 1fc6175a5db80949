#!/bin/sh
# embed.sh "FILES WITH TEXT" "FILES WITH HASH ONLY": print the C table of base/embedded.h.
set -eu
hash() { cksum < "$1" | awk '{ printf "0x%08x%08xULL", $1, $2 }'; }
echo '#include "base/embedded.h"'
echo 'const struct embedded embedded_files[] = {'
for file in $1; do
    printf '{"%s",\n' "$file"
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$/\\n"/' "$file"
    printf ', %s},\n' "$(hash "$file")"
done
for file in $2; do printf '{"%s", 0, %s},\n' "$file" "$(hash "$file")"; done
echo '{0, 0, 0}};'
