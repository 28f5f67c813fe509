/* Damage to files, the same in every run: set random_state first. */
#ifndef MR_TESTS_MUTATE_H
#define MR_TESTS_MUTATE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint64_t random_state;

static inline uint32_t random_below(uint32_t n) { /* xorshift64* */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * UINT64_C(0x2545f4914f6cdd1d)) >> 32) % n;
}

/* Changes a few bytes: to anything, to a neighbour's, or to what means something in the format
 * (`special`); or cuts the end off. Returns the new size. */
static inline size_t mutate(char *data, size_t size, const char *special) {
    if (size == 0) return 0;
    for (uint32_t n = random_below(3) ? 1 : 4; n > 0; n--) {
        size_t at = random_below((uint32_t)size);
        switch (random_below(4)) {
        case 0: data[at] = (char)random_below(256); break;
        case 1: data[at] = data[random_below((uint32_t)size)]; break;
        case 2: data[at] = special[random_below((uint32_t)strlen(special))]; break;
        default: data[at] ^= (char)(1 << random_below(8)); break;
        }
    }
    return random_below(8) ? size : random_below((uint32_t)size);
}

#endif
