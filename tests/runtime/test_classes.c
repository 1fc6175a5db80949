/* test_classes.c: "auto" compares perplexities of one text in one protocol, and of text enough. */
#include "runtime/classes.h"
#include "tests/results/records.h"

static const struct model model = {.fingerprint = "0123456789abcdef"};
static const int32_t text_a[] = {1, 2, 3, 4}, text_b[] = {1, 2, 3, 5};

static struct engine_perplexity measured(double ppl, const int32_t *ids) {
    return (struct engine_perplexity){.ppl = ppl,
                                      .predictions = 4088,
                                      .ids = ids,
                                      .n_ids = 4,
                                      .window = 512,
                                      .windows = 8,
                                      .kv_type = "f16"};
}

static void remember(struct store *store, const char *class_name, struct engine_perplexity p) {
    struct error err = {OK, ""};
    WELL(class_remember(store, &model, class_name, &p, &err));
}

static void chooses(struct store *store, bool is_known, enum class_id class, const char *when) {
    const struct class_choice choice = class_choose(store, &model);
    cr_assert(choice.is_known == is_known && choice.class == class, "%s: %d, %s, %g", when,
              choice.is_known, class_names[choice.class], choice.cost);
}

Test(classes, one_text_in_one_protocol_decides) {
    struct store *store = opened(database_new(), STORE_WRITE);
    chooses(NULL, false, CLASS_F32, "no database");
    chooses(store, false, CLASS_F32, "nothing recorded");
    remember(store, "f32", measured(20, text_a));
    chooses(store, false, CLASS_F32, "f32 alone");
    remember(store, "i8", measured(20.09, text_a));
    chooses(store, true, CLASS_I8, "half a percent at most");
    remember(store, "i8", measured(20.11, text_a));
    chooses(store, true, CLASS_F32, "more than half a percent");
    store_close(store);
}

Test(classes, another_text_or_protocol_is_not_compared) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct engine_perplexity other[5];
    for (int i = 0; i < 5; i++) other[i] = measured(15, text_a);
    other[0].ids = text_b;
    other[1].window = 256;
    other[2].windows = 4;
    other[3].has_bos = true;
    other[4].kv_type = "f32";
    remember(store, "f32", measured(20, text_a));
    for (int i = 0; i < 5; i++) {
        remember(store, "i8", other[i]);
        chooses(store, false, CLASS_F32, "another protocol");
    }
    remember(store, "i8", measured(30, text_a));
    chooses(store, true, CLASS_F32, "its own, beside the others");
    store_close(store);
}

Test(classes, a_short_text_decides_nothing) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct engine_perplexity shorter = measured(20, text_a);
    shorter.predictions = 1999;
    remember(store, "f32", shorter);
    remember(store, "i8", shorter);
    chooses(store, false, CLASS_F32, "1999 predictions");
    store_close(store);
}

Test(classes, facts_that_cannot_be_read_are_none) {
    static const char *const bad[] = {
        "[]",
        "{\"ppl\": 20, \"ctx\": 512}",
        "{\"x\": {\"ppl\": 0, \"predictions\": 9999}}",
        "{\"x\": {\"ppl\": \"20\", \"predictions\": 9999}}",
    };
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        WELL(store_fact_set(store, "class", "", "", "0123456789abcdef f32", bad[i], &err));
        WELL(store_fact_set(store, "class", "", "", "0123456789abcdef i8", bad[i], &err));
        chooses(store, false, CLASS_F32, bad[i]);
    }
    store_close(store);
}
