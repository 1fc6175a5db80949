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

/* Two launches cost what two launches cost; one would do. */
Test(quest, the_floor_is_that_of_the_cheapest_launch) {
    struct attempt attempts[] = {attempt(513e3, 14e3), attempt(34e3, 28e3), attempt(44e3, NAN)};
    struct quest quest = {.attempts = attempts, .n_attempts = 3};
    cr_assert_not(quest_is_at_floor(&quest));
    attempts[2].time_ns = 16.5e3;
    cr_assert(quest_is_at_floor(&quest));
    attempts[0].floor_ns = attempts[1].floor_ns = NAN;
    cr_assert_not(quest_is_at_floor(&quest), "nothing is known of the floor");
}
