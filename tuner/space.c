/* space.c: enumeration with pruning, numbering, neighbourhood. A space that is too large for a list is a list
 * of uniform draws. */
#include "tuner/space.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "tuner/census.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What stands before the parameters in a point. */
enum { POINT_LAYOUT, POINT_VARIANT, POINT_PARAMS, POINT_MOST = POINT_PARAMS + PARAMS };

/* A list of more would take a quarter of a gigabyte with its index; the largest space of a kernel so far, a
 * GEMM's, has two million points. In the place of more come as many draws as DRAWN. */
enum { LISTED_MOST = 1 << 23, DRAWN = 1 << 18 };

/* A layout and a variant that accepts the problem in it. */
struct part {
    unsigned char layout, variant;
    struct problem problem;
    struct axes axes;
    struct census *census; /* while drawing */
};

/* One enumeration under way. */
struct walk {
    struct space *space;
    struct part *parts;
    size_t n_parts;
    const struct part *part;         /* the present one */
    unsigned char point[POINT_MOST]; /* layout, variant, places of the values so far */
    size_t capacity;
    bool is_full, out_of_memory;
};

/* ---- limits ---- */

static bool family_has_param(const struct family *family, const char *name, struct str *known) {
    for (const struct variant *const *v = family->variants; *v; v++)
        for (int p = 0; p < (*v)->n_params; p++) {
            const char *have = (*v)->params[p].name;
            if (strcmp(have, name) == 0) return true;
            if (!strstr(str_text(known), have))
                str_addf(known, "%s%s", known->length ? ", " : "", have);
        }
    return false;
}

static enum status check_limits(const struct family *family, const struct space_limit *limits,
                                size_t n, struct error *err) {
    for (size_t l = 0; l < n; l++) {
        struct str known = {0};
        bool has = family_has_param(family, limits[l].param, &known);
        if (!has)
            fail(err, STATUS_USAGE, "--param %s: family %s has no such parameter; it has %s",
                 limits[l].param, family->name, str_text(&known));
        str_free(&known);
        if (!has) return STATUS_USAGE;
    }
    return OK;
}

static bool add_value(struct space_limit *limit, const char *text, size_t length) {
    if (limit->n_values == LIMIT_VALUES || length == 0 || length >= sizeof limit->values[0])
        return false;
    memcpy(limit->values[limit->n_values], text, length);
    limit->values[limit->n_values++][length] = 0;
    return true;
}

/* One text: pieces between commas; a piece with '=' starts a parameter, others add a value to it. */
static enum status parse_text(const char *text, struct space_limit **list, size_t *n,
                              struct error *err) {
    struct space_limit *limit = NULL;
    for (const char *piece = text;; piece++) {
        size_t length = strcspn(piece, ",");
        const char *equal = memchr(piece, '=', length);
        const char *value = equal ? equal + 1 : piece;
        size_t name = equal ? (size_t)(equal - piece) : 0;
        if (equal && name > 0 && name < sizeof limit->param) {
            *list = memory_grow(*list, (*n + 1) * sizeof **list);
            limit = &(*list)[(*n)++];
            *limit = (struct space_limit){0};
            memcpy(limit->param, piece, name);
        } else if (equal) {
            limit = NULL;
        }
        if (!limit || !add_value(limit, value, length - (size_t)(value - piece)))
            return fail(
                err, STATUS_USAGE,
                "--param %s: expected NAME=VALUE,VALUE with at most %d values, as in TM=4,8", text,
                LIMIT_VALUES);
        piece += length;
        if (*piece == 0) return OK;
    }
}

enum status space_parse_limits(const char *const *texts, size_t n, struct space_limit **limits,
                               size_t *n_limits, struct error *err) {
    *limits = NULL;
    *n_limits = 0;
    for (size_t i = 0; i < n; i++) {
        enum status st = parse_text(texts[i], limits, n_limits, err);
        if (st != OK) {
            free(*limits);
            *limits = NULL;
            *n_limits = 0;
            return st;
        }
    }
    return OK;
}

/* ---- enumeration ---- */

static void keep(struct walk *w) {
    struct space *s = w->space;
    if (s->n == w->capacity) {
        const size_t capacity = w->capacity ? w->capacity * 2 : 256;
        unsigned char *points = realloc(s->points, capacity * s->stride);
        w->is_full = s->n == LISTED_MOST;
        w->out_of_memory = !points;
        if (points) s->points = points;
        if (w->is_full || w->out_of_memory) return;
        w->capacity = capacity;
    }
    memcpy(s->points + s->n++ * s->stride, w->point, s->stride);
}

static void enumerate(struct walk *w, struct config *config, int p) {
    if (p == config->variant->n_params) {
        if (config_fits(config, &w->part->problem, w->space->device)) keep(w);
        return;
    }
    const struct axis *axis = &w->part->axes.axis[p];
    for (int v = 0; v < axis->n && !w->is_full && !w->out_of_memory; v++) {
        w->point[POINT_PARAMS + p] = axis->place[v];
        config->value[p] = config->variant->params[p].values[axis->place[v]].value;
        if (axes_hold(&w->part->axes, config->value, p)) enumerate(w, config, p + 1);
    }
}

static void begin_part(struct walk *w, const struct part *part) {
    w->part = part;
    memset(w->point, 0, sizeof w->point);
    w->point[POINT_LAYOUT] = part->layout;
    w->point[POINT_VARIANT] = part->variant;
}

static void enumerate_parts(struct walk *w) {
    for (size_t i = 0; i < w->n_parts; i++) {
        begin_part(w, &w->parts[i]);
        struct config config;
        memset(&config, 0, sizeof config);
        config.variant = w->part->axes.variant;
        enumerate(w, &config, 0);
    }
}

/* The parts in order of layout and variant; the caller frees them. */
static void open_parts(struct walk *w, const struct space_limit *limits, size_t n_limits) {
    struct space *s = w->space;
    const struct variant *const *variants = s->problem.family->variants;
    w->parts = memory_new(s->n_layouts * VARIANTS * sizeof *w->parts);
    for (size_t l = 0; l < s->n_layouts; l++)
        for (int v = 0; variants[v]; v++) {
            struct part *part = &w->parts[w->n_parts];
            part->layout = (unsigned char)l;
            part->variant = (unsigned char)v;
            part->problem = s->problem;
            part->problem.layout = s->layouts[l];
            if (!variants[v]->accepts(&part->problem)) continue;
            axes_open(&part->axes, s->device, &part->problem, variants[v], limits, n_limits);
            double raw = 1;
            for (int p = 0; p < variants[v]->n_params; p++) raw *= variants[v]->params[p].n_values;
            s->raw += raw;
            w->n_parts++;
        }
}

/* ---- points ---- */

static const unsigned char *point_at(const struct space *s, size_t at) {
    return s->points + at * s->stride;
}

static int value_place(const struct param *param, int value) {
    for (int v = 0; v < param->n_values; v++)
        if (param->values[v].value == value) return v;
    return -1;
}

static int variant_place(const struct space *s, const struct variant *variant) {
    const struct variant *const *variants = s->problem.family->variants;
    for (int v = 0; variants[v]; v++)
        if (variants[v] == variant) return v;
    return -1;
}

/* false: it has a value that its parameter does not have, or more parameters than any of the space. */
static bool point_of(const struct space *s, const struct config *config, unsigned layout,
                     unsigned char point[POINT_MOST]) {
    const int variant = variant_place(s, config->variant);
    if (variant < 0 || POINT_PARAMS + (size_t)config->variant->n_params > s->stride) return false;
    memset(point, 0, POINT_MOST);
    point[POINT_LAYOUT] = (unsigned char)layout;
    point[POINT_VARIANT] = (unsigned char)variant;
    for (int p = 0; p < config->variant->n_params; p++) {
        const int place = value_place(&config->variant->params[p], config->value[p]);
        if (place < 0) return false;
        point[POINT_PARAMS + p] = (unsigned char)place;
    }
    return true;
}

struct config space_config(const struct space *space, int64_t at) {
    assert(at >= 0 && (size_t)at < space->n);
    const unsigned char *point = point_at(space, (size_t)at);
    struct config config;
    memset(&config, 0, sizeof config);
    config.variant = space->problem.family->variants[point[POINT_VARIANT]];
    for (int p = 0; p < config.variant->n_params; p++)
        config.value[p] = config.variant->params[p].values[point[POINT_PARAMS + p]].value;
    return config;
}

/* ---- index ---- */

static enum status open_index(struct space *s, size_t n, struct error *err) {
    s->index_size = 16;
    while (s->index_size < 2 * n) s->index_size *= 2;
    s->index = calloc(s->index_size, sizeof *s->index);
    if (s->index && n < UINT32_MAX) return OK;
    return fail(err, STATUS_NOMEM,
                "no memory to index a space of %zu configurations; narrow it with --param", n);
}

/* The entry of a point, or the free one where it belongs. */
static uint32_t *entry_of(const struct space *s, const unsigned char *point) {
    for (uint64_t at = hash_short(point, s->stride);; at++) {
        uint32_t *entry = &s->index[at & (s->index_size - 1)];
        if (!*entry || memcmp(point_at(s, *entry - 1), point, s->stride) == 0) return entry;
    }
}

/* No point is there twice. */
static enum status build_index(struct space *s, struct error *err) {
    const enum status st = open_index(s, s->n, err);
    for (size_t i = 0; st == OK && i < s->n; i++) {
        uint64_t at = hash_short(point_at(s, i), s->stride);
        while (s->index[at & (s->index_size - 1)]) at++;
        s->index[at & (s->index_size - 1)] = (uint32_t)i + 1;
    }
    return st;
}

/* An enumeration lists its points in the order of their bytes: an index of millions would cost more than it
 * saves. */
static int64_t find_sorted(const struct space *s, const unsigned char *point) {
    size_t low = 0, high = s->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = memcmp(point_at(s, middle), point, s->stride);
        if (order == 0) return (int64_t)middle;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return -1;
}

static int64_t find(const struct space *s, const struct config *config, unsigned layout) {
    unsigned char point[POINT_MOST];
    if (!point_of(s, config, layout, point)) return -1;
    return s->index ? (int64_t)*entry_of(s, point) - 1 : find_sorted(s, point);
}

int64_t space_find(const struct space *space, const struct config *config,
                   const struct layout *layout) {
    for (size_t l = 0; l < space->n_layouts; l++)
        if (space->layouts[l] == layout) return find(space, config, (unsigned)l);
    return -1;
}

struct problem space_problem(const struct space *space, int64_t at) {
    assert(at >= 0 && (size_t)at < space->n);
    struct problem problem = space->problem;
    problem.layout = space->layouts[point_at(space, (size_t)at)[POINT_LAYOUT]];
    return problem;
}

/* ---- drawing ---- */

/* Keep a point that is new. */
static void keep_new(struct walk *w) {
    uint32_t *entry = entry_of(w->space, w->point);
    if (*entry) return;
    keep(w);
    *entry = (uint32_t)w->space->n;
}

/* What a search begins with must be there, drawn or not. */
static void keep_fallbacks(struct walk *w) {
    for (size_t i = 0; i < w->n_parts; i++) {
        const struct part *part = &w->parts[i];
        struct config config;
        memset(&config, 0, sizeof config);
        config.variant = part->axes.variant;
        config.variant->fallback(&part->problem, &config);
        if (config_valid(&config, &part->problem, w->space->device, NULL) &&
            point_of(w->space, &config, part->layout, w->point))
            keep_new(w);
    }
}

/* One draw from all parts; a point that does not fit the device is drawn in vain, which leaves the others as
 * likely as each other. */
static void draw(struct walk *w, struct rng *rng, double all) {
    double at = rng_uniform(rng) * all;
    size_t i = 0;
    while (i + 1 < w->n_parts && at >= census_count(w->parts[i].census))
        at -= census_count(w->parts[i++].census);
    if (census_count(w->parts[i].census) == 0) return;
    struct config config;
    begin_part(w, &w->parts[i]);
    census_draw(w->part->census, rng, w->point + POINT_PARAMS, &config);
    if (config_fits(&config, &w->part->problem, w->space->device)) keep_new(w);
}

/* The list gives way to draws, the same ones every time. */
static enum status draw_parts(struct walk *w, struct error *err) {
    struct rng rng = rng_seed(1);
    double all = 0;
    w->space->n = 0;
    w->is_full = false;
    enum status st = open_index(w->space, DRAWN, err);
    for (size_t i = 0; st == OK && i < w->n_parts; i++) {
        st = census_open(&w->parts[i].axes, &w->parts[i].census, err);
        if (st == OK) all += census_count(w->parts[i].census);
    }
    if (st == OK) keep_fallbacks(w);
    for (size_t i = 0; st == OK && i < DRAWN && w->space->n < DRAWN; i++) draw(w, &rng, all);
    for (size_t i = 0; i < w->n_parts; i++) census_close(w->parts[i].census);
    if (st == OK)
        log_warn(
            "%s: of %.3g configurations that its constraints leave, %zu are drawn to be searched",
            w->space->problem.family->name, all, w->space->n);
    return st;
}

/* ---- open and close ---- */

static enum status nothing_valid(const struct space *s, bool is_limited, struct error *err) {
    char text[160];
    problem_format(&s->problem, text);
    return fail(err, STATUS_UNSUPPORTED, "%s %s in class %s: no configuration is valid on %s%s",
                s->problem.family->name, text, class_names[s->problem.class],
                s->device ? device_describe(s->device)->name : "this device",
                is_limited ? "; the --param limits may leave none" : "");
}

static enum status list_or_draw(struct walk *w, struct error *err) {
    enumerate_parts(w);
    if (w->out_of_memory)
        return fail(err, STATUS_NOMEM,
                    "no memory for a space of more than %zu configurations; narrow it "
                    "with --param",
                    w->space->n);
    return w->is_full ? draw_parts(w, err) : OK;
}

enum status space_open(const struct device *device, const struct problem *problem,
                       const struct layout *layout, const struct space_limit *limits,
                       size_t n_limits, struct space *space, struct error *err) {
    *space = (struct space){.device = device, .problem = *problem};
    enum status st = check_limits(problem->family, limits, n_limits, err);
    if (st != OK) return st;
    if (layout) {
        space->layouts[0] = layout;
        space->n_layouts = 1;
    } else {
        space->n_layouts = family_layouts(problem, space->layouts);
    }
    const struct variant *const *variants = problem->family->variants;
    size_t most = 0;
    for (int v = 0; variants[v]; v++)
        if ((size_t)variants[v]->n_params > most) most = (size_t)variants[v]->n_params;
    space->stride = POINT_PARAMS + most;
    struct walk walk = {.space = space};
    open_parts(&walk, limits, n_limits);
    st = list_or_draw(&walk, err);
    free(walk.parts);
    if (st == OK && space->n == 0) st = nothing_valid(space, n_limits > 0, err);
    if (st == OK) space->problem.layout = space->layouts[0];
    else space_close(space);
    return st;
}

enum status space_list(const struct problem *problem, const unsigned char *places, size_t n,
                       struct space *space, struct error *err) {
    const struct variant *variant = problem->family->variants[0];
    const size_t n_params = (size_t)variant->n_params;
    *space = (struct space){.problem = *problem,
                            .layouts = {problem->layout},
                            .n_layouts = 1,
                            .stride = POINT_PARAMS + n_params,
                            .n = n,
                            .raw = 1};
    for (size_t p = 0; p < n_params; p++) space->raw *= variant->params[p].n_values;
    space->points = calloc(n ? n : 1, space->stride);
    if (!space->points)
        return fail(err, STATUS_NOMEM, "no memory for a space of %zu configurations", n);
    for (size_t i = 0; i < n; i++)
        memcpy(space->points + i * space->stride + POINT_PARAMS, places + i * n_params, n_params);
    const enum status st = build_index(space, err);
    if (st != OK) space_close(space);
    return st;
}

void space_close(struct space *space) {
    free(space->points);
    free(space->index);
    *space = (struct space){0};
}

/* ---- neighbours ---- */

struct neighbours {
    int64_t *out;
    size_t n, limit;
};

static void add_neighbour(struct neighbours *list, int64_t at) {
    if (at < 0) return;
    if (list->n < list->limit) list->out[list->n] = at;
    list->n++;
}

/* The same parameters in another variant: values by name where it has them, else its fallback's. */
static struct config translate(const struct config *from, const struct variant *to,
                               const struct problem *problem) {
    struct config config;
    memset(&config, 0, sizeof config);
    to->fallback(problem, &config);
    config.variant = to;
    for (int p = 0; p < to->n_params; p++)
        for (int q = 0; q < from->variant->n_params; q++)
            if (strcmp(to->params[p].name, from->variant->params[q].name) == 0 &&
                value_place(&to->params[p], from->value[q]) >= 0)
                config.value[p] = from->value[q];
    return config;
}

size_t space_neighbours(const struct space *space, int64_t at, int64_t *out, size_t limit) {
    assert(at >= 0 && (size_t)at < space->n);
    struct neighbours list = {.out = out, .limit = limit};
    const struct config here = space_config(space, at);
    const struct variant *variant = here.variant;
    const unsigned layout = point_at(space, (size_t)at)[POINT_LAYOUT];
    int widest = 0;
    for (int p = 0; p < variant->n_params; p++)
        if (variant->params[p].n_values > widest) widest = variant->params[p].n_values;
    for (int step = 1; step < widest; step++)
        for (int p = 0; p < variant->n_params; p++)
            for (int sign = -1; sign <= 1; sign += 2) {
                const struct param *param = &variant->params[p];
                int place = value_place(param, here.value[p]) + sign * step;
                if (place < 0 || place >= param->n_values) continue;
                struct config moved = here;
                moved.value[p] = param->values[place].value;
                add_neighbour(&list, find(space, &moved, layout));
            }
    for (unsigned l = 0; l < space->n_layouts; l++)
        if (l != layout) add_neighbour(&list, find(space, &here, l));
    struct problem problem = space_problem(space, at);
    for (const struct variant *const *v = space->problem.family->variants; *v; v++)
        if (*v != variant && (*v)->accepts(&problem)) {
            struct config other = translate(&here, *v, &problem);
            add_neighbour(&list, find(space, &other, layout));
        }
    return list.n;
}
