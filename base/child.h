/* child.h: killable child processes that answer in frames. The parent keeps what must survive (the
 * database); the child does what may hang or die (compilers, drivers, kernels).
 *
 * A child is this same program started as `hone @child NAME` with a socket at descriptor 3. A frame
 * is a 4-byte little-endian length and that many bytes (one JSON document, at most 64 MiB). The
 * program's path is $HONE_PROGRAM when set (tests), else /proc/self/exe. The child dies with its
 * parent (PR_SET_PDEATHSIG). What it writes to stderr is kept (the last 4 KiB) for messages. */
#pragma once
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHILD_FD = 3 };

/* Whether this program has children: only hone (or what $HONE_PROGRAM names) answers as one. Any
 * other program that links this, such as a test, would run its own main there, and start children
 * of its own. */
bool child_is_possible(void);

struct child;
/* Start `hone @child NAME`. IO: the system has no process or descriptor left. A program that does not run shows
 * as CRASHED at the first frame. The caller closes *out. */
enum status child_open(const char *name, struct child **out, struct error *err);
/* The same of another program that knows the name, another version of this one; NULL: as above. */
enum status child_open_program(const char *program, const char *name, struct child **out,
                               struct error *err);
void child_close(struct child *child); /* SIGTERM, 200 ms, SIGKILL, reaped; NULL is fine */

/* Send one frame. CRASHED when the child is gone. */
enum status child_send(struct child *child, const void *bytes, size_t size, struct error *err);
/* Wait for one frame until deadline_ns from now (<= 0: for ever). *bytes is NUL-terminated, caller
 * frees. TIMEOUT: the child still lives, the caller kills it by child_close. CRASHED: how it died
 * ("killed by signal 11") and the end of its stderr. INTERRUPTED only when *interrupt (may be NULL)
 * becomes non-zero while waiting. */
enum status child_receive(struct child *child, int64_t deadline_ns, char **bytes, size_t *size,
                          const volatile int *interrupt, struct error *err);

/* Would child_receive have something at once: a frame that has begun, or how the child ended? */
bool child_has_frame(struct child *child);
/* Stop it and all that it started where they are, or let them go on. */
void child_pause(struct child *child, bool is_paused);

/* On the child's side: frames on descriptor 3. IO at end of file: the parent is gone, exit quietly. */
enum status child_side_receive(char **bytes, size_t *size, struct error *err);
enum status child_side_send(const void *bytes, size_t size, struct error *err);
