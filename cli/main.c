/* main.c: the program: finds the subcommand, prints its error, exits. Nothing else exits. */
#include "base/log.h"
#include "cli/cli.h"
#include "device/device.h"
#include "runtime/engine.h"
#include "tuner/builders.h"
#include "tuner/gate_child.h"
#include "tuner/rival.h"
#include "tuner/worker.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name, *summary;
    enum status (*run)(int argc, const char **argv, struct error *err);
} commands[] = {
#define COMMAND(name, summary) {#name, summary, command_##name},
#include "cli/commands.def"
#undef COMMAND
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* Processes that may hang or die; started as `hone @child NAME` by base/child.c. */
static const struct {
    const char *name;
    int (*run)(void);
} children[] = {
    {"devices", device_listing_child},  {"library", device_library_child},
    {"features", device_feature_child}, {"worker", worker_child},
    {"recorded", recorded_child},       {"rival", rival_child},
    {"check", engine_check_child},      {"gate", gate_child},
    {"builder", builder_child},
};

static void print_help(FILE *out) {
    fputs("hone measures every way its OpenCL kernels could run on this device, keeps what it "
          "learns\n"
          "in one SQLite file, and runs LLaMA models with the winners.\n\n"
          "  hone tune --family gemv_q4,gemm --problem m=12288,k=4096,n=1..256*2 --budget 60s\n"
          "  hone bench --family gemm --problem m=12288,k=4096,n=32 --rivals clblast,openblas\n"
          "  hone chat -m model.gguf\n\n"
          "Commands (hone COMMAND --help says more):\n",
          out);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].summary);
    fputs("\nExit codes: 0 ok, 1 failed, 2 usage, 3 inconclusive, 4 nothing to compare with,\n"
          "5 device lost, 130 interrupted.\n",
          out);
}

static const struct command *find_command(const char *name, struct error *err) {
    const char *names[COMMANDS + 1] = {NULL};
    for (int i = 0; i < COMMANDS; i++) {
        if (!strcmp(commands[i].name, name)) return &commands[i];
        names[i] = commands[i].name;
    }
    const char *near = nearest_name(name, names);
    fail(err, STATUS_USAGE, "there is no command '%s'%s%s%s: see hone --help", name,
         near ? "; did you mean '" : "", near ? near : "", near ? "'" : "");
    return NULL;
}

static int run_child(const char *name) {
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof children / sizeof *children; i++)
        if (name && !strcmp(children[i].name, name)) return children[i].run();
    return 2;
}

static int report(enum status status, const struct error *err) {
    if (status == OK) return 0;
    log_progress_done();
    fflush(stdout);
    if (err->text[0]) fprintf(stderr, "hone: %s\n", err->text);
    return status_exit_code(status);
}

static bool is_one_of(const char *text, const char *const *list) {
    for (; *list; list++)
        if (!strcmp(text, *list)) return true;
    return false;
}

int main(int argc, char **argv) {
    static char help_option[] = "--help";
    if (argc >= 2 && !strcmp(argv[1], "@child")) return run_child(argc > 2 ? argv[2] : NULL);
    struct error err = {OK, ""};
    interrupts_catch();
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (!strcmp(argv[1], "help") && argc > 2) { /* hone help tune: as hone tune --help */
        argv[1] = argv[2];
        argv[2] = help_option;
        argc = 3;
    } else if (is_one_of(argv[1], (const char *const[]){"--help", "-h", "help", NULL})) {
        print_help(stdout);
        return report(out_flush(&err), &err);
    }
    if (is_one_of(argv[1], (const char *const[]){"--version", "-v", "-V", NULL})) {
        enum status status = out_printf(&err, "hone %s\n", HONE_VERSION);
        if (status == OK) status = out_flush(&err);
        return report(status, &err);
    }
    const struct command *command = find_command(argv[1], &err);
    if (!command) return report(STATUS_USAGE, &err);
    enum status status = command->run(argc - 1, (const char **)argv + 1, &err);
    struct error flush_error = {OK, ""};
    if (status == OK && (status = out_flush(&flush_error)) != OK) err = flush_error;
    return report(status, &err);
}
