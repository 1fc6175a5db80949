/* test_hash.c: the published values of FNV-1a, and the map. */
#include "base/hash.h"
#include "base/str.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(hash, published_values_of_fnv1a) {
    cr_assert(hash_start() == 0xcbf29ce484222325u);
    cr_assert(hash_bytes(hash_start(), "a", 1) == 0xaf63dc4c8601ec8cu);
    cr_assert(hash_bytes(hash_start(), "foobar", 6) == 0x85944171f73967e8u);
}

Test(hash, texts_do_not_run_into_each_other) {
    const uint64_t first = hash_text(hash_text(hash_start(), "a"), "bc");
    cr_assert(first != hash_text(hash_text(hash_start(), "ab"), "c"));
    cr_assert(first == hash_text(hash_text(hash_start(), "a"), "bc"));
}

Test(hash, hex_has_sixteen_digits) {
    char text[17];
    hash_hex(0xabc, text);
    cr_assert_str_eq(text, "0000000000000abc");
}

Test(hash, map_finds_what_was_added_and_nothing_else) {
    enum { N = 20000 };
    char **keys = calloc(N, sizeof *keys);
    struct hash_map *map = hash_map_open(0);
    for (int i = 0; i < N; i++) {
        keys[i] = text_format("key %d", i);
        cr_assert(hash_map_add(map, keys[i], strlen(keys[i]), i));
    }
    for (int i = 0; i < N; i++) {
        char *again = text_format("key %d", i);
        cr_assert(hash_map_find(map, again, strlen(again)) == i);
        cr_assert(!hash_map_add(map, again, strlen(again), -7), "a key is new only once");
        cr_assert(hash_map_find(map, again, strlen(again)) == i, "the old value stays");
        free(again);
    }
    cr_assert(hash_map_find(map, "key", 3) == -1);
    hash_map_close(map);
    for (int i = 0; i < N; i++) free(keys[i]);
    free(keys);
}

Test(hash, map_takes_any_bytes) {
    struct hash_map *map = hash_map_open(4);
    cr_assert(hash_map_find(map, "", 0) == -1);
    cr_assert(hash_map_add(map, NULL, 0, 3));
    cr_assert(!hash_map_add(map, "", 0, 4));
    cr_assert(hash_map_find(map, "", 0) == 3);
    cr_assert(hash_map_add(map, "a\0b", 3, 1) && hash_map_add(map, "a\0c", 3, 2));
    cr_assert(hash_map_find(map, "a\0c", 3) == 2);
    hash_map_close(map);
    hash_map_close(NULL);
}
