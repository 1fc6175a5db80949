/* test_quest.c: what a quest makes of its attempts. */
#include "base/str.h"
#include "tuner/quest.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static struct attempt attempt(double time_ns, double floor_ns) {
    return (struct attempt){.setting = {.layout = &layouts[0]},
                            .outcome = OUTCOME_OK,
                            .time_ns = time_ns,
                            .floor_ns = floor_ns};
}

static bool is_at_floor(struct attempt first, struct attempt second) {
    struct attempt attempts[] = {first, second};
    const struct quest quest = {.attempts = attempts, .n_attempts = 2};
    return quest_is_at_floor(&quest);
}

/* Two launches cost what two launches cost; one would do. */
Test(quest, the_floor_is_that_of_the_cheapest_launch) {
    cr_assert_not(is_at_floor(attempt(513e3, 14e3), attempt(34e3, 28e3)));
    cr_assert(is_at_floor(attempt(513e3, 14e3), attempt(16.5e3, NAN)));
    cr_assert_not(is_at_floor(attempt(513e3, NAN), attempt(16.5e3, NAN)), "nothing is known");
}

/* A canary that took ten times as long makes no promise of a tenth; and where one final can be
 * afforded, it is that of what was seen to be the fastest. */
Test(quest, finalists_begin_with_the_fastest) {
    struct quest quest = {.problem = {.family = families[0], .layout = &layouts[0]}};
    struct attempt *who[3];
    const double times[] = {143e3, 18e3, 17e3};
    for (int i = 0; i < 3; i++) {
        struct evaluation e = {.outcome = OUTCOME_OK, .time_ns = times[i], .floor_ns = NAN};
        e.key.layout = text_copy("none");
        e.conditions = text_format("{\"undisturbed_ns\":%g}", i < 2 ? 14e3 : times[i]);
        quest_remember(&quest, &e);
        quest.attempts[i].setting.layout = &layouts[0];
        evaluation_free(&e);
    }
    cr_assert_eq(quest_finalists(&quest, who, 3), 2);
    cr_assert_eq(who[0]->time_ns, 17e3);
    cr_assert_eq(who[1]->time_ns, 18e3);
    cr_assert_eq(quest_finalists(&quest, who, 1), 1);
    cr_assert_eq(who[0]->time_ns, 17e3);
    free(quest.attempts);
}
