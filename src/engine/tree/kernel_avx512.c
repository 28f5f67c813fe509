/* For processors with AVX-512 BW, VL, VBMI and VBMI2 (Ice Lake, Zen 4 and later). Registers hold a
 * byte for each of 64 rows, or for each of 64 trees. */
#include "engine/tree/rank_int.h"

#if defined(__AVX512VBMI2__)

#include <immintrin.h>

#define N_ROWS MR_TREE_BLOCK_ROWS

/* Ranks ------------------------------------------------------------------------------------- */

static inline size_t count_floats(const float *items, float value) {
    __m512 x = _mm512_set1_ps(value);
    return (size_t)_mm_popcnt_u32(_mm512_cmp_ps_mask(x, _mm512_loadu_ps(items), _CMP_NLE_UQ));
}

static inline size_t count_doubles(const double *items, double value) {
    __m512d x = _mm512_set1_pd(value);
    __mmask8 low = _mm512_cmp_pd_mask(x, _mm512_loadu_pd(items), _CMP_NLE_UQ);
    __mmask8 high = _mm512_cmp_pd_mask(x, _mm512_loadu_pd(items + 8), _CMP_NLE_UQ);
    return (size_t)_mm_popcnt_u32((uint32_t)low | (uint32_t)high << 8);
}

MR_TREE_DEFINE_FIND_RANKS(count_floats, count_doubles)
MR_TREE_DEFINE_RANK_WIDE
MR_TREE_DEFINE_RANK_ROW

/* The values of a column with 0 for NaN. Returns which ones are missing. */
static inline __mmask64 clean_floats(const struct mr_tree_table *table, const float *x,
                                     float *clean) {
    __mmask64 is_missing = 0;
    for (int i = 0; i < 4; i++) {
        __m512 value = _mm512_loadu_ps(x + 16 * i);
        __mmask16 is_number = _mm512_cmp_ps_mask(value, value, _CMP_ORD_Q), is_zero = 0;
        _mm512_storeu_ps(clean + 16 * i, _mm512_maskz_mov_ps(is_number, value));
        if (table->missing == MR_TREE_MISSING_ZERO) {
            is_zero = _mm512_cmp_ps_mask(_mm512_abs_ps(value), _mm512_set1_ps(MR_TREE_ZERO),
                                         _CMP_LE_OQ);
        }
        is_missing |= (__mmask64)(uint16_t)(~is_number | is_zero) << 16 * i;
    }
    return table->missing == MR_TREE_MISSING_NONE ? 0 : is_missing;
}

static inline __mmask64 clean_doubles(const struct mr_tree_table *table, const double *x,
                                      double *clean) {
    const __m512d zero = _mm512_set1_pd((double)MR_TREE_ZERO);
    __mmask64 is_missing = 0;
    for (int i = 0; i < 8; i++) {
        __m512d value = _mm512_loadu_pd(x + 8 * i);
        __mmask8 is_number = _mm512_cmp_pd_mask(value, value, _CMP_ORD_Q), is_zero = 0;
        _mm512_storeu_pd(clean + 8 * i, _mm512_maskz_mov_pd(is_number, value));
        if (table->missing == MR_TREE_MISSING_ZERO) {
            is_zero = _mm512_cmp_pd_mask(_mm512_abs_pd(value), zero, _CMP_LE_OQ);
        }
        is_missing |= (__mmask64)(uint8_t)(~is_number | is_zero) << 8 * i;
    }
    return table->missing == MR_TREE_MISSING_NONE ? 0 : is_missing;
}

/* The ranks of a column of a block, as they are, and which values are missing. */
static inline __mmask64 rank_column(const struct mr_tree_forest *forest,
                                    const struct mr_tree_scratch *scratch, size_t n_rows,
                                    const struct mr_tree_table *table, uint32_t *ranks) {
    union {
        float floats[N_ROWS];
        double doubles[N_ROWS];
    } clean;
    __mmask64 is_missing;
    if (forest->shape.has_double_inputs) {
        const double *x = (const double *)scratch->x + table->column * N_ROWS;
        is_missing = clean_doubles(table, x, clean.doubles);
        for (size_t r = 0; r < n_rows; r++) ranks[r] = find_rank_double(table, clean.doubles[r]);
    } else if (table->n_levels == 2) { /* the most frequent: up to 255 thresholds */
        const float *x = (const float *)scratch->x + table->column * N_ROWS;
        const float *top = table->levels[1], *thresholds = table->levels[0];
        is_missing = clean_floats(table, x, clean.floats);
        for (size_t r = 0; r < n_rows; r++) {
            size_t at = MR_TREE_FAN * count_floats(top, clean.floats[r]);
            ranks[r] = (uint32_t)(at + count_floats(thresholds + at, clean.floats[r]));
        }
    } else {
        const float *x = (const float *)scratch->x + table->column * N_ROWS;
        is_missing = clean_floats(table, x, clean.floats);
        for (size_t r = 0; r < n_rows; r++) ranks[r] = find_rank_float(table, clean.floats[r]);
    }
    return is_missing;
}

/* The ranks above `from` as bytes, 255 for what is larger. */
static inline __m512i narrow_ranks(const uint32_t *ranks, uint32_t from) {
    __m128i parts[4];
    for (int i = 0; i < 4; i++) {
        __m512i rank = _mm512_loadu_si512(ranks + 16 * i);
        rank = _mm512_sub_epi32(_mm512_max_epu32(rank, _mm512_set1_epi32((int)from)),
                                _mm512_set1_epi32((int)from));
        parts[i] = _mm512_cvtusepi32_epi8(rank);
    }
    __m256i low = _mm256_set_m128i(parts[1], parts[0]), high = _mm256_set_m128i(parts[3], parts[2]);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

static void write_narrow(const struct mr_tree_table *table, const uint32_t *ranks,
                         __mmask64 is_missing, uint8_t *narrow) {
    const __m512i most = _mm512_set1_epi8((char)UINT8_MAX);
    uint32_t i = 0;
    for (uint32_t from = 0; from < table->n; from += MR_TREE_NARROW_RANKS, i++) {
        __m512i here = narrow_ranks(ranks, from);
        if (table->narrow[0] != MR_TREE_NO_SLOT) {
            _mm512_storeu_si512(narrow + (table->narrow[0] + i) * N_ROWS,
                                _mm512_maskz_mov_epi8(~is_missing, here));
        }
        if (table->narrow[1] != MR_TREE_NO_SLOT) {
            _mm512_storeu_si512(narrow + (table->narrow[1] + i) * N_ROWS,
                                _mm512_mask_mov_epi8(here, is_missing, most));
        }
    }
}

static void rank_narrow(const struct mr_tree_forest *forest, const struct mr_tree_scratch *scratch,
                        size_t n_rows, uint8_t *ranks) {
    if (scratch->stride == 1) {
        rank_row(forest, scratch, ranks);
        return;
    }
    for (size_t t = 0; t < forest->ranking.n_tables; t++) {
        const struct mr_tree_table *table = &forest->ranking.tables[t];
        uint32_t all[N_ROWS];
        __mmask64 is_missing = rank_column(forest, scratch, n_rows, table, all);
        write_narrow(table, all, is_missing, ranks);
    }
    for (size_t i = 0; i < forest->ranking.n_choices; i++) {
        const struct mr_tree_choice *choice = &forest->ranking.choices[i];
        for (size_t r = 0; r < n_rows; r++) {
            double value = mr_tree_input(forest, scratch, choice->column, r);
            ranks[choice->narrow * N_ROWS + r] = !mr_tree_goes_left(choice, value);
        }
    }
}

/* Leaves ------------------------------------------------------------------------------------ */

/* What tables in registers hold. */
#define REGISTER_FLOATS ((uint32_t)64)
#define REGISTER_DOUBLES ((uint32_t)32)

/* Adds to each sum the value of its leaf, of at most REGISTER_FLOATS, which are readable. */
static inline void add_floats(const float *values, uint32_t n_leaves, __m512i leaves, float *sums) {
    uint8_t leaf[N_ROWS];
    __m512 parts[4];
    _mm512_storeu_si512(leaf, leaves);
    for (int i = 0; i < 4; i++) parts[i] = _mm512_loadu_ps(values + 16 * i);
    for (int i = 0; i < 4; i++) {
        __m512i at = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(leaf + 16 * i)));
        __m512 value = _mm512_permutex2var_ps(parts[0], at, parts[1]);
        if (n_leaves > 32) {
            __mmask16 is_high = _mm512_test_epi32_mask(at, _mm512_set1_epi32(32));
            __m512 high = _mm512_permutex2var_ps(parts[2], at, parts[3]);
            value = _mm512_mask_mov_ps(value, is_high, high);
        }
        float *to = sums + 16 * i;
        _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), value));
    }
}

static inline void add_doubles(const double *values, uint32_t n_leaves, __m512i leaves,
                               double *sums) {
    uint8_t leaf[N_ROWS];
    __m512d parts[4];
    _mm512_storeu_si512(leaf, leaves);
    for (int i = 0; i < 4; i++) parts[i] = _mm512_loadu_pd(values + 8 * i);
    for (int i = 0; i < 8; i++) {
        __m512i at = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(leaf + 8 * i)));
        __m512d value = _mm512_permutex2var_pd(parts[0], at, parts[1]);
        if (n_leaves > 16) {
            __mmask8 is_high = _mm512_test_epi64_mask(at, _mm512_set1_epi64(16));
            __m512d high = _mm512_permutex2var_pd(parts[2], at, parts[3]);
            value = _mm512_mask_mov_pd(value, is_high, high);
        }
        double *to = sums + 8 * i;
        _mm512_storeu_pd(to, _mm512_add_pd(_mm512_loadu_pd(to), value));
    }
}

static inline void add_leaves(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                              size_t n_rows, const struct mr_tree_sweep_tree *tree,
                              __m512i leaves) {
    const void *values = forest->sweep.values;
    uint32_t n_leaves = tree->n_splits + 1;
    bool is_double = forest->shape.has_double_sums;
    size_t to = tree->output * N_ROWS;
    if (forest->width == 1 && !is_double && n_leaves <= REGISTER_FLOATS) {
        add_floats((const float *)values + tree->first_leaf, n_leaves, leaves,
                   (float *)scratch->sums + to);
    } else if (forest->width == 1 && is_double && n_leaves <= REGISTER_DOUBLES) {
        add_doubles((const double *)values + tree->first_leaf, n_leaves, leaves,
                    (double *)scratch->sums + to);
    } else {
        uint8_t leaf[N_ROWS];
        _mm512_storeu_si512(leaf, leaves);
        mr_tree_add_rows(forest, scratch, n_rows, tree->first_leaf, tree->output, leaf);
    }
}

/* Sweeps, rows ------------------------------------------------------------------------------ */

/* A byte for each of 64 rows. next: 1 more than the number of the split. */
static inline __m512i pass(__m512i leaf, const struct mr_tree_sweep_split *split,
                           const uint8_t *ranks, __m512i next) {
    __m512i rank = _mm512_loadu_si512(ranks + split->slot * N_ROWS);
    __mmask64 is_right = _mm512_cmpgt_epu8_mask(rank, _mm512_set1_epi8((char)split->limit));
    is_right = _mm512_mask_cmpge_epu8_mask(is_right, leaf, _mm512_set1_epi8((char)split->first));
    return _mm512_mask_mov_epi8(leaf, is_right, next);
}

/* Two trees at once: a step in one need not wait for the last one in the other. */
static void sweep_rows(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                       size_t n_rows, size_t first, size_t end) {
    const struct mr_tree_sweep *sweep = &forest->sweep;
    const uint8_t *ranks = scratch->ranks;
    const __m512i one = _mm512_set1_epi8(1);
    for (size_t t = first; t < end; t += 2) {
        const struct mr_tree_sweep_tree *a = &sweep->trees[t];
        const struct mr_tree_sweep_tree *b = &sweep->trees[t + 1 < end ? t + 1 : t];
        const struct mr_tree_sweep_split *of_a = sweep->splits + a->first_split;
        const struct mr_tree_sweep_split *of_b = sweep->splits + b->first_split;
        __m512i in_a = _mm512_setzero_si512(), in_b = in_a, next = one;
        uint32_t v = 0, n_both = a->n_splits < b->n_splits ? a->n_splits : b->n_splits;
        for (; v < n_both; v++, next = _mm512_add_epi8(next, one)) {
            in_a = pass(in_a, &of_a[v], ranks, next);
            in_b = pass(in_b, &of_b[v], ranks, next);
        }
        for (uint32_t i = v; i < a->n_splits; i++) {
            in_a = pass(in_a, &of_a[i], ranks, _mm512_set1_epi8((char)(i + 1)));
        }
        for (uint32_t i = v; i < b->n_splits; i++) {
            in_b = pass(in_b, &of_b[i], ranks, _mm512_set1_epi8((char)(i + 1)));
        }
        add_leaves(forest, scratch, n_rows, a, in_a);
        if (t + 1 < end) add_leaves(forest, scratch, n_rows, b, in_b);
    }
}

/* Sweeps, one row --------------------------------------------------------------------------- */

#define MAX_ROW_SLOTS 256
#define N_TREES MR_TREE_SWEEP_TREES

/* The ranks of a row, in registers. */
struct row {
    int n_parts; /* that slots are in: 1, 2, 4 */
    __m512i parts[MAX_ROW_SLOTS / 64];
};

/* The ranks of 64 slots. */
static inline __m512i look_up(const struct row *row, __m512i slots) {
    if (row->n_parts == 1) return _mm512_permutexvar_epi8(slots, row->parts[0]);
    __m512i low = _mm512_permutex2var_epi8(row->parts[0], slots, row->parts[1]);
    if (row->n_parts == 2) return low;
    __m512i high = _mm512_permutex2var_epi8(row->parts[2], slots, row->parts[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(slots), low, high);
}

/* A group of 64 trees on its way through its splits. */
struct group {
    const uint8_t *from, *end;
    __m512i leaf; /* of each tree, so far */
};

static inline void pass_split(const struct row *row, struct group *group, __m512i next) {
    const uint8_t *from = group->from;
    __m512i rank = look_up(row, _mm512_loadu_si512(from));
    __mmask64 is_right = _mm512_cmpgt_epu8_mask(rank, _mm512_loadu_si512(from + N_TREES));
    is_right = _mm512_mask_cmpge_epu8_mask(is_right, group->leaf,
                                           _mm512_loadu_si512(from + 2 * N_TREES));
    group->leaf = _mm512_mask_mov_epi8(group->leaf, is_right, next);
    group->from += 3 * N_TREES;
}

/* Finds the leaves of two groups side by side, since each pass of one waits for the one before, and
 * meanwhile adds those of the groups before them, which wait for one addition after the other. */
static inline void sweep_groups(const struct row *row, struct group *a, struct group *b,
                                struct mr_tree_leaves *before) {
    const __m512i one = _mm512_set1_epi8(1);
    __m512i next = one;
    size_t n_a = (size_t)(a->end - a->from), n_b = (size_t)(b->end - b->from);
    size_t n_steps = (n_a > n_b ? n_a : n_b) / (3 * N_TREES);
    size_t n_each = n_steps ? 2 * N_TREES / n_steps + 1 : 0;
    for (size_t i = 0; i < n_steps; i++) {
        if (a->from < a->end) pass_split(row, a, next);
        if (b->from < b->end) pass_split(row, b, next);
        next = _mm512_add_epi8(next, one);
        mr_tree_add_leaves(before, n_each);
    }
    mr_tree_add_leaves(before, 2 * N_TREES);
}

/* Empty behind the last tree. */
static struct group begin_group(const struct mr_tree_sweep *sweep, size_t g, size_t end) {
    struct group group = {.leaf = _mm512_setzero_si512()};
    if (g * N_TREES >= end) return group;
    group.from = sweep->rows + sweep->row_starts[g];
    group.end = sweep->rows + sweep->row_starts[g + 1];
    return group;
}

static void sweep_row(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                      size_t first, size_t end) {
    uint32_t n_slots = forest->ranking.n_narrow;
    struct row row = {.n_parts = n_slots <= 64 ? 1 : n_slots <= 128 ? 2 : 4};
    for (int i = 0; i < 4; i++) {
        row.parts[i] = _mm512_loadu_si512((const uint8_t *)scratch->ranks + 64 * i);
    }
    uint8_t leaves[2][2 * N_TREES];
    struct mr_tree_leaves before = mr_tree_begin_leaves(forest, scratch);
    bool is_odd = false;
    for (size_t t = first; t < end; is_odd = !is_odd) {
        size_t g = t / N_TREES, stop = (g + 2) * N_TREES < end ? (g + 2) * N_TREES : end;
        struct group a = begin_group(&forest->sweep, g, end);
        struct group b = begin_group(&forest->sweep, g + 1, end);
        sweep_groups(&row, &a, &b, &before);
        _mm512_storeu_si512(leaves[is_odd], a.leaf);
        _mm512_storeu_si512(leaves[is_odd] + N_TREES, b.leaf);
        mr_tree_next_leaves(&before, leaves[is_odd] + t % N_TREES, t, stop);
        t = stop;
    }
    mr_tree_end_leaves(&before);
}

/* Walks ------------------------------------------------------------------------------------- */

/* Registers of paths that are followed together, and paths in each. */
#define N_REGISTERS 3
#define N_LANES 16

/* Wide ranks of a row, in registers. */
struct wide_row {
    int n_parts; /* that slots are in: 2, 4, 8 */
    __m512i parts[MR_TREE_WALK_RANKS / 32];
};

static inline __m512i look_up_64(const struct wide_row *row, int part, __m512i slots) {
    return _mm512_permutex2var_epi16(row->parts[part], slots, row->parts[part + 1]);
}

static inline __m512i look_up_128(const struct wide_row *row, int part, __m512i slots) {
    __mmask16 is_high = _mm512_test_epi32_mask(slots, _mm512_set1_epi32(64));
    return _mm512_mask_mov_epi32(look_up_64(row, part, slots), is_high,
                                 look_up_64(row, part + 2, slots));
}

/* The ranks that paths ask for, in the lower half of each lane, as are their slots. */
static inline __m512i look_up_wide(const struct wide_row *row, __m512i slots) {
    if (row->n_parts == 2) return look_up_64(row, 0, slots);
    if (row->n_parts == 4) return look_up_128(row, 0, slots);
    __mmask16 is_high = _mm512_test_epi32_mask(slots, _mm512_set1_epi32(128));
    return _mm512_mask_mov_epi32(look_up_128(row, 0, slots), is_high, look_up_128(row, 4, slots));
}

/* A path in each lane: where it is, its number and, of many rows, where the ranks of its own
 * begin. */
struct lanes {
    __m512i node, number, row;
};

/* Paths that have ended so far. */
struct ended {
    uint32_t n;
    uint32_t numbers[MR_TREE_WALK_PATHS + N_LANES], leaves[MR_TREE_WALK_PATHS + N_LANES];
};

/* Where the paths go: next, as in the node. row: of all of them, or NULL: ranks are gathered. */
static inline __m512i take_step(const struct mr_tree_walk_node *nodes, const struct wide_row *row,
                                const uint16_t *ranks, __m512i node, __m512i begin) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28,
                                           30);
    const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
    const __m512i low_half = _mm512_set1_epi32(UINT16_MAX);
    __m512i low = _mm512_i32gather_epi64(_mm512_castsi512_si256(node), nodes, sizeof(*nodes));
    __m512i high = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(node, 1), nodes,
                                          sizeof(*nodes));
    __m512i split = _mm512_permutex2var_epi32(low, even, high); /* slot, limit */
    __m512i next = _mm512_permutex2var_epi32(low, odd, high);   /* left, right */
    __m512i rank;
    if (row) {
        rank = look_up_wide(row, split);
    } else {
        __m512i at = _mm512_add_epi32(begin, _mm512_and_si512(split, low_half));
        rank = _mm512_i32gather_epi32(at, ranks, sizeof(*ranks));
    }
    rank = _mm512_and_si512(rank, low_half);
    __mmask16 is_right = _mm512_cmpgt_epu32_mask(rank, _mm512_srli_epi32(split, 16));
    return _mm512_mask_srli_epi32(_mm512_and_si512(next, low_half), is_right, next, 16);
}

/* Lets the paths go on, and others begin in the lanes of those that end: paths of the padding when
 * no others are left. begun: paths that have, so far. */
static inline void go_on(const struct mr_tree_paths *paths, __m512i next, struct lanes *lanes,
                         uint32_t *begun, struct ended *ended) {
    const __m512i count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __mmask16 ends = _mm512_test_epi32_mask(next, _mm512_set1_epi32((int)MR_TREE_WALK_LEAF));
    __mmask16 counts = _mm512_mask_cmplt_epu32_mask(ends, lanes->number,
                                                    _mm512_set1_epi32((int)paths->n));
    __m512i leaf = _mm512_and_si512(next, _mm512_set1_epi32((int)MR_TREE_WALK_LEAF - 1));
    _mm512_storeu_si512(ended->numbers + ended->n,
                        _mm512_maskz_compress_epi32(counts, lanes->number));
    _mm512_storeu_si512(ended->leaves + ended->n, _mm512_maskz_compress_epi32(counts, leaf));
    ended->n += (uint32_t)_mm_popcnt_u32(counts);
    __m512i roots = _mm512_loadu_si512(paths->roots + *begun);
    __m512i numbers = _mm512_add_epi32(count, _mm512_set1_epi32((int)*begun));
    lanes->node = _mm512_mask_expand_epi32(_mm512_add_epi32(lanes->node, next), ends, roots);
    lanes->number = _mm512_mask_expand_epi32(lanes->number, ends, numbers);
    lanes->row = _mm512_mask_expand_epi32(lanes->row, ends,
                                          _mm512_loadu_si512(paths->rows + *begun));
    *begun += (uint32_t)_mm_popcnt_u32(ends);
    if (*begun > paths->n) *begun = paths->n;
}

static inline void follow_with(const struct mr_tree_forest *forest, const struct wide_row *row,
                               const uint16_t *ranks, const struct mr_tree_paths *paths,
                               uint32_t *leaves) {
    uint32_t begun = 0;
    struct lanes lanes[N_REGISTERS];
    struct ended ended;
    ended.n = 0;
    for (int i = 0; i < N_REGISTERS; i++) { /* as if others ended that do not count */
        lanes[i] = (struct lanes){_mm512_setzero_si512(), _mm512_set1_epi32(-1),
                                  _mm512_setzero_si512()};
        go_on(paths, _mm512_set1_epi32((int)MR_TREE_WALK_LEAF), &lanes[i], &begun, &ended);
    }
    while (ended.n < paths->n) {
        __m512i next[N_REGISTERS];
        for (int i = 0; i < N_REGISTERS; i++) {
            next[i] = take_step(forest->walk.nodes, row, ranks, lanes[i].node, lanes[i].row);
        }
        for (int i = 0; i < N_REGISTERS; i++) go_on(paths, next[i], &lanes[i], &begun, &ended);
    }
    for (uint32_t i = 0; i < paths->n; i++) leaves[ended.numbers[i]] = ended.leaves[i];
}

static void follow_row(const struct mr_tree_forest *forest, const struct mr_tree_scratch *scratch,
                       const struct mr_tree_paths *paths, uint32_t *leaves) {
    uint32_t n_slots = forest->ranking.n_wide;
    struct wide_row row = {.n_parts = n_slots <= 64 ? 2 : n_slots <= 128 ? 4 : 8};
    for (int i = 0; i < 8; i++) {
        row.parts[i] = _mm512_loadu_si512((const uint16_t *)scratch->ranks + 32 * i);
    }
    follow_with(forest, &row, NULL, paths, leaves);
}

static void follow_rows(const struct mr_tree_forest *forest, const struct mr_tree_scratch *scratch,
                        const struct mr_tree_paths *paths, uint32_t *leaves) {
    follow_with(forest, NULL, scratch->ranks, paths, leaves);
}

/* Kernel ------------------------------------------------------------------------------------ */

static bool is_supported(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
}

const struct mr_tree_kernel mr_tree_avx512 = {
    .name = "avx512",
    .is_supported = is_supported,
    .rank_narrow = rank_narrow,
    .rank_wide = rank_wide,
    .sweep_rows = sweep_rows,
    .sweep_row = sweep_row,
    .max_row_slots = MAX_ROW_SLOTS,
    .follow_row = follow_row,
    .follow_rows = follow_rows,
};

#else

static bool is_supported(void) {
    return false;
}

const struct mr_tree_kernel mr_tree_avx512 = {.name = "avx512", .is_supported = is_supported};

#endif
