/* hash.h: FNV-1a, 64 bits, for keys of things we wrote ourselves; and a small text hash set so that
 * checks for duplicates in hostile files are linear. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t hash_start(void);
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n);
uint64_t hash_text(uint64_t hash,
                   const char *text); /* includes the closing NUL: "a","bc" ≠ "ab","c" */
/* Of few bytes in a large table, eight at a time; not for keys that are kept. */
uint64_t hash_short(const void *bytes, size_t n);
void hash_hex(uint64_t hash, char text[17]);

/* Map from byte strings to ints >= 0. Keys are not copied: they must outlive the map. */
struct hash_map;
struct hash_map *hash_map_open(size_t expected);
void hash_map_close(struct hash_map *map); /* NULL is fine */
/* Returns true when the key was new and has been set; false leaves the old value. */
bool hash_map_add(struct hash_map *map, const void *key, size_t n, int value);
int hash_map_find(const struct hash_map *map, const void *key, size_t n); /* −1: not there */
