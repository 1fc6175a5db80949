/* interrupt.c: the first Ctrl-C asks, the second does. */
#include "cli/cli.h"
#include <signal.h>
#include <unistd.h>

volatile int interrupted;

static void on_signal(int signal_number) {
    (void)signal_number;
    if (interrupted++) _exit(130);
}

void interrupts_catch(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}
