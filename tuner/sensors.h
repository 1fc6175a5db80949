/* sensors.h: what the system tells of a CPU's clock, power and throttling while something is measured. Linux'
 * sysfs; a machine (a virtual one, most often) that does not tell leaves them unknown. OpenCL tells nothing. */
#pragma once
#include <stdint.h>

struct sensors {
    double clock_mhz;     /* median over the processors; NAN: unknown */
    double energy_j;      /* of the packages since some start; NAN: unknown */
    double energy_wrap_j; /* where that starts again at 0 */
    int64_t throttles;    /* times that cores were slowed down by heat since boot; −1: unknown */
    int64_t at_ns;
};
/* root: where sysfs is mounted, "/sys". */
void sensors_read(const char *root, struct sensors *out);

/* Between two readings. */
struct sensors_between {
    double clock_mhz;  /* of the later one */
    double power_w;    /* NAN: unknown */
    int64_t throttles; /* −1: unknown */
};
struct sensors_between sensors_since(const struct sensors *before, const struct sensors *after);
