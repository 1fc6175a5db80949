/* lock.h: one tune or bench per device at a time: measurements disturb each other. */
#pragma once
#include "device/device.h"

struct lock;
/* A file per device model in the cache folder, held by flock, with who holds it: pid, command, since. BUSY
 * with that sentence when somebody else does. */
enum status lock_take(const struct device_info *info, const char *command, struct lock **out,
                      struct error *err);
/* The same by a selector (device/device.h), for who does not have the device open. */
enum status lock_take_device(const char *selector, const char *command, struct lock **out,
                             struct error *err);
void lock_release(struct lock *lock); /* NULL is fine; a process that dies releases it too */
