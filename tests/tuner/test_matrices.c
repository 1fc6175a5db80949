/* test_matrices.c: which problems read one matrix, what of each is measured at the others, which layout is chosen; the
 * steps of cross-measuring as a database keeps them. */
#include "tests/tuner/synthetic.h"
#include "tuner/cross.h"
#include "tuner/matrices.h"
#include <criterion/criterion.h>
#include <stdlib.h>

/* A quest with attempts that somebody measured. */
static struct quest quest_at(int64_t n, double uses) {
    return (struct quest){.problem = synthetic_problem(n), .uses = uses};
}

static struct setting setting_of(int tm, const struct layout *layout) {
    const struct problem problem = synthetic_problem(16);
    struct setting setting = {.config.variant = &synthetic_alpha, .layout = layout};
    synthetic_fallback(&problem, &setting.config);
    setting.config.value[S_TM] = tm;
    return setting;
}

static void add(struct quest *q, int tm, enum layout_id layout, double time_ns) {
    q->attempts = realloc(q->attempts, (q->n_attempts + 1) * sizeof *q->attempts);
    q->attempts[q->n_attempts++] = (struct attempt){.setting = setting_of(tm, &layouts[layout]),
                                                    .outcome = OUTCOME_OK,
                                                    .time_ns = time_ns,
                                                    .hope_ns = time_ns};
}

static void free_quests(struct quest *quests, size_t n) {
    for (size_t i = 0; i < n; i++) free(quests[i].attempts);
}

/* n = 1: rows 10, panel16 12; n = 16: rows 100, panel16 50; n = 4, unused: rows 20, panel16 21. */
static void make_quests(struct quest quests[3]) {
    quests[0] = quest_at(16, 0.1);
    quests[1] = quest_at(1, 1);
    quests[2] = quest_at(4, 0);
    add(&quests[0], 1, LAYOUT_rows, 100);
    add(&quests[0], 4, LAYOUT_panel16, 50);
    add(&quests[0], 8, LAYOUT_panel16, 60);
    add(&quests[1], 1, LAYOUT_rows, 10);
    add(&quests[1], 2, LAYOUT_panel16, 12);
    add(&quests[2], 1, LAYOUT_rows, 20);
    add(&quests[2], 2, LAYOUT_panel16, 21);
}

Test(matrices, problems_that_differ_in_n_alone_read_one) {
    struct quest quests[5] = {quest_at(16, 1), quest_at(1, 1), quest_at(2, 1), quest_at(4, 1),
                              quest_at(1, 1)};
    problem_set(&quests[2].problem, "m", 512);
    problem_set(&quests[4].problem, "k", 512);
    static const int64_t sizes[] = {1, 4, 16};
    struct matrix_uses *list;
    cr_assert_eq(matrices_find(quests, 5, &list), 1);
    cr_assert_eq(list[0].n, 3);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(problem_get(&list[0].quest[i]->problem, "n"), sizes[i]);
    free(list);
    cr_assert_eq(matrices_find(quests + 3, 2, &list), 0, "two matrices, one n each");
    free(list);
}

Test(matrices, the_layout_is_best_for_all_n_together) {
    struct quest quests[3];
    struct matrix_uses *list;
    make_quests(quests);
    cr_assert_eq(matrices_find(quests, 3, &list), 1);
    const struct matrix_choice c = matrix_choose(list);
    cr_assert_eq(c.layout, &layouts[LAYOUT_panel16], "12 + 0.1 · 50 < 10 + 0.1 · 100");
    cr_assert_float_eq(c.cost_ns, 17, 1e-9);
    cr_assert_float_eq(c.worst, 1.2, 1e-9, "12 in place of 10 at n = 1");
    cr_assert_eq(c.decode, &layouts[LAYOUT_rows]);
    cr_assert_eq(c.prefill, &layouts[LAYOUT_panel16]);
    cr_assert_float_eq(c.two_cost_ns, 15, 1e-9);

    json_t *json = matrices_json(list, 1),
           *matrix = json_array_get(json_object_get(json, "matrices"), 0);
    cr_assert_float_eq(json_number_value(json_object_get(json, "worst_slowdown")), 1.2, 1e-9);
    cr_assert_str_eq(json_string_value(json_object_get(matrix, "problem")), "m=1024,k=1024,w=f32");
    cr_assert_str_eq(json_string_value(json_object_get(matrix, "layout")), "panel16");
    json_t *ranges = json_object_get(matrix, "ranges");
    cr_assert_eq(json_array_size(ranges), 2, "one configuration serves 1 and 4, another 16");
    cr_assert_eq(
        json_integer_value(json_array_get(json_object_get(json_array_get(ranges, 0), "n"), 1)), 4);
    cr_assert_float_eq(json_number_value(json_object_get(json_array_get(ranges, 0), "slowdown")),
                       1.2, 1e-9);
    json_decref(json);

    /* Where nothing is known in it, that is said, and not taken for the best. */
    cr_assert_eq(c.n_open, 0);
    quests[2].attempts[1].outcome = OUTCOME_WRONG;
    cr_assert_eq(matrix_choose(list).layout, &layouts[LAYOUT_panel16]);
    cr_assert_eq(matrix_choose(list).n_open, 1);
    json_t *one = matrix_json(list), *open = json_object_get(one, "open");
    cr_assert_eq(json_array_size(open), 1);
    cr_assert_eq(json_integer_value(json_array_get(open, 0)), 4);
    json_decref(one);

    /* What is not measured at every n that is used is no choice, however fast elsewhere. */
    quests[1].attempts[1].outcome = OUTCOME_WRONG;
    cr_assert_eq(matrix_choose(list).layout, &layouts[LAYOUT_rows]);
    quests[1].attempts[0].outcome = OUTCOME_WRONG;
    cr_assert_null(matrix_choose(list).layout);
    free(list);
    free_quests(quests, 3);
}

Test(matrices, the_best_of_every_n_and_layout_is_measured_first) {
    struct quest quests[3];
    struct matrix_uses *list;
    struct setting found[12];
    make_quests(quests);
    cr_assert_eq(matrices_find(quests, 3, &list), 1);
    /* At n = 16: its own best two, then what n = 1 and 4 have beside, then its second. */
    cr_assert_eq(matrix_candidates(list, 2, found, 12), 4);
    const int tm[] = {4, 1, 2, 8};
    for (int i = 0; i < 4; i++) cr_assert_eq(found[i].config.value[S_TM], tm[i], "%d", i);
    cr_assert_eq(matrix_candidates(list, 2, found, 2), 2);
    /* At n = 1 what wants 4 columns may not run. */
    quests[0].attempts[1].setting.config.value[S_TN] = 4;
    const size_t n = matrix_candidates(list, 0, found, 12);
    for (size_t i = 0; i < n; i++) cr_assert_neq(found[i].config.value[S_TN], 4);
    free(list);
    free_quests(quests, 3);
}

/* ---- steps ---- */

Test(cross, steps_say_what_is_theirs) {
    const struct setting settings[] = {setting_of(1, &layouts[LAYOUT_rows]),
                                       setting_of(2, &layouts[LAYOUT_panel16])};
    json_t *steps = json_array();
    cr_assert_null(cross_under_way(steps));
    cr_assert(!cross_has(steps, 0) && !cross_is_done(steps, 1));
    json_t *step = cross_begin(steps, 1, 10, settings, 2);
    cr_assert_eq(cross_under_way(steps), step);
    cr_assert(!cross_has(steps, 9) && cross_has(steps, 10) && cross_has(steps, 1000));
    cross_end(step, 12);
    cr_assert(cross_has(steps, 11) && !cross_has(steps, 12));
    cr_assert_null(cross_under_way(steps));
    cr_assert(cross_is_done(steps, 1) && !cross_is_done(steps, 2));
    cross_end(cross_begin(steps, 2, 20, settings, 1), 21);
    cr_assert_eq(cross_count(steps, 100), 3);
    cr_assert_eq(cross_count(steps, 11), 1);
    json_decref(steps);
}

Test(cross, nonsense_is_passed_over) {
    const char *const texts[] = {"[]", "[1]", "[{}]", "[{\"from\":\"x\",\"to\":3}]",
                                 "[{\"from\":1,\"settings\":[1,{}, {\"layout\":\"none\"}]}]"};
    struct quest quest = quest_at(16, 1);
    struct setting found[4];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *steps = json_loads(texts[i], 0, NULL);
        cr_assert_not_null(steps);
        cr_assert(!cross_has(steps, 0) && !cross_is_done(steps, 1));
        cr_assert_eq(cross_settings(json_array_get(steps, 0), &quest, found, 4), 0);
        json_decref(steps);
    }
}
