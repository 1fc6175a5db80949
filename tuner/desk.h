/* desk.h: what a worker keeps between requests: its device, the canary and the ceilings, programs and cases (inputs
 * on the device): the same configuration at another n needs no compilation, the same problem no filling. */
#pragma once
#include "tuner/frames.h"
#include "tuner/measure.h"
#include "tuner/sensors.h"

/* Enough that all finalists of one request fit, each with its ragged relative. */
enum { OPS_KEPT = 2 * WORKS_MOST, CASES_KEPT = 2 * WORKS_MOST };

struct kept_op {
    struct op *op;
    struct config config;
    struct problem problem;
    bool is_phase;
    uint64_t used;
};
struct kept_case {
    struct check_case *c;
    uint64_t used;
    bool is_in_use; /* by the request under way */
};
struct desk {
    struct device *device;
    struct timer timer;
    struct canary *canary;
    double settled_ns;
    struct track {
        struct problem problem; /* the last that was raced, in any layout … */
        double behind_ns;       /* … the least that the canary took behind its kernels … */
        double part_behind_ns;  /* … and behind parts of them */
        double whole_ns,
            part_ns; /* of the fastest that was right as a whole and ran as a part, too */
    } track;
    struct ceilings *ceilings;
    struct kept_op ops[OPS_KEPT];
    struct kept_case cases[CASES_KEPT];
    struct arena_pool *pool; /* of the cases */
    uint64_t tick;
    struct sensors sensors; /* before the samples */
};

/* hello: the parent's first frame. A desk that is all zero is closed, as one that failed to open may be. */
enum status desk_open(struct desk *desk, const json_t *hello, struct error *err);
void desk_close(struct desk *desk);
/* A request begins: what the one before had in use may go. */
void desk_begin(struct desk *desk);
/* Before everything that may hang or die the parent is told. hint_ns: how long it may take; NAN: nothing to say. */
void desk_tell_stage(enum stage_id stage, double hint_ns);

/* The program of a configuration (as_phase: of it as a phase), and a problem's inputs with so many copies of the weights:
 * one that is kept, or a new one in the place of those that were not used for longest. The desk's own. What they fail
 * with is op_open's and check_open_in's. */
enum status desk_op(struct desk *desk, const struct config *config, const struct problem *problem,
                    bool as_phase, struct op **out, struct error *err);
enum status desk_case(struct desk *desk, const struct problem *problem, uint64_t seed, int copies,
                      struct check_case **out, struct error *err);
/* The request needs that case no more. */
void desk_release(struct desk *desk, const struct check_case *c);
/* What is right does not depend on the layout: whoever was judged first knows. */
void desk_share_reference(struct desk *desk, struct check_case *c);
/* The track is this problem's from now on; with another one than before it is empty. */
void desk_keep_track(struct desk *desk, const struct problem *problem);

/* Copies of the weights that a work's runs rotate over, and what they go round in. */
int desk_copies(const struct desk *desk, const struct work *work);
size_t desk_set_bytes(const struct desk *desk, const struct work *work);
/* Are the processors, of which the system tells, the device? */
bool desk_has_sensors(const struct desk *desk);
