/* For processors with AVX2. Registers hold a byte for each of 32 rows, or for each of 32 trees;
 * blocks and groups take two. */
#include "engine/tree/rank_int.h"

#if defined(__AVX2__)

#include <immintrin.h>

#define HALF ((size_t)32)

/* Ranks ------------------------------------------------------------------------------------- */

static inline size_t count_floats(const float *items, float value) {
    __m256 x = _mm256_set1_ps(value);
    __m256 low = _mm256_cmp_ps(x, _mm256_loadu_ps(items), _CMP_NLE_UQ);
    __m256 high = _mm256_cmp_ps(x, _mm256_loadu_ps(items + 8), _CMP_NLE_UQ);
    unsigned bits = (unsigned)_mm256_movemask_ps(low) | (unsigned)_mm256_movemask_ps(high) << 8;
    return (size_t)__builtin_popcount(bits);
}

static inline size_t count_doubles(const double *items, double value) {
    __m256d x = _mm256_set1_pd(value);
    unsigned bits = 0;
    for (int i = 0; i < 4; i++) {
        __m256d is_above = _mm256_cmp_pd(x, _mm256_loadu_pd(items + 4 * i), _CMP_NLE_UQ);
        bits |= (unsigned)_mm256_movemask_pd(is_above) << 4 * i;
    }
    return (size_t)__builtin_popcount(bits);
}

MR_TREE_DEFINE_FIND_RANKS(count_floats, count_doubles)
MR_TREE_DEFINE_RANK_NARROW
MR_TREE_DEFINE_RANK_WIDE

/* Sweeps, rows ------------------------------------------------------------------------------ */

static inline __m256i load(const uint8_t *from) {
    return _mm256_loadu_si256((const __m256i *)from);
}

/* The leaves of 32 rows, or trees, after one more split. next: 1 more than its number. What leads
 * to the left excludes leaves from 255 on, where no leaf can be before its last split. */
static inline __m256i pass(__m256i leaf, __m256i rank, __m256i limit, __m256i first, __m256i next) {
    __m256i is_left = _mm256_cmpeq_epi8(_mm256_max_epu8(rank, limit), limit);
    __m256i from = _mm256_or_si256(first, is_left);
    __m256i is_excluded = _mm256_cmpeq_epi8(_mm256_max_epu8(leaf, from), leaf);
    return _mm256_blendv_epi8(leaf, next, is_excluded);
}

static void sweep_rows(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                       size_t n_rows, size_t first, size_t end) {
    const struct mr_tree_sweep *sweep = &forest->sweep;
    const __m256i one = _mm256_set1_epi8(1);
    uint8_t leaves[MR_TREE_BLOCK_ROWS];
    for (size_t t = first; t < end; t++) {
        const struct mr_tree_sweep_tree *tree = &sweep->trees[t];
        const struct mr_tree_sweep_split *split = sweep->splits + tree->first_split;
        __m256i low = _mm256_setzero_si256(), high = low, next = one;
        for (uint32_t v = 0; v < tree->n_splits; v++, split++) {
            const uint8_t *ranks = (const uint8_t *)scratch->ranks +
                                   split->slot * MR_TREE_BLOCK_ROWS;
            __m256i limit = _mm256_set1_epi8((char)split->limit);
            __m256i from = _mm256_set1_epi8((char)split->first);
            low = pass(low, load(ranks), limit, from, next);
            high = pass(high, load(ranks + HALF), limit, from, next);
            next = _mm256_add_epi8(next, one);
        }
        _mm256_storeu_si256((__m256i *)leaves, low);
        _mm256_storeu_si256((__m256i *)(leaves + HALF), high);
        mr_tree_add_rows(forest, scratch, n_rows, tree->first_leaf, tree->output, leaves);
    }
}

/* Sweeps, one row --------------------------------------------------------------------------- */

#define MAX_ROW_SLOTS 128
#define N_TREES MR_TREE_SWEEP_TREES

/* The ranks of a row, 16 in each half of a register. */
struct row {
    int n_parts;
    __m256i parts[MAX_ROW_SLOTS / 16];
};

/* The ranks of 32 slots. A shuffle gives 0 where the highest bit of a slot is set: adding 0x70
 * sets it for all but the 16 of a part. */
static inline __m256i look_up(const struct row *row, __m256i slots) {
    __m256i ranks = _mm256_setzero_si256();
    for (int i = 0; i < row->n_parts; i++) {
        __m256i at = _mm256_adds_epu8(slots, _mm256_set1_epi8(0x70));
        ranks = _mm256_or_si256(ranks, _mm256_shuffle_epi8(row->parts[i], at));
        slots = _mm256_sub_epi8(slots, _mm256_set1_epi8(16));
    }
    return ranks;
}

/* Finds the leaves of a group, and meanwhile adds those of the group before it, which waits for one
 * addition after the other. */
static inline void sweep_group(const struct row *row, const uint8_t *from, const uint8_t *end,
                               struct mr_tree_leaves *before, uint8_t *leaves) {
    const __m256i one = _mm256_set1_epi8(1);
    __m256i low = _mm256_setzero_si256(), high = low, next = one;
    size_t n_steps = (size_t)(end - from) / (3 * N_TREES);
    size_t n_each = n_steps ? N_TREES / n_steps + 1 : 0;
    for (; from < end; from += 3 * N_TREES) {
        low = pass(low, look_up(row, load(from)), load(from + N_TREES), load(from + 2 * N_TREES),
                   next);
        high = pass(high, look_up(row, load(from + HALF)), load(from + N_TREES + HALF),
                    load(from + 2 * N_TREES + HALF), next);
        next = _mm256_add_epi8(next, one);
        mr_tree_add_leaves(before, n_each);
    }
    mr_tree_add_leaves(before, N_TREES);
    _mm256_storeu_si256((__m256i *)leaves, low);
    _mm256_storeu_si256((__m256i *)(leaves + HALF), high);
}

static void sweep_row(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                      size_t first, size_t end) {
    const struct mr_tree_sweep *sweep = &forest->sweep;
    struct row row = {.n_parts = ((int)forest->ranking.n_narrow + 15) / 16};
    for (int i = 0; i < row.n_parts; i++) {
        const __m128i *part = (const __m128i *)scratch->ranks + i;
        row.parts[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128(part));
    }
    uint8_t leaves[2][N_TREES];
    struct mr_tree_leaves before = mr_tree_begin_leaves(forest, scratch);
    for (size_t t = first; t < end;) {
        size_t g = t / N_TREES, stop = (g + 1) * N_TREES < end ? (g + 1) * N_TREES : end;
        sweep_group(&row, sweep->rows + sweep->row_starts[g],
                    sweep->rows + sweep->row_starts[g + 1], &before, leaves[g % 2]);
        mr_tree_next_leaves(&before, leaves[g % 2] + t % N_TREES, t, stop);
        t = stop;
    }
    mr_tree_end_leaves(&before);
}

/* Kernel ------------------------------------------------------------------------------------ */

static bool is_supported(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
}

const struct mr_tree_kernel mr_tree_avx2 = {
    .name = "avx2",
    .is_supported = is_supported,
    .rank_narrow = rank_narrow,
    .rank_wide = rank_wide,
    .sweep_rows = sweep_rows,
    .sweep_row = sweep_row,
    .max_row_slots = MAX_ROW_SLOTS,
};

#else

static bool is_supported(void) {
    return false;
}

const struct mr_tree_kernel mr_tree_avx2 = {.name = "avx2", .is_supported = is_supported};

#endif
