/* test_units.c: numbers as people read and write them. */
#include "base/units.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

struct sample {
    char *(*format)(double value, char *text);
    double value;
    const char *text;
};

static const struct sample samples[] = {
    {units_time_ns, 0, "0.000 ns"},     {units_time_ns, 1234321, "1.234 ms"},
    {units_time_ns, 12345, "12.35 µs"}, {units_time_ns, 999999, "1.000 ms"},
    {units_time_ns, 7.5e12, "7500 s"},  {units_memory, 4294967296, "4.00 GiB"},
    {units_memory, 1024, "1.00 KiB"},   {units_memory, 3.72 * 1073741824, "3.72 GiB"},
    {units_rate, 43.1, "43.1 GB/s"},    {units_rate, 4012, "4.01 TB/s"},
    {units_flops, 315, "315 GFLOP/s"},  {units_flops, 67000, "67.0 TFLOP/s"},
};

Test(units, formats) {
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char text[UNITS_TEXT];
        char *returned = samples[i].format(samples[i].value, text);
        cr_assert(returned == text);
        cr_assert_str_eq(text, samples[i].text, "%g is '%s', expected '%s'", samples[i].value, text,
                         samples[i].text);
    }
}

Test(units, no_value_overflows_the_buffer) {
    char text[UNITS_TEXT];
    const double values[] = {NAN, INFINITY, -INFINITY, 1e300, -1e300, 5e-324};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        cr_assert(strlen(units_memory(values[i], text)) < UNITS_TEXT);
    cr_assert_str_eq(units_time_ns(NAN, text), "–");
}

Test(units, durations) {
    static const struct {
        const char *text;
        double seconds; /* negative: refused */
    } cases[] = {{"60s", 60},     {"2m", 120},  {"1h30m", 5400}, {"90", 90},  {"1.5s", 1.5},
                 {"250ms", 0.25}, {"0", 0},     {"", -1},        {"s", -1},   {"-5s", -1},
                 {"5 s", -1},     {"5x", -1},   {"1e400", -1},   {"nan", -1}, {"inf", -1},
                 {"10s ", -1},    {" 10s", -1}, {"1h-5m", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ns = -1;
        struct error err = {0};
        const enum status status = units_parse_duration(cases[i].text, &ns, &err);
        if (cases[i].seconds < 0) {
            cr_assert(status == STATUS_INVALID, "'%s' was taken", cases[i].text);
            cr_assert(strstr(err.text, cases[i].text) != NULL);
        } else {
            cr_assert(status == OK, "'%s': %s", cases[i].text, err.text);
            cr_assert(ns == (int64_t)(cases[i].seconds * 1e9), "'%s' gave %lld ns", cases[i].text,
                      (long long)ns);
        }
    }
}

Test(units, whole_numbers_within_their_range) {
    int64_t value = 0;
    cr_assert(units_parse_int("512", 1, 4096, &value, NULL) == OK && value == 512);
    cr_assert(units_parse_int("-3", -5, 5, &value, NULL) == OK && value == -3);
    cr_assert(units_parse_int("9223372036854775807", 0, INT64_MAX, &value, NULL) == OK &&
              value == INT64_MAX);
    static const char *const bad[] = {
        "", "x", "5x", " 5", "5 ", "4097", "0", "0x10", "9223372036854775808"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = {0};
        value = 77;
        cr_assert(units_parse_int(bad[i], 1, 4096, &value, &err) == STATUS_INVALID,
                  "'%s' was taken", bad[i]);
        cr_assert(value == 77, "a refused number must leave the value alone");
        cr_assert(strstr(err.text, "4096") != NULL, "the sentence names the range: %s", err.text);
    }
}

Test(units, counts_have_plurals) {
    char text[UNITS_TEXT];
    cr_assert_str_eq(units_count(0, "window", text), "0 windows");
    cr_assert_str_eq(units_count(1, "window", text), "1 window");
    cr_assert_str_eq(units_count(12, "window", text), "12 windows");
    cr_assert_lt(strlen(units_count(INT64_MAX, "a noun of many letters", text)), UNITS_TEXT);
}
