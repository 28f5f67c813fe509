#include "api/split.h"

/* FNV-1a, and the last step of splitmix64: ids that differ little are far from each other. */
static uint64_t hash(struct mr_str text) {
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < text.size; i++) h = (h ^ (unsigned char)text.data[i]) * 0x100000001b3;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
    h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
    return h ^ (h >> 31);
}

size_t mr_split_choose(const struct mr_split *split, struct mr_str request_id) {
    uint64_t sum = 0;
    if (split->n == 0) return 0;
    for (size_t i = 0; i < split->n; i++) sum += split->shares[i].weight;
    /* The same part of the way from 0 to the sum as the hash's upper half of that to 2^32. */
    uint64_t at = (hash(request_id) >> 32) * sum >> 32;
    size_t i = 0;
    while (at >= split->shares[i].weight) at -= split->shares[i++].weight;
    return split->shares[i].model;
}
