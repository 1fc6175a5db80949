/* reach.h: how much of the host's last-level cache this process really has. */
#pragma once
#include <stddef.h>

/* Bytes from which on reading again and again goes no faster than reading `most` bytes, by as many processors as
 * parallel_for takes together. `most` when 32 MiB are read no faster either: then the cache may hold all of it. A
 * virtual machine is told of the whole cache of its host and may get a part: of 480 MiB a hundred, on one seen.
 * The best of several times counts. Touches `most` bytes; half a second to two seconds at 30 GB/s. 0: no memory. */
size_t reach_measure(size_t most);
/* The same (most where there is no memory to try with), measured once a boot of this machine (any name of it), then
 * kept in the cache folder and in this process. Not for two threads at once. */
size_t reach_known(const char *machine, size_t most);

/* The rule alone: read_gbps tells how fast that many bytes are read again and again. */
size_t reach_search(size_t most, double (*read_gbps)(void *context, size_t bytes), void *context);
