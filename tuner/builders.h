/* builders.h: processes that compile ahead. While the worker measures one configuration, each of
 * them compiles one that is likely to come, into the folder of compiled programs, where the
 * worker finds it. They decide nothing: what they do not get done, or die of, the worker meets
 * again. Where the device is the processor that they run on, they stand still but for the
 * worker's own builds. */
#pragma once
#include "tuner/worker.h"

enum { BUILDERS_MOST = 16 };

struct builders;
/* None runs yet. selector and model_key as worker_open's, copied; start_ns, deadline_ns: how long one
 * may take to open its device, and a build. NULL when ahead asks for none. Closed by builders_close
 * (NULL is fine), as all of these take NULL for none. */
struct builders *builders_open(const struct build_ahead *ahead, const char *selector,
                               const char *model_key, int64_t start_ns, int64_t deadline_ns);
void builders_close(struct builders *builders);
/* The worker builds, or does something else. */
void builders_step(struct builders *builders, bool is_building);
/* See who is done. */
void builders_collect(struct builders *builders);
/* The same, and give those without work what is likely to come; what that is, is asked once for each builders_begin. */
void builders_feed(struct builders *builders);
/* Have this work built, beside what is likely to come: nobody waits yet. Where it is there already, and the device is
 * another processor, nobody looks ahead either: that is for builders_feed, once the worker has the request. */
void builders_begin(struct builders *builders, const struct work *work);
/* Wait for what builders_begin was last told of; returns the ns since then if there was something to wait for. Where all
 * are busy with something else, nobody waits: the worker builds it itself. */
int64_t builders_build(struct builders *builders, const volatile int *interrupt);
/* Is the program there, as far as one of them was asked for it? */
bool builders_have_built(const struct builders *builders, const struct work *work);
/* ns of processor time that a builder took for this work; 0: none did. */
int64_t builders_spent(const struct builders *builders, const struct work *work);
/* Main of `hone @child builder`. */
int builder_child(void);
