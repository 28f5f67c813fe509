#include "base/name_map.h"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#define SMALL_MAP 16 /* names up to which comparing all of them is cheaper than hashing */
#define MAX_NAMES ((size_t)1 << 31)

static uint64_t hash_key[2];

static void make_hash_key(void) {
    if (getrandom(hash_key, sizeof(hash_key), GRND_NONBLOCK) == (ssize_t)sizeof(hash_key)) return;
    struct timespec now; /* an early boot: weaker, yet still unknown to who sends requests */
    clock_gettime(CLOCK_REALTIME, &now);
    hash_key[0] = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    hash_key[1] = (uint64_t)(uintptr_t)&now;
}

static inline uint64_t rotate(uint64_t value, int bits) {
    return value << bits | value >> (64 - bits);
}

static inline void sip_round(uint64_t v[4]) {
    v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
    v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"). */
static uint32_t hash_name(struct mr_str name) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_hash_key);
    uint64_t v[4] = {hash_key[0] ^ 0x736f6d6570736575u, hash_key[1] ^ 0x646f72616e646f6du,
                     hash_key[0] ^ 0x6c7967656e657261u, hash_key[1] ^ 0x7465646279746573u};
    uint64_t word = 0;
    size_t at = 0;
    for (; name.size - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, name.data + at, sizeof(word));
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = 0;
    if (name.size > at) memcpy(&word, name.data + at, name.size - at);
    word |= (uint64_t)name.size << 56;
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(v);
    return (uint32_t)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

void mr_name_map_init(struct mr_name_map *map, struct mr_arena *arena) {
    *map = (struct mr_name_map){.arena = arena};
}

/* The slot that holds a name, or the free one where it belongs. */
static struct mr_name_slot *find_slot(const struct mr_name_map *map, struct mr_str name,
                                      uint32_t hash) {
    size_t mask = map->n_slots - 1;
    size_t at = hash & mask;
    for (;; at = (at + 1) & mask) {
        struct mr_name_slot *slot = &map->slots[at];
        if (!slot->place) return slot;
        if (slot->hash == hash && mr_str_equal(map->names[slot->place - 1], name)) return slot;
    }
}

static mr_status make_slots(struct mr_name_map *map, size_t n_slots, struct mr_error *err) {
    struct mr_name_slot *old = map->slots;
    size_t n_old = map->n_slots;
    struct mr_name_slot *slots = mr_arena_zalloc(map->arena, n_slots * sizeof(*slots));
    if (!slots) return mr_arena_fail(map->arena, err);
    map->slots = slots;
    map->n_slots = n_slots;
    for (size_t i = 0; !old && i < map->n; i++) {
        uint32_t hash = hash_name(map->names[i]);
        *find_slot(map, map->names[i], hash) = (struct mr_name_slot){hash, (uint32_t)i + 1};
    }
    for (size_t i = 0; i < n_old; i++) {
        size_t at = old[i].hash & (n_slots - 1);
        if (!old[i].place) continue;
        while (slots[at].place) at = (at + 1) & (n_slots - 1);
        slots[at] = old[i];
    }
    return MR_OK;
}

mr_status mr_name_map_reserve(struct mr_name_map *map, size_t n, struct mr_error *err) {
    if (n > MAX_NAMES) return mr_fail(err, MR_E_TOO_LARGE, "too many names");
    if (n > map->capacity) {
        struct mr_str *names = mr_arena_realloc(map->arena, map->names, map->n * sizeof(*names),
                                                n * sizeof(*names));
        if (!names) return mr_arena_fail(map->arena, err);
        map->names = names;
        map->capacity = n;
    }
    size_t n_slots = SMALL_MAP * 4;
    while (n_slots < 2 * n) n_slots *= 2;
    if (n <= SMALL_MAP || n_slots <= map->n_slots) return MR_OK;
    return make_slots(map, n_slots, err);
}

size_t mr_name_map_find(const struct mr_name_map *map, struct mr_str name) {
    if (map->slots) {
        uint32_t place = find_slot(map, name, hash_name(name))->place;
        return place ? place - 1 : MR_NAME_NONE;
    }
    for (size_t i = 0; i < map->n; i++) {
        if (mr_str_equal(map->names[i], name)) return i;
    }
    return MR_NAME_NONE;
}

mr_status mr_name_map_add(struct mr_name_map *map, struct mr_str name, size_t *index, bool *is_new,
                          struct mr_error *err) {
    *is_new = false;
    uint32_t hash = map->slots ? hash_name(name) : 0;
    if (map->slots) {
        uint32_t place = find_slot(map, name, hash)->place;
        *index = place ? place - 1 : MR_NAME_NONE;
    } else {
        *index = mr_name_map_find(map, name);
    }
    if (*index != MR_NAME_NONE) return MR_OK;
    if (map->n == map->capacity) {
        MR_TRY(mr_name_map_reserve(map, map->n ? map->n * 2 : SMALL_MAP, err));
        if (map->slots) hash = hash_name(name);
    }
    *is_new = true;
    *index = map->n;
    if (map->slots) {
        *find_slot(map, name, hash) = (struct mr_name_slot){hash, (uint32_t)map->n + 1};
    }
    map->names[map->n++] = name;
    return MR_OK;
}
