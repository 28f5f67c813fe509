#include "engine/pipeline/text/vocabulary.h"

#define MIN_SLOTS 16
/* Honest terms need a few dozen at most, even in vocabularies of millions. */
#define MAX_PROBES 1000

static uint64_t load_8(const char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* The last `size` <= 8 bytes of a term, as one number. */
static uint64_t load_last(const char *bytes, size_t size) {
    return size ? load_8(bytes) & UINT64_MAX >> (64 - 8 * size) : 0;
}

/* Both halves of the product, as in wyhash. */
static uint64_t mix(uint64_t a, uint64_t b) {
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_term(struct mr_str term) {
    const uint64_t factor = UINT64_C(0xe7037ed1a0b428db);
    uint64_t hash = UINT64_C(0xa0761d6478bd642f) ^ term.size;
    const char *at = term.data;
    size_t left = term.size;
    for (; left > 8; at += 8, left -= 8) hash = mix(hash ^ load_8(at), factor);
    hash = mix(hash ^ load_last(at, left), factor);
    return hash ^ hash >> 29;
}

static bool is_same(const char *a, const char *b, size_t size) {
    for (; size > 8; a += 8, b += 8, size -= 8) {
        if (load_8(a) != load_8(b)) return false;
    }
    return load_last(a, size) == load_last(b, size);
}

mr_status mr_text_vocabulary_init(struct mr_text_vocabulary *vocabulary, size_t n, size_t n_bytes,
                                  struct mr_arena *arena, struct mr_error *err) {
    if (n >= MR_TEXT_NONE / 2 || n_bytes >= UINT32_MAX) {
        return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %zu terms of %zu bytes yet", n,
                       n_bytes);
    }
    size_t n_slots = MIN_SLOTS;
    while (n_slots < 2 * n) n_slots *= 2;
    *vocabulary = (struct mr_text_vocabulary){.slot_mask = n_slots - 1};
    vocabulary->slots = mr_arena_array(arena, n_slots, sizeof(*vocabulary->slots));
    vocabulary->bytes = mr_arena_zalloc(arena, n_bytes + MR_TEXT_SLACK);
    if (!vocabulary->slots || !vocabulary->bytes) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < n_slots; i++) {
        vocabulary->slots[i] = (struct mr_text_slot){.number = MR_TEXT_NONE};
    }
    return MR_OK;
}

/* The slot that holds a term, or the free one where it belongs; NULL: too far from where it should
 * be. */
static struct mr_text_slot *find_slot(const struct mr_text_vocabulary *vocabulary,
                                      struct mr_str term, uint64_t hash) {
    uint32_t tag = (uint32_t)(hash >> 32);
    size_t at = hash & vocabulary->slot_mask;
    for (size_t i = 0; i < MAX_PROBES; i++, at = (at + 1) & vocabulary->slot_mask) {
        struct mr_text_slot *slot = &vocabulary->slots[at];
        if (slot->number == MR_TEXT_NONE) return slot;
        if (slot->tag == tag && slot->size == term.size &&
            is_same(vocabulary->bytes + slot->start, term.data, term.size)) {
            return slot;
        }
    }
    return NULL;
}

mr_status mr_text_vocabulary_add(struct mr_text_vocabulary *vocabulary, struct mr_str term,
                                 uint32_t number, bool *is_new, struct mr_error *err) {
    /* Its copy can be read beyond its end, and stays unless the term is there already. */
    char *copy = vocabulary->bytes + vocabulary->n_bytes;
    if (term.size) memcpy(copy, term.data, term.size);
    struct mr_str copied = {copy, term.size};
    uint64_t hash = hash_term(copied);
    struct mr_text_slot *slot = find_slot(vocabulary, copied, hash);
    if (!slot) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "no native engine for terms whose hashes are so much alike");
    }
    *is_new = slot->number == MR_TEXT_NONE;
    if (!*is_new) return MR_OK;
    *slot = (struct mr_text_slot){(uint32_t)(hash >> 32), number, vocabulary->n_bytes,
                                  (uint32_t)term.size};
    vocabulary->n++;
    vocabulary->n_bytes += (uint32_t)term.size;
    if (term.size > vocabulary->longest_bytes) vocabulary->longest_bytes = term.size;
    return MR_OK;
}

uint32_t mr_text_vocabulary_find(const struct mr_text_vocabulary *vocabulary, struct mr_str term) {
    const struct mr_text_slot *slot = find_slot(vocabulary, term, hash_term(term));
    return slot ? slot->number : MR_TEXT_NONE;
}
