/* units.c: see units.h. */
#include "base/units.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A scale: the value is divided by base while it would be printed as base and units are left. */
struct scale {
    double base;
    int digits; /* significant ones */
    const char *units[6];
};
static const struct scale times = {1000, 4, {"ns", "µs", "ms", "s"}};
static const struct scale binary = {1024, 3, {"B", "KiB", "MiB", "GiB", "TiB"}};
static const struct scale rates = {1000, 3, {"GB/s", "TB/s"}};
static const struct scale flops = {1000, 3, {"GFLOP/s", "TFLOP/s"}};

/* Digits after the point that leave `digits` significant ones once the value is rounded. */
static int decimals(double value, int digits) {
    int after = digits - 1;
    double limit = 10;
    while (after > 0 && fabs(value) >= limit - 0.5 * pow(10, -(after - 1))) {
        limit *= 10;
        after--;
    }
    return after;
}

static char *format(const struct scale *scale, double value, char *text) {
    if (!isfinite(value)) {
        snprintf(text, UNITS_TEXT, "–");
        return text;
    }
    size_t unit = 0;
    const double half = 0.5 * pow(10, 3 - scale->digits);
    while (fabs(value) >= scale->base - half && scale->units[unit + 1])
        value /= scale->base, unit++;
    snprintf(text, UNITS_TEXT, "%.*f %s", decimals(value, scale->digits), value,
             scale->units[unit]);
    return text;
}

char *units_time_ns(double ns, char *text) {
    return format(&times, ns, text);
}

char *units_memory(double bytes, char *text) {
    return format(&binary, bytes, text);
}

char *units_rate(double gbps, char *text) {
    return format(&rates, gbps, text);
}

char *units_flops(double gflops, char *text) {
    return format(&flops, gflops, text);
}

char *units_count(int64_t n, const char *noun, char *text) {
    snprintf(text, UNITS_TEXT, "%" PRId64 " %s%s", n, noun, n == 1 ? "" : "s");
    return text;
}

static double seconds_of(const char *unit, size_t n) {
    static const struct {
        const char *name;
        double seconds;
    } table[] = {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"m", 60}, {"min", 60}, {"h", 3600}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t length = 0;
        while (length < n && table[i].name[length] && table[i].name[length] == unit[length])
            length++;
        if (length == n && !table[i].name[length]) return table[i].seconds;
    }
    return -1;
}

enum status units_parse_duration(const char *text, int64_t *ns, struct error *err) {
    double total = 0;
    const char *p = text;
    do {
        char *end;
        errno = 0;
        const double value = strtod(p, &end);
        if (end == p || !isdigit((unsigned char)*p) || errno) goto bad;
        const char *unit = end;
        while (isalpha((unsigned char)*end)) end++;
        const double seconds = seconds_of(unit, (size_t)(end - unit));
        if (seconds < 0) goto bad;
        total += value * seconds;
        p = end;
    } while (*p);
    if (!(total >= 0) || total > 1e9) goto bad;
    *ns = (int64_t)(total * 1e9);
    return OK;
bad:
    return fail(err, STATUS_INVALID, "'%s' is not a time: write 60s, 2m or 1h30m", text);
}

enum status units_parse_int(const char *text, int64_t low, int64_t high, int64_t *value,
                            struct error *err) {
    char *end;
    errno = 0;
    const long long parsed = strtoll(text, &end, 10);
    if (end == text || *end || isspace((unsigned char)*text) || errno || parsed < low ||
        parsed > high)
        return fail(err, STATUS_INVALID, "'%s' is not a whole number from %lld to %lld", text,
                    (long long)low, (long long)high);
    *value = parsed;
    return OK;
}
