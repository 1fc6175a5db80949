/* hash.c: see hash.h. */
#include "base/hash.h"
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t hash_start(void) {
    return 0xcbf29ce484222325u;
}

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

uint64_t hash_text(uint64_t hash, const char *text) {
    return hash_bytes(hash, text, strlen(text) + 1);
}

uint64_t hash_short(const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    uint64_t hash = n;
    for (size_t i = 0; i < n; i += sizeof hash) {
        uint64_t word = 0;
        memcpy(&word, p + i, n - i < sizeof word ? n - i : sizeof word);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 32;
    }
    return hash;
}

void hash_hex(uint64_t hash, char text[17]) {
    snprintf(text, 17, "%016llx", (unsigned long long)hash);
}

/* Open addressing, at most half full; sizes are powers of two. The seed differs from run to run, so that
 * a hostile file cannot choose keys that collide. */
struct hash_map {
    struct slot {
        const void *key;
        size_t n;
        uint64_t hash;
        int value;
    } * slots;
    size_t size, used;
    uint64_t seed;
};

static uint64_t mixed(const struct hash_map *map, const void *key, size_t n) {
    uint64_t h = hash_bytes(hash_start() ^ map->seed, key, n);
    h ^= h >> 32;
    return h * 0x9e3779b97f4a7c15u ^ h >> 29;
}

struct hash_map *hash_map_open(size_t expected) {
    struct hash_map *map = memory_new(sizeof *map);
    map->size = 16;
    while (map->size < 2 * expected && map->size < (size_t)1 << 32) map->size *= 2;
    map->slots = memory_new(map->size * sizeof *map->slots);
    map->seed = (uint64_t)(uintptr_t)map->slots * 0x9e3779b97f4a7c15u;
    return map;
}

void hash_map_close(struct hash_map *map) {
    if (!map) return;
    free(map->slots);
    free(map);
}

static struct slot *slot_of(const struct hash_map *map, const void *key, size_t n, uint64_t hash) {
    size_t i = hash & (map->size - 1);
    for (;; i = (i + 1) & (map->size - 1)) {
        struct slot *slot = &map->slots[i];
        if (!slot->key) return slot;
        if (slot->hash == hash && slot->n == n && !memcmp(slot->key, key, n)) return slot;
    }
}

static void grow(struct hash_map *map) {
    struct slot *old = map->slots;
    const size_t old_size = map->size;
    map->size *= 2;
    map->slots = memory_new(map->size * sizeof *map->slots);
    for (size_t i = 0; i < old_size; i++)
        if (old[i].key) *slot_of(map, old[i].key, old[i].n, old[i].hash) = old[i];
    free(old);
}

bool hash_map_add(struct hash_map *map, const void *key, size_t n, int value) {
    if (2 * (map->used + 1) > map->size) grow(map);
    const uint64_t hash = mixed(map, key, n);
    struct slot *slot = slot_of(map, key, n, hash);
    if (slot->key) return false;
    *slot = (struct slot){n ? key : "", n, hash, value};
    map->used++;
    return true;
}

int hash_map_find(const struct hash_map *map, const void *key, size_t n) {
    const struct slot *slot = slot_of(map, key, n, mixed(map, key, n));
    return slot->key ? slot->value : -1;
}
