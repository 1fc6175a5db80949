/* status.h: how things fail. One list of codes, one struct that carries the sentence, one function
 * that fails. A bug asserts; a bad candidate is a recorded result; a failing environment is a
 * status that travels to main. */
#pragma once

/* name, exit code of the program; what it means */
#define STATUS_MAP(XX)                                                                             \
    XX(NOMEM, 1)         /* out of memory */                                                       \
    XX(IO, 1)            /* input or output failed */                                              \
    XX(INVALID, 1)       /* the input is not valid */                                              \
    XX(UNSUPPORTED, 1)   /* not supported here */                                                  \
    XX(BUILD, 1)         /* the kernel does not compile */                                         \
    XX(LAUNCH, 1)        /* the device refuses the launch */                                       \
    XX(WRONG, 1)         /* the numbers differ from the reference */                               \
    XX(SLOW, 1)          /* it is slower than it was */                                            \
    XX(TIMEOUT, 1)       /* the deadline passed */                                                 \
    XX(CRASHED, 1)       /* the worker process died */                                             \
    XX(DB, 1)            /* the database cannot be used */                                         \
    XX(BUSY, 1)          /* somebody else is using it */                                           \
    XX(USAGE, 2)         /* the command line is not understood */                                  \
    XX(INCONCLUSIVE, 3)  /* the measurement is inconclusive */                                     \
    XX(NOTHING, 4)       /* there is nothing to compare with */                                    \
    XX(DEVICE, 5)        /* the device is lost */                                                  \
    XX(INTERRUPTED, 130) /* interrupted */

enum status {
    OK = 0,
#define XX(name, exit_code) STATUS_##name,
    STATUS_MAP(XX)
#undef XX
};

/* The sentence of the last failure: what was being done, to which object, what to try. */
struct error {
    enum status status;
    char text[2000]; /* one sentence, or a sentence and a build log; no newline at the end */
};

/* Record the failure in err (which may be NULL) and return status. The only place where failures
 * are born, hence the place for a breakpoint. */
enum status fail(struct error *err, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "what: " before the sentence that err holds already; returns err->status. */
enum status fail_while(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__ /* sees one file at a time: told here that neither ever returns OK */
#define fail(...) (fail(__VA_ARGS__) ?: STATUS_INVALID)
#define fail_while(...) (fail_while(__VA_ARGS__) ?: STATUS_INVALID)
#endif

const char *status_name(enum status status); /* "NOMEM" … , "OK" */
int status_exit_code(enum status status);    /* the second column; 0 for OK */
