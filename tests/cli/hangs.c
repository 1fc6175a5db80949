/* hangs.c: a driver's library that never ends loading. */
#include <unistd.h>

__attribute__((constructor)) static void hang(void) {
    for (;;) pause();
}
