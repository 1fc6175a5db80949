/* test_sensors.c: clock, power and throttling out of a made-up sysfs, and out of none. */
#include "tests/support.h"
#include <criterion/criterion.h>
#include "base/path.h"
#include "base/str.h"
#include "tuner/sensors.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(const char *root, const char *name, const char *text) {
    char *path = text_format("%s/%s", root, name);
    struct error err;
    cr_assert_eq(path_make_parent(path, &err), OK, "%s", err.text);
    cr_assert_eq(path_write(path, text, strlen(text), &err), OK, "%s", err.text);
    free(path);
}

Test(sensors, read_what_is_there) {
    char root[1024];
    snprintf(root, sizeof root, "%s/sys", test_folder());
    struct sensors before, after;
    set(root, "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1000000\n");
    set(root, "devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "3000000\n");
    set(root, "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "7\n");
    set(root, "class/powercap/intel-rapl:0/energy_uj", "9000000\n");
    set(root, "class/powercap/intel-rapl:0/max_energy_range_uj", "10000000\n");
    sensors_read(root, &before);
    cr_expect_eq(before.clock_mhz, 2000);
    set(root, "class/powercap/intel-rapl:0/energy_uj", "2000000\n"); /* it went round */
    set(root, "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "9\n");
    sensors_read(root, &after);
    before.at_ns = 0, after.at_ns = 1500000000;
    const struct sensors_between between = sensors_since(&before, &after);
    cr_expect_eq(between.throttles, 2);
    cr_expect_float_eq(between.power_w, 2, 1e-9, "%g", between.power_w);
    cr_expect_eq(between.clock_mhz, 2000);
}

Test(sensors, know_nothing_where_nothing_is_told) {
    struct sensors none;
    sensors_read(test_folder(), &none);
    const struct sensors_between between = sensors_since(&none, &none);
    cr_expect(isnan(between.clock_mhz));
    cr_expect(isnan(between.power_w));
    cr_expect_eq(between.throttles, -1);
}
