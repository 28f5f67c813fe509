#include <math.h>
#include <stdlib.h>

#include "engine/tree/forest_int.h"

/* A threshold, as an integer that sorts like it, and the node that has it. */
struct threshold {
    uint64_t key;
    uint32_t node;
};

struct builder {
    const struct mr_tree_ensemble *ensemble;
    struct mr_tree_flat *flat;
    struct mr_arena *arena, *scratch;
    struct mr_error *err;
    uint32_t *column_of; /* features to columns */
    size_t n_columns;
    struct mr_tree_table *tables;
    size_t n_tables;
    size_t *n_in_table;        /* nodes of each table */
    uint8_t (*has_default)[2]; /* tables: whether a node's default is left [0], right [1] */
};

/* Thresholds -------------------------------------------------------------------------------- */

/* The largest input that is less than, or less than or equal to, a threshold. False: none is. */
static bool find_largest(const struct mr_tree_node *node, bool is_double, double *out) {
    double t = node->threshold;
    bool is_less = node->kind == MR_TREE_LESS;
    if (isnan(t) || (is_less && t == -INFINITY)) return false;
    if (is_double) {
        *out = is_less ? nextafter(t, -INFINITY) : t;
    } else {
        float f = (float)t;
        bool is_too_large = is_less ? (double)f >= t : (double)f > t;
        *out = (double)(is_too_large ? nextafterf(f, -INFINITY) : f);
    }
    return true;
}

/* 0 for a threshold that nothing is less than or equal to; both zeros are one. */
static uint64_t key_of(const struct mr_tree_node *node, bool is_double) {
    double t;
    if (!find_largest(node, is_double, &t)) return 0;
    if (t == 0) t = 0;
    uint64_t bits;
    memcpy(&bits, &t, sizeof(bits));
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static double value_of(uint64_t key) {
    if (key == 0) return NAN;
    uint64_t bits = key >> 63 ? key & ~((uint64_t)1 << 63) : ~key;
    double t;
    memcpy(&t, &bits, sizeof(t));
    return t;
}

/* Sorts by key: least significant byte first; bytes that all keys share are skipped. */
static void sort_thresholds(struct threshold *items, struct threshold *other, size_t n) {
    struct threshold *start = items;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t counts[256] = {0};
        for (size_t i = 0; i < n; i++) counts[items[i].key >> shift & 255]++;
        if (counts[items[0].key >> shift & 255] == n) continue;
        size_t sum = 0;
        for (size_t b = 0; b < 256; b++) {
            size_t count = counts[b];
            counts[b] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++) other[counts[items[i].key >> shift & 255]++] = items[i];
        struct threshold *sorted = other;
        other = items;
        items = sorted;
    }
    if (items != start) memcpy(start, items, n * sizeof(*items));
}

/* Tables ------------------------------------------------------------------------------------ */

static bool is_numeric(const struct mr_tree_node *node) {
    return node->kind == MR_TREE_LESS || node->kind == MR_TREE_LESS_EQUAL;
}

static mr_status find_columns(struct builder *b, struct mr_tree_shape *shape) {
    uint32_t n_features = b->ensemble->n_features;
    b->column_of = mr_arena_zalloc(b->scratch, (size_t)n_features * sizeof(*b->column_of));
    if (!b->column_of) return mr_arena_fail(b->scratch, b->err);
    for (size_t i = 0; i < b->flat->n_nodes; i++) {
        const struct mr_tree_node *node = b->flat->nodes[i].source;
        if (node->kind != MR_TREE_LEAF) b->column_of[node->feature] = 1;
    }
    for (uint32_t f = 0; f < n_features; f++) b->n_columns += b->column_of[f];
    uint32_t *columns = mr_arena_array(b->arena, b->n_columns, sizeof(*columns));
    if (!columns) return mr_arena_fail(b->arena, b->err);
    uint32_t n = 0;
    for (uint32_t f = 0; f < n_features; f++) {
        if (!b->column_of[f]) continue;
        columns[n] = f;
        b->column_of[f] = n++;
    }
    shape->n_columns = b->n_columns;
    shape->columns = columns;
    return MR_OK;
}

/* One table for each column and meaning of missing that occurs. */
static mr_status find_tables(struct builder *b) {
    size_t n_kinds = MR_TREE_MISSING_NONE + 1;
    uint32_t *table_of = mr_arena_array(b->scratch, b->n_columns * n_kinds, sizeof(*table_of));
    b->tables = mr_arena_array(b->arena, b->n_columns * n_kinds, sizeof(*b->tables));
    b->n_in_table = mr_arena_zalloc(b->scratch, b->n_columns * n_kinds * sizeof(*b->n_in_table));
    b->has_default = mr_arena_zalloc(b->scratch, b->n_columns * n_kinds * 2);
    if (!b->tables) return mr_arena_fail(b->arena, b->err);
    if (!table_of || !b->n_in_table || !b->has_default) return mr_arena_fail(b->scratch, b->err);
    memset(table_of, 0xff, b->n_columns * n_kinds * sizeof(*table_of));
    for (size_t i = 0; i < b->flat->n_nodes; i++) {
        struct mr_tree_flat_node *node = &b->flat->nodes[i];
        const struct mr_tree_node *source = node->source;
        if (!is_numeric(source)) continue;
        uint32_t column = b->column_of[source->feature];
        uint32_t *table = &table_of[column * n_kinds + source->missing];
        if (*table == UINT32_MAX) {
            *table = (uint32_t)b->n_tables;
            b->tables[b->n_tables++] = (struct mr_tree_table){.column = column,
                                                              .missing = source->missing};
        }
        node->table = *table;
        b->n_in_table[*table]++;
        b->has_default[*table][!source->is_default_left] = 1;
    }
    return MR_OK;
}

/* Takes sorted thresholds into the table and gives each node its limit. */
static mr_status fill_table(struct builder *b, struct mr_tree_table *table,
                            const struct threshold *items, size_t n) {
    table->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && items[i].key != items[i - 1].key) table->n++;
        b->flat->nodes[items[i].node].rank = table->n;
    }
    table->n++;
    bool is_double = b->ensemble->has_double_inputs;
    void *thresholds = mr_arena_array(b->arena, table->n,
                                      is_double ? sizeof(double) : sizeof(float));
    if (!thresholds) return mr_arena_fail(b->arena, b->err);
    for (size_t i = 0; i < n; i++) {
        uint32_t rank = b->flat->nodes[items[i].node].rank;
        double value = value_of(items[i].key);
        if (is_double) {
            ((double *)thresholds)[rank] = value;
        } else {
            ((float *)thresholds)[rank] = (float)value;
        }
    }
    table->thresholds = thresholds;
    return MR_OK;
}

static mr_status fill_tables(struct builder *b) {
    size_t n = 0;
    size_t *starts = mr_arena_array(b->scratch, b->n_tables, sizeof(*starts));
    if (!starts) return mr_arena_fail(b->scratch, b->err);
    for (size_t t = 0; t < b->n_tables; t++) {
        starts[t] = n;
        n += b->n_in_table[t];
    }
    struct threshold *items = mr_arena_array(b->scratch, 2 * n, sizeof(*items));
    if (!items) return mr_arena_fail(b->scratch, b->err);
    for (size_t i = 0; i < b->flat->n_nodes; i++) {
        const struct mr_tree_flat_node *node = &b->flat->nodes[i];
        if (!is_numeric(node->source)) continue;
        items[starts[node->table]++] = (struct threshold){
            key_of(node->source, b->ensemble->has_double_inputs), (uint32_t)i};
    }
    for (size_t t = 0; t < b->n_tables; t++) {
        struct threshold *first = items + (starts[t] - b->n_in_table[t]);
        sort_thresholds(first, items + n, b->n_in_table[t]);
        MR_TRY(fill_table(b, &b->tables[t], first, b->n_in_table[t]));
    }
    return MR_OK;
}

/* Choices ----------------------------------------------------------------------------------- */

struct category_split {
    const struct mr_tree_node *node;
    const struct mr_tree_set *set;
    uint32_t flat;
};

static size_t n_words(const struct mr_tree_set *set) {
    return ((size_t)set->n_bits + 31) / 32;
}

static int compare_numbers(uint32_t a, uint32_t b) {
    return (a > b) - (a < b);
}

/* 0 for splits that decide alike. */
static int compare_splits(const void *left, const void *right) {
    const struct category_split *a = left, *b = right;
    int order = compare_numbers(a->node->feature, b->node->feature);
    if (order == 0) order = a->node->is_default_left - b->node->is_default_left;
    if (order == 0) order = a->set->is_above_left - b->set->is_above_left;
    if (order == 0) order = a->set->is_negative_left - b->set->is_negative_left;
    if (order == 0) order = a->set->is_fraction_negative - b->set->is_fraction_negative;
    if (order == 0) order = compare_numbers(a->set->n_bits, b->set->n_bits);
    if (order != 0 || a->set->bits == b->set->bits) return order;
    return memcmp(a->set->bits, b->set->bits, n_words(a->set) * sizeof(*a->set->bits));
}

static mr_status copy_choice(struct builder *b, const struct category_split *split,
                             struct mr_tree_choice *out) {
    size_t n = n_words(split->set);
    uint32_t *bits = mr_arena_array(b->arena, n, sizeof(*bits));
    if (!bits) return mr_arena_fail(b->arena, b->err);
    if (n) memcpy(bits, split->set->bits, n * sizeof(*bits));
    *out = (struct mr_tree_choice){.column = b->column_of[split->node->feature],
                                   .set = *split->set,
                                   .is_default_left = split->node->is_default_left};
    out->set.bits = bits;
    return MR_OK;
}

static mr_status make_choices(struct builder *b, struct mr_tree_ranking *out) {
    size_t n = 0;
    for (size_t i = 0; i < b->flat->n_nodes; i++) {
        n += b->flat->nodes[i].source->kind == MR_TREE_CATEGORY;
    }
    if (n == 0) return MR_OK;
    struct category_split *splits = mr_arena_array(b->scratch, n, sizeof(*splits));
    struct mr_tree_choice *choices = mr_arena_array(b->arena, n, sizeof(*choices));
    if (!splits) return mr_arena_fail(b->scratch, b->err);
    if (!choices) return mr_arena_fail(b->arena, b->err);
    n = 0;
    for (size_t i = 0; i < b->flat->n_nodes; i++) {
        const struct mr_tree_node *node = b->flat->nodes[i].source;
        if (node->kind != MR_TREE_CATEGORY) continue;
        splits[n++] = (struct category_split){node, &b->ensemble->sets[node->index], (uint32_t)i};
    }
    qsort(splits, n, sizeof(*splits), compare_splits);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || compare_splits(&splits[i - 1], &splits[i]) != 0) {
            MR_TRY(copy_choice(b, &splits[i], &choices[out->n_choices++]));
        }
        b->flat->nodes[splits[i].flat].table = (uint32_t)out->n_choices - 1;
        b->flat->nodes[splits[i].flat].rank = 0;
    }
    out->choices = choices;
    return MR_OK;
}

/* Slots ------------------------------------------------------------------------------------- */

static mr_status number_slots(struct builder *b, struct mr_tree_ranking *out) {
    size_t n_wide = 0;
    for (size_t t = 0; t < b->n_tables; t++) {
        struct mr_tree_table *table = &b->tables[t];
        size_t n = ((size_t)table->n + MR_TREE_WIDE_RANKS - 1) / MR_TREE_WIDE_RANKS;
        for (int d = 0; d < 2; d++) {
            table->wide[d] = b->has_default[t][d] ? (uint32_t)n_wide : MR_TREE_NO_SLOT;
            n_wide += b->has_default[t][d] ? n : 0;
        }
    }
    struct mr_tree_choice *choices = (struct mr_tree_choice *)(uintptr_t)out->choices;
    for (size_t i = 0; i < out->n_choices; i++) choices[i].wide = (uint32_t)n_wide++;
    if (n_wide > UINT16_MAX) {
        return mr_fail(b->err, MR_E_UNSUPPORTED,
                       "trees with so many features and sets of categories are not evaluated: %zu "
                       "slots, at most %d",
                       n_wide, UINT16_MAX);
    }
    out->n_wide = (uint32_t)n_wide;
    return MR_OK;
}

mr_status mr_tree_ranking_build(const struct mr_tree_ensemble *ensemble, struct mr_tree_flat *flat,
                                struct mr_arena *arena, struct mr_arena *scratch,
                                struct mr_tree_shape *shape, struct mr_tree_ranking *out,
                                struct mr_error *err) {
    struct builder b = {
        .ensemble = ensemble, .flat = flat, .arena = arena, .scratch = scratch, .err = err};
    *out = (struct mr_tree_ranking){0};
    MR_TRY(find_columns(&b, shape));
    MR_TRY(find_tables(&b));
    MR_TRY(fill_tables(&b));
    out->n_tables = b.n_tables;
    out->tables = b.tables;
    MR_TRY(make_choices(&b, out));
    return number_slots(&b, out);
}
