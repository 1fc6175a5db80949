/* test_quest.c: what a quest makes of its attempts. */
#include "tuner/quest.h"
#include <criterion/criterion.h>
#include <math.h>

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
