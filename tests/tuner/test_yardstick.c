/* test_yardstick.c: the yardsticks run on the device that is here, and the choice between them follows what
 * bounds a kernel. */
#include "base/stats.h"
#include "tuner/yardstick.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static struct device *device;
static struct yardstick *yardstick;

static void open_yardstick(void) {
    struct error err = {0};
    cr_assert_eq(device_open(NULL, &device, &err), OK, "%s", err.text);
    cr_assert_eq(yardstick_open(device, &yardstick, &err), OK, "%s", err.text);
}
static void close_yardstick(void) {
    yardstick_close(yardstick);
    device_close(device);
}
TestSuite(yardstick, .init = open_yardstick, .fini = close_yardstick);

static double time_of(enum yardstick_kind kind) {
    const struct subject subject = yardstick_subject(yardstick, kind);
    struct error err = {0};
    double run[15]; /* the lower tenth: a busy machine leaves that alone */
    for (int i = 0; i < 15; i++)
        cr_assert_eq(subject.run(subject.context, 2, &run[i], &err), OK, "%s", err.text);
    return stats_quantile(run, 15, 0.1);
}

Test(yardstick, kinds_do_their_work) {
    const double empty_ns = time_of(YARDSTICK_EMPTY);
    cr_expect_gt(empty_ns, 0);
    cr_expect_gt(time_of(YARDSTICK_CHAIN), 1.5 * empty_ns);
    cr_expect_gt(time_of(YARDSTICK_STREAM), 1.5 * empty_ns);
    for (int i = 0; i < YARDSTICKS; i++) cr_expect_eq(yardstick_find(yardstick_names[i]), i);
    cr_expect_eq(yardstick_find("copy"), -1);
    cr_expect_eq(yardstick_find(NULL), -1);
}

Test(yardstick, choice_follows_what_bounds_a_kernel) {
    const double stream_ns = time_of(YARDSTICK_STREAM);
    const struct cost reads = {.bytes = 8 << 20, .operations = 1e6};
    const struct {
        double time_ns;
        enum yardstick_kind kind;
    } cases[] = {
        {stream_ns * 0.4, YARDSTICK_STREAM},
        {stream_ns * 20, YARDSTICK_CHAIN},
        {1, YARDSTICK_EMPTY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        enum yardstick_kind kind;
        cr_assert_eq(yardstick_choose(yardstick, &reads, cases[i].time_ns, &kind, &err), OK, "%s",
                     err.text);
        cr_expect_eq(kind, cases[i].kind, "%g ns: %s", cases[i].time_ns, yardstick_names[kind]);
    }
}

Test(yardstick, key_is_of_the_source) {
    char key[17], again[17];
    yardstick_key(key);
    yardstick_key(again);
    cr_expect_eq(strlen(key), 16);
    cr_expect_str_eq(key, again);
}
