/* matrices.c: see matrices.h. */
#include "tuner/matrices.h"
#include "base/str.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of each n and layout, how many are measured at the other n. */
enum { FEW = 2 };

/* ---- which problems read one matrix ---- */

static bool reads_weights(const struct problem *p) {
    for (int o = 0; o < p->family->n_operands; o++)
        if (p->family->operands[o].role == OPERAND_WEIGHTS && p->family->operands[o].bytes(p))
            return true;
    return false;
}

static bool is_twin(const struct quest *a, const struct quest *b) {
    if (a->problem.family != b->problem.family || a->layout != b->layout) return false;
    struct problem twin = b->problem;
    problem_set(&twin, "n", problem_get(&a->problem, "n"));
    return problem_equal(&a->problem, &twin);
}

static int by_n(const void *a, const void *b) {
    const struct quest *x = *(struct quest *const *)a, *y = *(struct quest *const *)b;
    const int64_t n = problem_get(&x->problem, "n"), other = problem_get(&y->problem, "n");
    return (n > other) - (n < other);
}

/* All problems of the matrix that quests[first] reads; none when an earlier one reads it, too. */
static void gather(struct quest *quests, size_t n, size_t first, struct matrix_uses *m) {
    m->n = 0;
    if (!reads_weights(&quests[first].problem) || !problem_has(&quests[first].problem, "n")) return;
    for (size_t i = 0; i < n && m->n < MATRIX_SIZES_MOST; i++) {
        if (!is_twin(&quests[first], &quests[i])) continue;
        if (i < first) return;
        m->quest[m->n++] = &quests[i];
    }
    qsort(m->quest, m->n, sizeof(struct quest *), by_n);
}

size_t matrices_find(struct quest *quests, size_t n, struct matrix_uses **out) {
    struct matrix_uses *list = memory_new((n + 1) * sizeof *list);
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        gather(quests, n, i, &list[found]);
        found += list[found].n >= 2;
    }
    *out = list;
    return found;
}

/* ---- what is worth measuring ---- */

struct candidate {
    struct setting setting;
    int place;       /* among those of its n and layout */
    bool is_other;   /* of another n */
    double relative; /* its time over the best of its n */
};

static bool is_same(const struct setting *a, const struct setting *b) {
    return a->layout == b->layout && config_equal(&a->config, &b->config);
}

static int by_promise(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->place != y->place) return x->place - y->place;
    if (x->is_other != y->is_other) return x->is_other - y->is_other;
    return (x->relative > y->relative) - (x->relative < y->relative);
}

/* The fastest ok attempts in a layout, every configuration once. */
static size_t fastest_in(const struct quest *q, const struct layout *layout,
                         const struct attempt *out[FEW]) {
    size_t n = 0;
    for (; n < FEW; n++) {
        out[n] = NULL;
        for (size_t i = 0; i < q->n_attempts; i++) {
            const struct attempt *a = &q->attempts[i];
            bool is_new = a->outcome == OUTCOME_OK && a->setting.layout == layout;
            for (size_t k = 0; k < n && is_new; k++)
                is_new = !is_same(&a->setting, &out[k]->setting);
            if (is_new && (!out[n] || a->time_ns < out[n]->time_ns)) out[n] = a;
        }
        if (!out[n]) break;
    }
    return n;
}

static bool may_run(const struct quest *q, const struct setting *setting) {
    const struct problem problem = quest_problem(q, setting);
    return config_valid(&setting->config, &problem, q->device, NULL);
}

size_t matrix_candidates(const struct matrix_uses *m, size_t at, struct setting *out, size_t most) {
    struct candidate *list = memory_new(m->n * LAYOUTS * FEW * sizeof *list);
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < m->n; i++)
        for (int l = 0; l < LAYOUTS; l++) {
            const struct attempt *best[FEW];
            const size_t found = fastest_in(m->quest[i], &layouts[l], best);
            for (size_t k = 0; k < found; k++)
                list[n++] =
                    (struct candidate){.setting = best[k]->setting,
                                       .place = (int)k,
                                       .is_other = i != at,
                                       .relative = best[k]->time_ns / quest_incumbent(m->quest[i])};
        }
    qsort(list, n, sizeof *list, by_promise);
    for (size_t i = 0; i < n && kept < most; i++) {
        bool is_new = may_run(m->quest[at], &list[i].setting);
        for (size_t k = 0; k < kept && is_new; k++) is_new = !is_same(&out[k], &list[i].setting);
        if (is_new) out[kept++] = list[i].setting;
    }
    free(list);
    return kept;
}

/* ---- the choice ---- */

/* INFINITY: nothing in that layout was right. */
static double time_in(const struct quest *q, const struct layout *layout) {
    const struct attempt *best = quest_best_in(q, layout);
    return best ? best->time_ns : INFINITY;
}

static double least_time(const struct quest *q) {
    double least = INFINITY;
    for (int l = 0; l < LAYOUTS; l++) least = fmin(least, time_in(q, &layouts[l]));
    return least;
}

/* Which n a sum is over. */
enum part { DECODE, PREFILL, ALL };

static bool is_in(const struct quest *q, enum part part) {
    const bool is_one = problem_get(&q->problem, "n") == 1;
    return q->uses > 0 && (part == ALL || (part == DECODE) == is_one);
}

static double cost_in(const struct matrix_uses *m, const struct layout *layout, enum part part) {
    double sum = 0;
    for (size_t i = 0; i < m->n; i++)
        if (is_in(m->quest[i], part)) sum += m->quest[i]->uses * time_in(m->quest[i], layout);
    return sum;
}

static const struct layout *least_cost(const struct matrix_uses *m, enum part part, double *cost) {
    const struct layout *best = NULL;
    *cost = INFINITY;
    for (int l = 0; l < LAYOUTS; l++) {
        const double sum = cost_in(m, &layouts[l], part);
        if (sum < *cost) *cost = sum, best = &layouts[l];
    }
    return best;
}

struct matrix_choice matrix_choose(const struct matrix_uses *m) {
    struct matrix_choice c = {.worst = NAN};
    double decode, prefill;
    c.layout = least_cost(m, ALL, &c.cost_ns);
    if (!c.layout) return c;
    c.worst = 1;
    for (size_t i = 0; i < m->n; i++) {
        const double time = time_in(m->quest[i], c.layout);
        if (isfinite(time)) c.worst = fmax(c.worst, time / least_time(m->quest[i]));
        else c.n_open++;
    }
    c.decode = least_cost(m, DECODE, &decode);
    c.prefill = least_cost(m, PREFILL, &prefill);
    c.two_cost_ns = decode + prefill;
    return c;
}

/* ---- texts ---- */

void matrix_name(const struct matrix_uses *m, char text[160]) {
    struct problem one = m->quest[0]->problem;
    problem_set(&one, "n", 1);
    problem_format(&one, text);
    char *n = strstr(text, ",n=1");
    if (n) memmove(n, n + 4, strlen(n + 4) + 1);
}

/* Neighbouring n that one configuration serves. */
static json_t *ranges_json(const struct matrix_uses *m, const struct layout *layout) {
    json_t *ranges = json_array(), *range = NULL;
    const struct attempt *last = NULL;
    double worst = 0;
    for (size_t i = 0; i < m->n; i++) {
        const struct attempt *best = quest_best_in(m->quest[i], layout);
        const json_int_t n = problem_get(&m->quest[i]->problem, "n");
        if (!best) continue;
        const double slowdown = best->time_ns / least_time(m->quest[i]);
        if (!last || !config_equal(&last->setting.config, &best->setting.config)) {
            char config[400];
            config_format(&best->setting.config, config);
            range = json_pack("{s:[I,I],s:s,s:s}", "n", n, n, "variant",
                              best->setting.config.variant->name, "config", config);
            json_array_append_new(ranges, range);
            worst = 0;
        }
        worst = fmax(worst, slowdown);
        json_array_set_new(json_object_get(range, "n"), 1, json_integer(n));
        json_object_set_new(range, "slowdown", json_real(worst));
        last = best;
    }
    return ranges;
}

/* The n that nothing is known of in this layout. */
static json_t *open_json(const struct matrix_uses *m, const struct layout *layout) {
    json_t *open = json_array();
    for (size_t i = 0; i < m->n; i++)
        if (!quest_best_in(m->quest[i], layout))
            json_array_append_new(open, json_integer(problem_get(&m->quest[i]->problem, "n")));
    return open;
}

json_t *matrix_json(const struct matrix_uses *m) {
    const struct matrix_choice c = matrix_choose(m);
    char name[160];
    matrix_name(m, name);
    json_t *object = json_pack("{s:s,s:s,s:s}", "family", m->quest[0]->problem.family->name,
                               "problem", name, "class", class_names[m->quest[0]->problem.class]);
    if (!c.layout) {
        json_object_set_new(object, "layout", json_null());
        return object;
    }
    json_object_set_new(object, "layout", json_string(c.layout->name));
    json_object_set_new(object, "ranges", ranges_json(m, c.layout));
    json_object_set_new(object, "worst", json_real(c.worst));
    json_object_set_new(object, "open", open_json(m, c.layout));
    if (c.decode && c.prefill)
        json_object_set_new(object, "two",
                            json_pack("{s:s,s:s,s:f}", "decode", c.decode->name, "prefill",
                                      c.prefill->name, "gain",
                                      c.two_cost_ns > 0 ? c.cost_ns / c.two_cost_ns - 1 : 0));
    return object;
}

json_t *matrices_json(const struct matrix_uses *list, size_t n) {
    json_t *matrices = json_array();
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(matrices, matrix_json(&list[i]));
        worst = fmax(worst, matrix_choose(&list[i]).worst);
    }
    return json_pack("{s:o,s:o}", "matrices", matrices, "worst_slowdown",
                     worst > 0 ? json_real(worst) : json_null());
}
