/* test_child.c: children that answer, hang, crash and babble. The program is a shell script that
 * plays the part its second argument names. */
#include "base/child.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char script[] =
    "#!/bin/sh\n"
    "[ \"$1\" = @child ] || exit 99\n"
    "case $2 in\n"
    "echo) exec cat <&3 >&3 ;;\n"
    "hang) exec sleep 60 ;;\n"
    "stubborn) trap '' TERM; echo $$ > \"$HONE_TEST_PID\"; while :; do sleep 60; done ;;\n"
    "family) sleep 60 & echo $! > \"$HONE_TEST_PID\"; exit 3 ;;\n"
    "crash) echo 'about to fall' >&2; kill -SEGV $$ ;;\n"
    "exit) echo 'no such device' >&2; exit 7 ;;\n"
    "babble) head -c 200000 /dev/zero | tr '\\0' x >&2; printf '\\nthe end\\n' >&2; exit 1 ;;\n"
    "large) printf '\\000\\000\\020\\000' >&3; head -c 1048576 /dev/zero | tr '\\0' y >&3; exec "
    "sleep 60 ;;\n"
    "huge) printf '\\377\\377\\377\\377' >&3; exec sleep 60 ;;\n"
    "half) printf '\\012\\000\\000\\000abc' >&3 ;;\n"
    "slow) sleep 0.3; printf '\\002\\000\\000\\000' >&3; sleep 0.3; printf ok >&3; exec sleep 60 "
    ";;\n"
    "deaf) exec 2>&-; sleep 0.5; printf '\\000\\000\\000\\000' >&3; exec sleep 60 ;;\n"
    "esac\n";

static const int64_t second_ns = 1000000000;

static struct child *start(const char *part) {
    char *program = text_format("%s/program", test_folder());
    struct error err = {0};
    struct child *child = NULL;
    cr_assert(path_write(program, script, sizeof script - 1, &err) == OK, "%s", err.text);
    cr_assert(chmod(program, 0700) == 0);
    setenv("HONE_PROGRAM", program, 1);
    cr_assert(child_open(part, &child, &err) == OK, "%s", err.text);
    free(program);
    return child;
}

/* The child's answer within 20 s must fail this way; its sentence holds these words. */
static void check_receive_fails(const char *part, enum status expected, const char *words) {
    struct child *child = start(part);
    struct error err = {0};
    char *bytes = (char *)1;
    size_t size = 0;
    const enum status status = child_receive(child, 20 * second_ns, &bytes, &size, NULL, &err);
    cr_assert(status == expected && err.status == expected, "%s: %s, %s", part, status_name(status),
              err.text);
    cr_assert(bytes == NULL);
    cr_assert(strstr(err.text, words) != NULL, "'%s' is not in: %s", words, err.text);
    cr_assert(strstr(err.text, part) != NULL, "the sentence names the child: %s", err.text);
    child_close(child);
}

static void wait_for_file(const char *file) {
    struct stat info;
    for (int i = 0; i < 1000 && (stat(file, &info) != 0 || info.st_size == 0); i++)
        clock_sleep_ns(second_ns / 100);
}

/* Is the process whose number stands in the file gone (or dead and waiting for its parent) in time? */
static bool is_dead(const char *file) {
    char *text = NULL;
    size_t size = 0;
    cr_assert(path_read(file, 100, &text, &size, NULL) == OK);
    char *stat_file = text_format("/proc/%ld/stat", strtol(text, NULL, 10)), state = 0;
    free(text);
    for (int i = 0; i < 300; i++) {
        FILE *process = fopen(stat_file, "re");
        if (!process) break;
        if (fscanf(process, "%*d (%*[^)]) %c", &state) != 1) state = 'X';
        fclose(process);
        if (state == 'Z' || state == 'X') break;
        state = 'R';
        clock_sleep_ns(second_ns / 100);
    }
    free(stat_file);
    return state != 'R';
}

Test(child, frames_come_back, .timeout = 60) {
    struct child *child = start("echo");
    struct error err = {0};
    for (size_t size = 0; size < 60000; size = size * 3 + 1) {
        char *sent = memory_new(size + 1), *got = NULL;
        for (size_t i = 0; i < size; i++) sent[i] = (char)(i * 7);
        size_t got_size = 99;
        cr_assert(child_send(child, sent, size, &err) == OK, "%s", err.text);
        cr_assert(child_receive(child, 20 * second_ns, &got, &got_size, NULL, &err) == OK, "%s",
                  err.text);
        cr_assert(got_size == size && !memcmp(got, sent, size) && got[size] == 0);
        free(sent);
        free(got);
    }
    child_close(child);
}

Test(child, two_frames_stay_two, .timeout = 60) {
    struct child *child = start("echo");
    char *first = NULL, *second = NULL;
    size_t size = 0;
    cr_assert(child_send(child, "one", 3, NULL) == OK && child_send(child, "two!", 4, NULL) == OK);
    cr_assert(child_receive(child, 0, &first, &size, NULL, NULL) == OK);
    cr_assert_str_eq(first, "one");
    cr_assert(child_receive(child, 0, &second, &size, NULL, NULL) == OK);
    cr_assert_str_eq(second, "two!");
    free(first);
    free(second);
    child_close(child);
}

Test(child, large_and_slow_frames_arrive_whole, .timeout = 60) {
    static const struct {
        const char *part;
        size_t size;
    } cases[] = {{"large", 1048576}, {"slow", 2}, {"deaf", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct child *child = start(cases[i].part);
        struct error err = {0};
        char *bytes = NULL;
        size_t size = 99;
        cr_assert(child_receive(child, 20 * second_ns, &bytes, &size, NULL, &err) == OK, "%s",
                  err.text);
        cr_assert(size == cases[i].size && strlen(bytes) == size);
        free(bytes);
        child_close(child);
    }
}

Test(child, hanging_is_a_timeout_and_close_ends_it, .timeout = 60) {
    struct child *child = start("hang");
    struct error err = {0};
    char *bytes = (char *)1;
    size_t size = 0;
    const int64_t start_ns = clock_now_ns();
    cr_assert(child_receive(child, second_ns / 5, &bytes, &size, NULL, &err) == STATUS_TIMEOUT);
    const int64_t took_ns = clock_now_ns() - start_ns;
    cr_assert(took_ns >= second_ns / 5 && took_ns < 5 * second_ns, "%lld ns", (long long)took_ns);
    cr_assert(bytes == NULL);
    child_close(child);
    cr_assert(waitpid(-1, NULL, WNOHANG) < 0, "the child was reaped");
}

Test(child, close_kills_who_ignores_the_polite_signal, .timeout = 60) {
    char *file = text_format("%s/pid", test_folder());
    setenv("HONE_TEST_PID", file, 1);
    struct child *child = start("stubborn");
    wait_for_file(file);
    const int64_t start_ns = clock_now_ns();
    child_close(child);
    cr_assert(clock_now_ns() - start_ns < 10 * second_ns);
    cr_assert(is_dead(file));
    free(file);
}

Test(child, what_a_child_started_ends_with_it, .timeout = 60) {
    char *file = text_format("%s/pid", test_folder());
    setenv("HONE_TEST_PID", file, 1);
    check_receive_fails("family", STATUS_CRASHED, "exited with code 3");
    cr_assert(is_dead(file));
    free(file);
}

Test(child, a_crash_says_its_signal_and_last_words, .timeout = 60) {
    check_receive_fails("crash", STATUS_CRASHED, "killed by signal 11");
    check_receive_fails("crash", STATUS_CRASHED, "about to fall");
}

Test(child, an_exit_says_its_code_and_last_words, .timeout = 60) {
    check_receive_fails("exit", STATUS_CRASHED, "exited with code 7");
    check_receive_fails("exit", STATUS_CRASHED, "no such device");
}

Test(child, only_the_end_of_long_errors_is_kept, .timeout = 60) {
    check_receive_fails("babble", STATUS_CRASHED, "xxxx");
}

Test(child, broken_frames_are_crashes, .timeout = 60) {
    check_receive_fails("half", STATUS_CRASHED, "exited with code 0");
    check_receive_fails("huge", STATUS_CRASHED, "4294967295");
}

Test(child, a_program_that_cannot_start_is_named, .timeout = 60) {
    setenv("HONE_PROGRAM", "/no/such/program", 1);
    struct child *child = NULL;
    struct error err = {0};
    char *bytes = NULL;
    size_t size = 0;
    cr_assert(child_open("worker", &child, &err) == OK);
    cr_assert(child_receive(child, 20 * second_ns, &bytes, &size, NULL, &err) == STATUS_CRASHED);
    cr_assert(strstr(err.text, "/no/such/program") != NULL, "%s", err.text);
    child_close(child);
}

Test(child, killed_while_it_works, .timeout = 60) {
    char *file = text_format("%s/pid", test_folder()), *text = NULL, *bytes = NULL;
    setenv("HONE_TEST_PID", file, 1);
    struct child *child = start("stubborn");
    struct error err = {0};
    size_t size = 0;
    wait_for_file(file);
    cr_assert(path_read(file, 100, &text, &size, NULL) == OK);
    cr_assert(kill((pid_t)strtol(text, NULL, 10), SIGKILL) == 0);
    cr_assert(child_receive(child, 20 * second_ns, &bytes, &size, NULL, &err) == STATUS_CRASHED);
    cr_assert(strstr(err.text, "killed by signal 9") != NULL, "%s", err.text);
    cr_assert(child_send(child, "x", 1, &err) == STATUS_CRASHED, "sending to the dead fails");
    child_close(child);
    free(text);
    free(file);
}

static bool has_frame_within(struct child *child, int64_t ns) {
    const int64_t end = clock_now_ns() + ns;
    while (!child_has_frame(child) && clock_now_ns() < end) clock_sleep_ns(2000000);
    return child_has_frame(child);
}

Test(child, a_pause_is_a_pause, .timeout = 60) {
    struct child *child = start("echo");
    struct error err = {0};
    char *bytes = NULL;
    size_t size = 0;
    child_pause(child, true);
    cr_assert(child_send(child, "again", 5, &err) == OK, "%s", err.text);
    cr_assert_not(has_frame_within(child, second_ns / 5), "it went on");
    child_pause(child, false);
    cr_assert(has_frame_within(child, 20 * second_ns));
    cr_assert(child_receive(child, 20 * second_ns, &bytes, &size, NULL, &err) == OK);
    cr_assert_str_eq(bytes, "again");
    free(bytes);
    child_pause(child, true);
    child_close(child); /* stopped as it is */
    child = start("crash");
    cr_assert(has_frame_within(child, 20 * second_ns), "an end is something to receive");
    child_close(child);
}

Test(child, waiting_can_be_interrupted, .timeout = 60) {
    struct child *child = start("hang");
    const volatile int interrupt = 1;
    char *bytes = NULL;
    size_t size = 0;
    cr_assert(child_receive(child, 0, &bytes, &size, &interrupt, NULL) == STATUS_INTERRUPTED);
    child_close(child);
    child_close(NULL);
}

/* The other side, in a forked process whose descriptor 3 is one end of a socket. */
Test(child, the_childs_side_speaks_the_same_frames, .timeout = 60) {
    int ends[2];
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
        char *bytes = NULL;
        size_t size = 0;
        close(ends[0]);
        dup2(ends[1], CHILD_FD);
        if (ends[1] != CHILD_FD) close(ends[1]);
        if (child_side_receive(&bytes, &size, NULL) != OK) _exit(1);
        if (child_side_send(bytes, size, NULL) != OK) _exit(2);
        if (child_side_receive(&bytes, &size, NULL) != STATUS_IO) _exit(3);
        _exit(0);
    }
    close(ends[1]);
    char answer[9] = "";
    cr_assert(send(ends[0], "\5\0\0\0hello", 9, 0) == 9);
    cr_assert(recv(ends[0], answer, 9, MSG_WAITALL) == 9);
    cr_assert(!memcmp(answer, "\5\0\0\0hello", 9));
    close(ends[0]);
    int how = -1;
    cr_assert(waitpid(pid, &how, 0) == pid && how == 0, "the child's side ended with %x", how);
}
