/* reach.h: how much of the host's last-level cache this process really has. */
#pragma once
#include <stddef.h>

/* Half as much again as the bytes from which on reading again and again goes no faster than reading `most` bytes, by all
 * processors together: `most` itself when that is not so anywhere below, or when there is no memory to try with. A virtual
 * machine is told of the whole cache of its host and may get a part: of 480 MiB a hundred, on one seen.
 * The best of several times counts; takes half a second. */
size_t reach_measure(size_t most);
/* The same, measured once a boot of this machine, then kept in the cache folder. Not for two threads at once. */
size_t reach_known(const char *machine, size_t most);

/* The rule alone, for tests: bytes[n] ascending, gbps[n] beside; the last is memory. */
size_t reach_choose(const size_t *bytes, const double *gbps, size_t n);
