#include "model/live.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/shard.h"

struct shard {
    _Alignas(64) atomic_int_fast64_t n; /* of one thread maybe negative: others give back */
};

struct mr_live_slot {
    struct shard counts[MR_N_SHARDS];     /* their sum: requests that have the version */
    _Atomic(struct mr_version *) version; /* NULL: the slot is free */
};

struct mr_live {
    _Atomic(struct mr_live_slot *) current;
    pthread_mutex_t lock; /* of whoever changes `current` or a slot's version */
    struct mr_live_slot slots[MR_LIVE_MAX_VERSIONS];
};

struct mr_live *mr_live_new(void) {
    struct mr_live *live = aligned_alloc(_Alignof(struct mr_live), sizeof(*live));
    if (!live) return NULL;
    memset(live, 0, sizeof(*live));
    pthread_mutex_init(&live->lock, NULL);
    return live;
}

void mr_live_free(struct mr_live *live) {
    if (!live) return;
    for (size_t i = 0; i < MR_LIVE_MAX_VERSIONS; i++) mr_version_free(live->slots[i].version);
    pthread_mutex_destroy(&live->lock);
    free(live);
}

/* NULL: there is none. Under the lock. */
static struct mr_live_slot *find_free(struct mr_live *live) {
    for (size_t i = 0; i < MR_LIVE_MAX_VERSIONS; i++) {
        if (!atomic_load(&live->slots[i].version)) return &live->slots[i];
    }
    return NULL;
}

static mr_status fail_full(struct mr_error *err) {
    return mr_fail(err, MR_E_BUSY, "%d versions of the model still have requests under way",
                   MR_LIVE_MAX_VERSIONS);
}

mr_status mr_live_check_room(struct mr_live *live, struct mr_error *err) {
    pthread_mutex_lock(&live->lock);
    bool has_room = find_free(live) != NULL;
    pthread_mutex_unlock(&live->lock);
    return has_room ? MR_OK : fail_full(err);
}

mr_status mr_live_put(struct mr_live *live, struct mr_version *version, struct mr_error *err) {
    pthread_mutex_lock(&live->lock);
    struct mr_live_slot *slot = find_free(live);
    if (slot) {
        version->slot = slot;
        atomic_store(&slot->version, version);
        atomic_store(&live->current, slot);
    }
    pthread_mutex_unlock(&live->lock);
    return slot ? MR_OK : fail_full(err);
}

/* All operations are sequentially consistent. Whoever finds its slot to be the current one after it
 * has counted itself there was counted before the slot was replaced, and so is in the sum of
 * whoever adds up the counts after that. */
struct mr_version *mr_live_take(struct mr_live *live) {
    unsigned own = mr_shard_own();
    struct mr_live_slot *slot = atomic_load(&live->current);
    while (slot) {
        atomic_fetch_add(&slot->counts[own].n, 1);
        struct mr_live_slot *now = atomic_load(&live->current);
        if (now == slot) return atomic_load(&slot->version);
        atomic_fetch_sub(&slot->counts[own].n, 1);
        slot = now;
    }
    return NULL;
}

void mr_live_give(struct mr_version *version) {
    atomic_fetch_sub(&version->slot->counts[mr_shard_own()].n, 1);
}

/* Of a slot that is not current the sum only falls, but for who has come too late and goes again;
 * that adds before it takes away. So 0 is true, in whatever order the shards are read. */
static bool is_unused(struct mr_live_slot *slot) {
    int_fast64_t sum = 0;
    for (size_t i = 0; i < MR_N_SHARDS; i++) sum += atomic_load(&slot->counts[i].n);
    return sum == 0;
}

unsigned mr_live_sweep(struct mr_live *live) {
    struct mr_version *unused[MR_LIVE_MAX_VERSIONS];
    unsigned n_unused = 0, n_used = 0;
    pthread_mutex_lock(&live->lock);
    for (size_t i = 0; i < MR_LIVE_MAX_VERSIONS; i++) {
        struct mr_live_slot *slot = &live->slots[i];
        struct mr_version *version = atomic_load(&slot->version);
        if (!version || slot == atomic_load(&live->current)) continue;
        if (is_unused(slot)) {
            unused[n_unused++] = version;
            atomic_store(&slot->version, NULL);
        } else {
            n_used++;
        }
    }
    pthread_mutex_unlock(&live->lock);
    for (unsigned i = 0; i < n_unused; i++) mr_version_free(unused[i]);
    return n_used;
}
