/* Forests against a plain evaluation of their ensembles: random trees, values on and beside every
 * threshold, all meanings of missing, all kernels of this processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena_fixture.h"
#include "engine/tree/forest_int.h"

/* Random ensembles -------------------------------------------------------------------------- */

static uint64_t random_state;

static uint32_t random_below(uint32_t n) {
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)((random_state >> 33) % n);
}

/* What ensembles are made of. */
struct recipe {
    bool has_double_inputs, has_double_sums, has_vector_leaves;
    uint32_t n_features, n_outputs;
    size_t n_trees;
    uint32_t n_splits; /* of a tree, at most */
    bool is_complete;  /* trees are as flat as they can be, and all have n_splits */
    uint32_t n_thresholds;
    uint32_t n_kinds;    /* 1: less; 2: less or equal, too; 3: categories, too */
    uint32_t n_missing;  /* mr_tree_missing below this */
    bool has_few_values; /* of leaves: most are alike */
    bool has_indices;    /* tree t adds to output t the number of the leaf's node */
    uint64_t n_seeds;    /* ensembles that are tried; 0: N_SEEDS */
};

#define N_SEEDS 12

static const double special[] = {0.0,           -0.0,     DBL_TRUE_MIN, -DBL_TRUE_MIN, FLT_TRUE_MIN,
                                 -FLT_TRUE_MIN, 1e-35,    -1e-35,       1e-34,         FLT_MAX,
                                 -FLT_MAX,      1e300,    -1e300,       INFINITY,      -INFINITY,
                                 NAN,           16777217, 0.1,          1.0,           -1.0};
#define N_SPECIAL (sizeof(special) / sizeof(*special))

static double random_threshold(const struct recipe *recipe) {
    uint32_t i = random_below(recipe->n_thresholds + 8);
    if (i < 8) return special[random_below(N_SPECIAL)];
    return ((double)i - recipe->n_thresholds / 2.0) * 0.37;
}

/* Sets of 0, 5, 40 categories. */
static struct mr_tree_set sets[3];

static void make_sets(void) {
    static const uint32_t bits[] = {0x15, 0xdeadbeef, 0x5a};
    sets[0] = (struct mr_tree_set){.bits = bits, .n_bits = 0, .is_negative_left = true};
    sets[1] = (struct mr_tree_set){.bits = bits,
                                   .n_bits = 5,
                                   .is_above_left = true,
                                   .is_negative_left = true,
                                   .is_fraction_negative = true};
    sets[2] = (struct mr_tree_set){.bits = bits + 1, .n_bits = 40};
}

/* The values of node i, a leaf. */
static void put_leaf(const struct recipe *recipe, uint32_t i, double *values) {
    for (size_t k = 0; k < (recipe->has_vector_leaves ? recipe->n_outputs : 1); k++) {
        uint32_t n = recipe->has_few_values ? 3 : 2000001;
        double value = ((double)random_below(n) - 1000000) / 777;
        values[k] = recipe->has_indices ? (double)i : (double)(float)value;
    }
}

static struct mr_tree make_tree(const struct recipe *recipe, uint32_t t, double *values,
                                size_t *n_values) {
    uint32_t n_splits = recipe->is_complete ? recipe->n_splits : random_below(recipe->n_splits + 1);
    uint32_t n_nodes = 2 * n_splits + 1;
    struct mr_tree_node *nodes = mr_arena_zalloc(arena, n_nodes * sizeof(*nodes));
    uint32_t *leaves = mr_arena_array(arena, n_nodes, sizeof(*leaves));
    uint32_t n_leaves = 1, first = 0;
    leaves[0] = 0;
    uint32_t depth_first = random_below(3);
    for (uint32_t i = 0; i < n_splits; i++) {
        uint32_t at = recipe->is_complete ? first++ : random_below(n_leaves);
        if (!recipe->is_complete && depth_first == 0) at = n_leaves - 1; /* a chain */
        struct mr_tree_node *node = &nodes[leaves[at]];
        node->kind = (uint8_t)(MR_TREE_LESS + random_below(recipe->n_kinds));
        node->missing = (uint8_t)random_below(recipe->n_missing);
        node->is_default_left = random_below(2);
        node->feature = random_below(recipe->n_features);
        node->threshold = random_threshold(recipe);
        node->index = random_below(3);
        node->left = (int32_t)(2 * i + 1);
        node->right = (int32_t)(2 * i + 2);
        if (recipe->is_complete) {
            leaves[n_leaves++] = 2 * i + 1;
        } else {
            leaves[at] = 2 * i + 1;
        }
        leaves[n_leaves++] = 2 * i + 2;
    }
    size_t n_each = recipe->has_vector_leaves ? recipe->n_outputs : 1;
    for (uint32_t i = 0; i < n_nodes; i++) {
        if (nodes[i].kind != MR_TREE_LEAF) continue;
        nodes[i].index = (uint32_t)*n_values;
        put_leaf(recipe, i, values + *n_values);
        *n_values += n_each;
    }
    uint32_t output = recipe->has_indices ? t : random_below(recipe->n_outputs);
    return (struct mr_tree){nodes, n_nodes, output};
}

static struct mr_tree_ensemble make_ensemble(const struct recipe *recipe) {
    size_t n_each = recipe->has_vector_leaves ? recipe->n_outputs : 1;
    size_t n_most = recipe->n_trees * (recipe->n_splits + 1) * n_each;
    double *values = mr_arena_array(arena, n_most, sizeof(*values));
    double *base = mr_arena_array(arena, recipe->n_outputs, sizeof(*base));
    struct mr_tree *trees = mr_arena_array(arena, recipe->n_trees, sizeof(*trees));
    for (uint32_t k = 0; k < recipe->n_outputs; k++) base[k] = 0.25 * k - 0.5;
    size_t n_values = 0;
    for (uint32_t t = 0; t < recipe->n_trees; t++) {
        trees[t] = make_tree(recipe, t, values, &n_values);
    }
    make_sets();
    return (struct mr_tree_ensemble){.has_double_inputs = recipe->has_double_inputs,
                                     .has_double_sums = recipe->has_double_sums,
                                     .n_features = recipe->n_features,
                                     .n_outputs = recipe->n_outputs,
                                     .has_vector_leaves = recipe->has_vector_leaves,
                                     .base = base,
                                     .n_trees = recipe->n_trees,
                                     .trees = trees,
                                     .n_sets = 3,
                                     .sets = sets,
                                     .n_values = n_values,
                                     .values = values};
}

/* Plain evaluation -------------------------------------------------------------------------- */

static bool is_in_set(const struct mr_tree_set *set, double x) {
    if (x < 0 && (set->is_fraction_negative || x <= -1)) return set->is_negative_left;
    double category = x < 0 ? 0 : floor(x);
    if (category >= (double)set->n_bits) return set->is_above_left;
    return set->bits[(uint32_t)category / 32] >> ((uint32_t)category % 32) & 1;
}

static bool goes_left(const struct mr_tree_ensemble *ensemble, const struct mr_tree_node *node,
                      double x) {
    if (node->kind == MR_TREE_CATEGORY) {
        return isnan(x) ? node->is_default_left : is_in_set(&ensemble->sets[node->index], x);
    }
    if (node->missing == MR_TREE_MISSING_NONE) {
        if (isnan(x)) x = 0;
    } else if (isnan(x) || (node->missing == MR_TREE_MISSING_ZERO && fabs(x) <= (double)1e-35F)) {
        return node->is_default_left;
    }
    return node->kind == MR_TREE_LESS ? x < node->threshold : x <= node->threshold;
}

static void evaluate(const struct mr_tree_ensemble *ensemble, const double *row, double *sums) {
    size_t n_outputs = ensemble->n_outputs;
    memcpy(sums, ensemble->base, n_outputs * sizeof(*sums));
    for (size_t t = 0; t < ensemble->n_trees; t++) {
        const struct mr_tree *tree = &ensemble->trees[t];
        const struct mr_tree_node *node = tree->nodes;
        while (node->kind != MR_TREE_LEAF) {
            bool is_left = goes_left(ensemble, node, row[node->feature]);
            node = &tree->nodes[is_left ? node->left : node->right];
        }
        for (size_t k = 0; k < (ensemble->has_vector_leaves ? n_outputs : 1); k++) {
            double *sum = &sums[ensemble->has_vector_leaves ? k : tree->output];
            *sum += ensemble->values[node->index + k];
            if (!ensemble->has_double_sums) *sum = (double)(float)*sum;
        }
    }
}

/* Comparison -------------------------------------------------------------------------------- */

static double random_input(const struct recipe *recipe) {
    double x = random_threshold(recipe);
    switch (random_below(6)) {
    case 0: x = nextafter(x, INFINITY); break;
    case 1: x = nextafter(x, -INFINITY); break;
    case 2: x = (double)nextafterf((float)x, INFINITY); break;
    case 3: x = floor(x); break;
    default: break;
    }
    return recipe->has_double_inputs ? x : (double)(float)x;
}

static void put_value(void *array, bool is_double, size_t i, double value) {
    if (is_double) {
        ((double *)array)[i] = value;
    } else {
        ((float *)array)[i] = (float)value;
    }
}

static double get_value(const void *array, bool is_double, size_t i) {
    return is_double ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

/* What is asked of a forest: n_rows rows in a scratch for n_most, of trees first .. end. */
struct question {
    size_t n_most, n_rows, first, end;
};

static void compare_rows(const struct recipe *recipe, const struct mr_tree_ensemble *ensemble,
                         const struct mr_tree_forest *forest, const struct question *question) {
    const struct mr_tree_shape *shape = mr_tree_forest_shape(forest);
    size_t n_features = recipe->n_features, n_rows = question->n_rows;
    struct mr_tree_scratch scratch;
    assert_int_equal(mr_tree_scratch_new(forest, question->n_most, arena, &scratch, NULL), MR_OK);
    double *rows = mr_arena_array(arena, n_rows * n_features, sizeof(*rows));
    double *sums = mr_arena_array(arena, recipe->n_outputs, sizeof(*sums));
    for (size_t i = 0; i < n_rows * n_features; i++) rows[i] = random_input(recipe);
    for (size_t i = 0; i < shape->n_columns; i++) {
        for (size_t r = 0; r < n_rows; r++) {
            put_value(scratch.x, recipe->has_double_inputs, i * scratch.stride + r,
                      rows[r * n_features + shape->columns[i]]);
        }
    }
    if (question->first == 0 && question->end == ensemble->n_trees) {
        mr_tree_forest_sum(forest, &scratch, n_rows);
    } else {
        mr_tree_forest_sum_range(forest, &scratch, n_rows, question->first, question->end);
    }
    struct mr_tree_ensemble part = *ensemble;
    part.trees += question->first;
    part.n_trees = question->end - question->first;
    for (size_t r = 0; r < n_rows; r++) {
        evaluate(&part, rows + r * n_features, sums);
        for (size_t k = 0; k < recipe->n_outputs; k++) {
            double got = get_value(scratch.sums, recipe->has_double_sums, k * scratch.stride + r);
            assert_memory_equal(&got, &sums[k], sizeof(got));
        }
    }
}

static void ask(const struct recipe *recipe, const struct mr_tree_ensemble *ensemble,
                const struct mr_tree_forest *forest) {
    static const size_t n_rows[] = {1, 2, 7, 31, 32, 33, 63, MR_TREE_BLOCK_ROWS};
    size_t n = ensemble->n_trees;
    for (size_t i = 0; i < sizeof(n_rows) / sizeof(*n_rows); i++) {
        compare_rows(recipe, ensemble, forest, &(struct question){n_rows[i], n_rows[i], 0, n});
    }
    const struct question others[] = {{MR_TREE_BLOCK_ROWS, 1, 0, n}, {1, 1, n / 3, n},
                                      {1, 1, n / 3, n / 2},          {5, 3, n / 3, n / 2},
                                      {1, 1, n / 2, n / 2},          {5, 3, 0, n / 2}};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        compare_rows(recipe, ensemble, forest, &others[i]);
    }
}

/* Kernels ----------------------------------------------------------------------------------- */

static const char *const kernels[] = {"scalar", "avx2", "avx512"};
#define N_KERNELS (sizeof(kernels) / sizeof(*kernels))

static bool has_kernel(size_t kernel) {
#if defined(__x86_64__)
    if (kernel == 1) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
    if (kernel == 2) return __builtin_cpu_supports("avx512vbmi");
#endif
    return kernel == 0;
}

/* The forest that a kernel makes; NULL where the processor lacks it. */
static const struct mr_tree_forest *build(const struct mr_tree_ensemble *ensemble, size_t kernel,
                                          struct mr_arena *scratch) {
    const struct mr_tree_forest *forest = NULL;
    struct mr_error err = {0};
    setenv("MLRACE_TREE_KERNEL", kernels[kernel], 1);
    mr_status status = mr_tree_forest_build(ensemble, arena, scratch, &forest, &err);
    unsetenv("MLRACE_TREE_KERNEL");
    if (!has_kernel(kernel)) {
        assert_int_equal(status, MR_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, "lacks its instructions"));
        return NULL;
    }
    if (status != MR_OK) print_message("%s\n", err.message);
    assert_int_equal(status, MR_OK);
    assert_string_equal(mr_tree_forest_shape(forest)->kernel, kernels[kernel]);
    return forest;
}

/* Forests that compare the values of single rows themselves; whose trees have tops; and whose
 * trees share leaves. */
static size_t n_direct, n_tops, n_shared;

static void count(const struct mr_tree_forest *forest) {
    const struct mr_tree_walk *walk = &forest->walk;
    n_direct += forest->direct.trees != NULL;
    n_tops += forest->top.forest != NULL;
    n_shared += walk->trees && forest->shape.n_trees > 1 && walk->trees[1].first_leaf == 0;
}

static void compare(const struct recipe *recipe) {
    struct mr_arena *kept = arena;
    for (uint64_t seed = 0; seed < (recipe->n_seeds ? recipe->n_seeds : N_SEEDS); seed++) {
        for (size_t kernel = 0; kernel < N_KERNELS; kernel++) {
            random_state = seed;
            arena = mr_arena_new(0, NULL);
            struct mr_arena *scratch = mr_arena_new(0, NULL);
            struct mr_tree_ensemble ensemble = make_ensemble(recipe);
            const struct mr_tree_forest *forest = build(&ensemble, kernel, scratch);
            mr_arena_free(scratch); /* a forest keeps nothing of it */
            if (forest) ask(recipe, &ensemble, forest);
            if (forest) count(forest);
            mr_arena_free(arena);
        }
    }
    arena = kept;
}

/* Shapes ------------------------------------------------------------------------------------ */

static void test_small(void **state) {
    (void)state;
    compare(&(struct recipe){.n_features = 3,
                             .n_outputs = 1,
                             .n_trees = 20,
                             .n_splits = 7,
                             .n_thresholds = 5,
                             .n_kinds = 3,
                             .n_missing = 3});
}

static void test_stumps(void **state) {
    (void)state;
    compare(&(struct recipe){.n_features = 9,
                             .n_outputs = 3,
                             .n_trees = 200,
                             .n_splits = 1,
                             .is_complete = true,
                             .n_thresholds = 300,
                             .n_kinds = 2,
                             .n_missing = 1});
}

static void test_complete(void **state) {
    (void)state;
    for (uint32_t depth = 1; depth <= 9; depth++) {
        compare(&(struct recipe){.n_features = 9,
                                 .n_outputs = 1 + depth % 2,
                                 .n_trees = depth <= 6 ? 70 : 5,
                                 .n_splits = (1u << depth) - 1,
                                 .is_complete = true,
                                 .n_thresholds = 400,
                                 .n_kinds = 1,
                                 .n_missing = 1,
                                 .n_seeds = 3});
    }
}

/* LightGBM's usual trees; ranks in one register of a row, in two, in four, and in too many. */
static void test_leafwise(void **state) {
    (void)state;
    static const uint32_t n_features[] = {4, 9, 18, 60};
    for (size_t i = 0; i < 4; i++) {
        compare(&(struct recipe){.has_double_inputs = true,
                                 .has_double_sums = true,
                                 .n_features = n_features[i],
                                 .n_outputs = 1 + (i == 1) * 2,
                                 .n_trees = 70,
                                 .n_splits = 30,
                                 .n_thresholds = 300,
                                 .n_kinds = 3,
                                 .n_missing = 3,
                                 .n_seeds = 6});
    }
}

/* The most leaves that fit a byte, and one more; more thresholds of a feature than fit a byte. */
static void test_bushy(void **state) {
    (void)state;
    for (uint32_t n_splits = 254; n_splits <= 256; n_splits++) {
        compare(&(struct recipe){.has_double_sums = n_splits % 2,
                                 .n_features = 3,
                                 .n_outputs = 1,
                                 .n_trees = 9,
                                 .n_splits = n_splits,
                                 .is_complete = true,
                                 .n_thresholds = 2000,
                                 .n_kinds = 2,
                                 .n_missing = 1,
                                 .n_seeds = 3});
        compare(&(struct recipe){.has_double_sums = true,
                                 .n_features = 40,
                                 .n_outputs = 1,
                                 .n_trees = 9,
                                 .n_splits = n_splits,
                                 .n_thresholds = 2000,
                                 .n_kinds = 2,
                                 .n_missing = 1,
                                 .n_seeds = 3});
    }
}

/* More ranks of a row than stay in the cache for a block. */
static void test_many_features(void **state) {
    (void)state;
    compare(&(struct recipe){.n_features = 3000,
                             .n_outputs = 1,
                             .n_trees = 70,
                             .n_splits = 30,
                             .n_thresholds = 50,
                             .n_kinds = 3,
                             .n_missing = 2,
                             .n_seeds = 2});
}

static void test_deep(void **state) {
    (void)state;
    compare(&(struct recipe){.has_double_inputs = true,
                             .has_double_sums = true,
                             .has_vector_leaves = true,
                             .n_features = 300,
                             .n_outputs = 3,
                             .n_trees = 5,
                             .n_splits = 3000,
                             .n_thresholds = 70000,
                             .n_kinds = 3,
                             .n_missing = 3,
                             .n_seeds = 4});
}

/* More leaves than a small node can tell, and more thresholds of a feature than fit two bytes. */
static void test_huge(void **state) {
    (void)state;
    compare(&(struct recipe){.n_features = 1,
                             .n_outputs = 1,
                             .n_trees = 3,
                             .n_splits = 140000,
                             .is_complete = true,
                             .n_thresholds = 1000000,
                             .n_kinds = 2,
                             .n_missing = 1,
                             .n_seeds = 1});
    for (uint32_t n_leaves = 32767; n_leaves <= 32769; n_leaves++) {
        compare(&(struct recipe){.n_features = 2,
                                 .n_outputs = 1,
                                 .n_trees = 1,
                                 .n_splits = n_leaves - 1,
                                 .is_complete = true,
                                 .n_thresholds = 1000,
                                 .n_kinds = 2,
                                 .n_missing = 1,
                                 .n_seeds = 1});
    }
}

/* Every tree for itself: which leaf each row ends at. */
static void test_leaf_indices(void **state) {
    (void)state;
    static const uint32_t n_splits[] = {1, 15, 63, 254, 2000};
    for (size_t i = 0; i < sizeof(n_splits) / sizeof(*n_splits); i++) {
        compare(&(struct recipe){.has_double_inputs = i % 2,
                                 .has_double_sums = i % 2,
                                 .n_features = 8,
                                 .n_outputs = 70,
                                 .n_trees = 70,
                                 .n_splits = n_splits[i],
                                 .n_thresholds = 60,
                                 .n_kinds = 3,
                                 .n_missing = 3,
                                 .has_indices = true,
                                 .n_seeds = 2});
    }
}

static void test_vector_leaves(void **state) {
    (void)state;
    compare(&(struct recipe){.has_vector_leaves = true,
                             .n_features = 5,
                             .n_outputs = 7,
                             .n_trees = 9,
                             .n_splits = 15,
                             .n_thresholds = 20,
                             .n_kinds = 3,
                             .n_missing = 1});
}

static void test_one_output_of_many(void **state) {
    (void)state;
    compare(&(struct recipe){.has_double_sums = true,
                             .has_vector_leaves = true,
                             .n_features = 5,
                             .n_outputs = 1,
                             .n_trees = 9,
                             .n_splits = 15,
                             .n_thresholds = 20,
                             .n_kinds = 2,
                             .n_missing = 2});
}

static void test_no_splits(void **state) {
    (void)state;
    compare(&(struct recipe){.n_features = 2,
                             .n_outputs = 2,
                             .n_trees = 3,
                             .n_splits = 0,
                             .n_thresholds = 2,
                             .n_kinds = 1,
                             .n_missing = 1});
    compare(&(struct recipe){.n_features = 0,
                             .n_outputs = 2,
                             .n_trees = 0,
                             .n_kinds = 1,
                             .n_thresholds = 2,
                             .n_missing = 1});
}

/* Large trees, more than one sweep finds the starts of; leaves that all have, and their own. */
static void test_tops(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 6; i++) {
        n_tops = n_shared = 0;
        compare(&(struct recipe){.has_double_inputs = i % 2,
                                 .has_double_sums = i != 2,
                                 .has_vector_leaves = i > 3,
                                 .n_features = 20,
                                 .n_outputs = 2,
                                 .n_trees = i < 2 ? 300 : 5,
                                 .n_splits = 400,
                                 .is_complete = i % 3 == 0,
                                 .n_thresholds = 3000,
                                 .n_kinds = i == 1 ? 3 : 2,
                                 .n_missing = 1 + i % 3,
                                 .has_few_values = i % 2 == 0,
                                 .n_seeds = 2});
        assert_true(has_kernel(2) ? n_tops > 0 : n_tops == 0);
        assert_true(i % 2 == 0 ? n_shared > 0 : n_shared == 0);
    }
}

/* Few trees, most of whose features are asked for once: no ranks. Most ensembles have no threshold
 * that is infinite or NaN, which they would need ranks for. */
static void test_direct(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        n_direct = 0;
        compare(&(struct recipe){.has_double_inputs = i % 2,
                                 .has_double_sums = i / 2 % 2,
                                 .has_vector_leaves = i == 5,
                                 .n_features = 100,
                                 .n_outputs = i < 4 ? 1 : 3,
                                 .n_trees = 4 + 4 * (i % 3),
                                 .n_splits = 9,
                                 .n_thresholds = 300,
                                 .n_kinds = 2,
                                 .n_missing = 1 + i % 3});
        assert_true(n_direct > N_SEEDS / 2);
    }
}

static void test_unknown_kernel(void **state) {
    (void)state;
    struct recipe recipe = {
        .n_features = 1, .n_outputs = 1, .n_kinds = 1, .n_thresholds = 1, .n_missing = 1};
    struct mr_tree_ensemble ensemble = make_ensemble(&recipe);
    const struct mr_tree_forest *forest = NULL;
    struct mr_error err = {0};
    setenv("MLRACE_TREE_KERNEL", "abacus", 1);
    assert_int_equal(mr_tree_forest_build(&ensemble, arena, arena, &forest, &err),
                     MR_E_UNSUPPORTED);
    assert_string_equal(
        err.message, "MLRACE_TREE_KERNEL is \"abacus\": the kernels are scalar, avx2 and avx512");
    unsetenv("MLRACE_TREE_KERNEL");
}

static void test_describe(void **state) {
    (void)state;
    struct recipe recipe = {.has_double_sums = true,
                            .n_features = 5,
                            .n_outputs = 1,
                            .n_trees = 200,
                            .n_splits = 1023,
                            .is_complete = true,
                            .n_thresholds = 100,
                            .n_kinds = 1,
                            .n_missing = 1};
    struct mr_tree_ensemble ensemble = make_ensemble(&recipe);
    struct mr_buf text;
    const struct mr_tree_forest *forest = build(&ensemble, 0, arena);
    const struct mr_tree_shape *shape = mr_tree_forest_shape(forest);
    assert_true(shape->n_bytes >= shape->n_splits * 8 + shape->n_leaves * 8);
    assert_true(shape->n_bytes < shape->n_splits * 9 + shape->n_leaves * 9);
    mr_buf_init(&text, arena);
    mr_tree_forest_describe(forest, &text);
    mr_buf_char(&text, '\0');
    assert_string_equal(text.data,
                        "  200 trees with 204800 leaves; kernel scalar; memory: 3.3 MB\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_stumps),
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_leafwise),
        cmocka_unit_test(test_bushy),
        cmocka_unit_test(test_many_features),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_leaf_indices),
        cmocka_unit_test(test_vector_leaves),
        cmocka_unit_test(test_one_output_of_many),
        cmocka_unit_test(test_no_splits),
        cmocka_unit_test(test_tops),
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_unknown_kernel),
        cmocka_unit_test(test_describe),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
