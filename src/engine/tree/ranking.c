#include <math.h>
#include <stdlib.h>

#include "engine/tree/forest_int.h"

/* A threshold, as an integer that sorts like it, and the node that has it. The integer's halves
 * apart make it 12 bytes, and the lower one of a float is 0. */
struct threshold {
    uint32_t key[2]; /* low, high */
    uint32_t node;
};

struct builder {
    struct mr_tree_build *b;
    struct mr_tree_table *tables;
    size_t n_tables;
    size_t *n_in_table;        /* splits of each table */
    uint8_t (*has_default)[2]; /* tables: whether a split's default is left [0], right [1] */
    size_t n_categories;       /* splits by categories */
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
    if (is_double) {
        uint64_t bits;
        memcpy(&bits, &t, sizeof(bits));
        return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
    }
    float f = (float)t;
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    return (uint64_t)(bits >> 31 ? ~bits : bits | (uint32_t)1 << 31) << 32;
}

static void put_threshold(void *thresholds, bool is_double, size_t i, uint64_t key) {
    if (is_double) {
        uint64_t bits = key >> 63 ? key & ~((uint64_t)1 << 63) : ~key;
        if (key == 0) ((double *)thresholds)[i] = NAN;
        if (key != 0) memcpy((double *)thresholds + i, &bits, sizeof(bits));
        return;
    }
    uint32_t high = (uint32_t)(key >> 32);
    uint32_t bits = high >> 31 ? high & ~((uint32_t)1 << 31) : ~high;
    if (key == 0) ((float *)thresholds)[i] = NAN;
    if (key != 0) memcpy((float *)thresholds + i, &bits, sizeof(bits));
}

static uint64_t key_at(const struct threshold *item) {
    return (uint64_t)item->key[1] << 32 | item->key[0];
}

/* What is sorted by inserting. */
#define FEW_THRESHOLDS 32

static void sort_few(struct threshold *items, size_t n) {
    for (size_t i = 1; i < n; i++) {
        struct threshold item = items[i];
        size_t at = i;
        for (; at > 0 && key_at(&items[at - 1]) > key_at(&item); at--) items[at] = items[at - 1];
        items[at] = item;
    }
}

/* Sorts by key: least significant byte first; bytes that all keys share are skipped. */
static void sort_thresholds(struct threshold *items, struct threshold *other, size_t n) {
    size_t counts[8][256] = {0};
    struct threshold *start = items;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = key_at(&items[i]);
        for (unsigned byte = 0; byte < 8; byte++) counts[byte][key >> 8 * byte & 255]++;
    }
    for (unsigned byte = 0; byte < 8; byte++) {
        size_t sum = 0, *starts = counts[byte];
        if (starts[key_at(&items[0]) >> 8 * byte & 255] == n) continue;
        for (size_t b = 0; b < 256; b++) {
            size_t count = starts[b];
            starts[b] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++) {
            other[starts[items[i].key[byte / 4] >> byte % 4 * 8 & 255]++] = items[i];
        }
        struct threshold *sorted = other;
        other = items;
        items = sorted;
    }
    if (items != start) memcpy(start, items, n * sizeof(*items));
}

/* Tables ------------------------------------------------------------------------------------ */

/* Whether a node is a split that is evaluated, and one that compares with a threshold. */
static bool is_split(const struct mr_tree_build *b, const struct mr_tree_node *node,
                     size_t number) {
    return b->is_reachable[number] && node->kind != MR_TREE_LEAF;
}

static bool is_numeric(const struct mr_tree_build *b, const struct mr_tree_node *node,
                       size_t number) {
    return is_split(b, node, number) && node->kind != MR_TREE_CATEGORY;
}

static mr_status find_columns(struct mr_tree_build *b) {
    uint32_t n_features = b->ensemble->n_features;
    struct mr_tree_shape *shape = &b->forest->shape;
    b->column_of = mr_arena_zalloc(b->scratch, (size_t)n_features * sizeof(*b->column_of));
    if (!b->column_of) return mr_arena_fail(b->scratch, b->err);
    for (size_t t = 0; t < b->ensemble->n_trees; t++) {
        const struct mr_tree *tree = &b->ensemble->trees[t];
        for (uint32_t i = 0; i < tree->n_nodes; i++) {
            const struct mr_tree_node *node = &tree->nodes[i];
            if (is_split(b, node, b->first_nodes[t] + i)) b->column_of[node->feature] = 1;
        }
    }
    for (uint32_t f = 0; f < n_features; f++) shape->n_columns += b->column_of[f];
    uint32_t *columns = mr_tree_new_array(b, shape->n_columns, sizeof(*columns));
    if (!columns) return mr_arena_fail(b->arena, b->err);
    uint32_t n = 0;
    for (uint32_t f = 0; f < n_features; f++) {
        if (!b->column_of[f]) continue;
        columns[n] = f;
        b->column_of[f] = n++;
    }
    shape->columns = columns;
    return MR_OK;
}

/* The table of a split; a new one where there is none yet. */
static uint32_t take_table(struct builder *c, const struct mr_tree_node *node) {
    uint32_t column = c->b->column_of[node->feature];
    uint32_t *table = &c->b->table_of[column][node->missing];
    if (*table == UINT32_MAX) {
        *table = (uint32_t)c->n_tables;
        c->tables[c->n_tables++] = (struct mr_tree_table){.column = column,
                                                          .missing = node->missing};
    }
    return *table;
}

/* One table for each column and meaning of missing that occurs. */
static mr_status find_tables(struct builder *c) {
    struct mr_tree_build *b = c->b;
    size_t n_kinds = MR_TREE_MISSING_NONE + 1, n_most = b->forest->shape.n_columns * n_kinds;
    b->table_of = mr_arena_array(b->scratch, n_most, sizeof(**b->table_of));
    c->tables = mr_tree_new_array(b, n_most, sizeof(*c->tables));
    c->n_in_table = mr_arena_zalloc(b->scratch, n_most * sizeof(*c->n_in_table));
    c->has_default = mr_arena_zalloc(b->scratch, n_most * sizeof(*c->has_default));
    if (!c->tables) return mr_arena_fail(b->arena, b->err);
    if (!b->table_of || !c->n_in_table || !c->has_default) return mr_arena_fail(b->scratch, b->err);
    memset(b->table_of, 0xff, n_most * sizeof(**b->table_of));
    for (size_t t = 0; t < b->ensemble->n_trees; t++) {
        const struct mr_tree *tree = &b->ensemble->trees[t];
        for (uint32_t i = 0; i < tree->n_nodes; i++) {
            const struct mr_tree_node *node = &tree->nodes[i];
            if (!is_split(b, node, b->first_nodes[t] + i)) continue;
            if (node->kind == MR_TREE_CATEGORY) {
                c->n_categories++;
                continue;
            }
            uint32_t table = take_table(c, node);
            c->n_in_table[table]++;
            c->has_default[table][!node->is_default_left] = 1;
        }
    }
    return MR_OK;
}

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

static void put_infinities(void *items, bool is_double, size_t from, size_t end) {
    for (size_t i = from; i < end; i++) {
        if (is_double) {
            ((double *)items)[i] = INFINITY;
        } else {
            ((float *)items)[i] = INFINITY;
        }
    }
}

/* A level above another has the last item of each of its stretches. Items behind the end are
 * infinite, so that a search never goes there. */
static mr_status add_levels(struct mr_tree_build *b, struct mr_tree_table *table) {
    bool is_double = b->ensemble->has_double_inputs;
    size_t item_bytes = is_double ? sizeof(double) : sizeof(float);
    size_t n = round_up((size_t)table->n + 1, MR_TREE_FAN);
    for (table->n_levels = 1; n > MR_TREE_FAN; table->n_levels++) {
        const char *below = table->levels[table->n_levels - 1];
        size_t n_used = n / MR_TREE_FAN, n_above = round_up(n_used, MR_TREE_FAN);
        char *level = mr_tree_new_array(b, n_above, item_bytes);
        if (!level) return mr_arena_fail(b->arena, b->err);
        put_infinities(level, is_double, n_used, n_above);
        for (size_t i = 0; i < n_used; i++) {
            size_t last = i * MR_TREE_FAN + MR_TREE_FAN - 1;
            memcpy(level + i * item_bytes, below + last * item_bytes, item_bytes);
        }
        table->levels[table->n_levels] = level;
        n = n_above;
    }
    return MR_OK;
}

/* Takes sorted thresholds into the table and gives each split its rank. */
static mr_status fill_table(struct mr_tree_build *b, struct mr_tree_table *table,
                            const struct threshold *items, size_t n) {
    bool is_double = b->ensemble->has_double_inputs;
    table->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && key_at(&items[i]) != key_at(&items[i - 1])) table->n++;
        b->codes[items[i].node] = table->n;
    }
    table->n++;
    size_t n_padded = round_up((size_t)table->n + 1, MR_TREE_FAN);
    void *level = mr_tree_new_array(b, n_padded, is_double ? sizeof(double) : sizeof(float));
    if (!level) return mr_arena_fail(b->arena, b->err);
    put_infinities(level, is_double, table->n, n_padded);
    for (size_t i = 0; i < n; i++) {
        put_threshold(level, is_double, b->codes[items[i].node], key_at(&items[i]));
    }
    table->levels[0] = level;
    return add_levels(b, table);
}

/* Puts the thresholds of all splits into items, those of a table side by side; starts[t] is where
 * those of table t end then. */
static void collect_thresholds(const struct builder *c, size_t *starts, struct threshold *items) {
    const struct mr_tree_build *b = c->b;
    bool is_double = b->ensemble->has_double_inputs;
    for (size_t t = 0; t < b->ensemble->n_trees; t++) {
        const struct mr_tree *tree = &b->ensemble->trees[t];
        for (uint32_t i = 0; i < tree->n_nodes; i++) {
            const struct mr_tree_node *node = &tree->nodes[i];
            size_t number = b->first_nodes[t] + i;
            if (!is_numeric(b, node, number)) continue;
            uint32_t table = b->table_of[b->column_of[node->feature]][node->missing];
            uint64_t key = key_of(node, is_double);
            items[starts[table]++] = (struct threshold){{(uint32_t)key, (uint32_t)(key >> 32)},
                                                        (uint32_t)number};
        }
    }
}

static mr_status fill_tables(const struct builder *c) {
    const struct mr_tree_build *b = c->b;
    size_t n = 0, n_most = 0;
    size_t *starts = mr_arena_array(b->scratch, c->n_tables, sizeof(*starts));
    if (!starts) return mr_arena_fail(b->scratch, b->err);
    for (size_t t = 0; t < c->n_tables; t++) {
        starts[t] = n;
        n += c->n_in_table[t];
        if (c->n_in_table[t] > n_most) n_most = c->n_in_table[t];
    }
    struct threshold *items = mr_arena_array(b->scratch, n, sizeof(*items));
    struct threshold *other = mr_arena_array(b->scratch, n_most, sizeof(*items));
    if (!items || !other) return mr_arena_fail(b->scratch, b->err);
    collect_thresholds(c, starts, items);
    for (size_t t = 0; t < c->n_tables; t++) {
        struct threshold *first = items + (starts[t] - c->n_in_table[t]);
        if (c->n_in_table[t] <= FEW_THRESHOLDS) {
            sort_few(first, c->n_in_table[t]);
        } else {
            sort_thresholds(first, other, c->n_in_table[t]);
        }
        MR_TRY(fill_table(c->b, &c->tables[t], first, c->n_in_table[t]));
    }
    mr_arena_discard(b->scratch, items, n * sizeof(*items));
    return MR_OK;
}

/* Choices ----------------------------------------------------------------------------------- */

struct category_split {
    const struct mr_tree_node *node;
    const struct mr_tree_set *set;
    size_t number; /* of the node */
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

static mr_status copy_choice(struct mr_tree_build *b, const struct category_split *split,
                             struct mr_tree_choice *out) {
    size_t n = n_words(split->set);
    uint32_t *bits = mr_tree_new_array(b, n, sizeof(*bits));
    if (!bits) return mr_arena_fail(b->arena, b->err);
    if (n) memcpy(bits, split->set->bits, n * sizeof(*bits));
    *out = (struct mr_tree_choice){.column = b->column_of[split->node->feature],
                                   .set = *split->set,
                                   .is_default_left = split->node->is_default_left};
    out->set.bits = bits;
    return MR_OK;
}

static void collect_categories(const struct mr_tree_build *b, struct category_split *splits) {
    for (size_t t = 0; t < b->ensemble->n_trees; t++) {
        const struct mr_tree *tree = &b->ensemble->trees[t];
        for (uint32_t i = 0; i < tree->n_nodes; i++) {
            const struct mr_tree_node *node = &tree->nodes[i];
            size_t number = b->first_nodes[t] + i;
            if (!is_split(b, node, number) || node->kind != MR_TREE_CATEGORY) continue;
            *splits++ = (struct category_split){node, &b->ensemble->sets[node->index], number};
        }
    }
}

static mr_status make_choices(const struct builder *c, struct mr_tree_choice **out,
                              size_t *n_choices) {
    struct mr_tree_build *b = c->b;
    size_t n = c->n_categories;
    *n_choices = 0;
    struct category_split *splits = mr_arena_array(b->scratch, n, sizeof(*splits));
    struct mr_tree_choice *choices = mr_tree_new_array(b, n, sizeof(*choices));
    if (!splits) return mr_arena_fail(b->scratch, b->err);
    if (!choices) return mr_arena_fail(b->arena, b->err);
    collect_categories(b, splits);
    qsort(splits, n, sizeof(*splits), compare_splits);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || compare_splits(&splits[i - 1], &splits[i]) != 0) {
            MR_TRY(copy_choice(b, &splits[i], &choices[(*n_choices)++]));
        }
        b->codes[splits[i].number] = (uint32_t)*n_choices - 1;
    }
    *out = choices;
    return MR_OK;
}

/* Slots ------------------------------------------------------------------------------------- */

/* Gives a table's directions their slots of one width. */
static void take_slots(const struct mr_tree_table *table, const uint8_t has_default[2],
                       uint32_t n_ranks, size_t *n_slots, uint32_t slots[2]) {
    size_t n = ((size_t)table->n + n_ranks - 1) / n_ranks;
    for (int d = 0; d < 2; d++) {
        slots[d] = has_default[d] ? (uint32_t)*n_slots : MR_TREE_NO_SLOT;
        *n_slots += has_default[d] ? n : 0;
    }
}

static mr_status number_slots(const struct builder *c, struct mr_tree_choice *choices,
                              struct mr_tree_ranking *out) {
    size_t n_narrow = 0, n_wide = 0;
    for (size_t t = 0; t < c->n_tables; t++) {
        struct mr_tree_table *table = &c->tables[t];
        take_slots(table, c->has_default[t], MR_TREE_NARROW_RANKS, &n_narrow, table->narrow);
        take_slots(table, c->has_default[t], MR_TREE_WIDE_RANKS, &n_wide, table->wide);
    }
    for (size_t i = 0; i < out->n_choices; i++) {
        choices[i].narrow = (uint32_t)n_narrow++;
        choices[i].wide = (uint32_t)n_wide++;
    }
    if (n_wide > UINT16_MAX) {
        return mr_fail(c->b->err, MR_E_UNSUPPORTED,
                       "trees with so many features and sets of categories are not evaluated: %zu "
                       "slots, at most %d",
                       n_wide, UINT16_MAX);
    }
    out->n_narrow = (uint32_t)n_narrow;
    out->n_wide = (uint32_t)n_wide;
    return MR_OK;
}

void mr_tree_split_code(const struct mr_tree_build *b, size_t tree, uint32_t i, bool is_wide,
                        uint32_t *slot, uint32_t *limit) {
    const struct mr_tree_ranking *ranking = &b->forest->ranking;
    const struct mr_tree_node *split = &b->ensemble->trees[tree].nodes[i];
    uint32_t n_ranks = is_wide ? MR_TREE_WIDE_RANKS : MR_TREE_NARROW_RANKS;
    uint32_t code = b->codes[b->first_nodes[tree] + i];
    if (split->kind == MR_TREE_CATEGORY) {
        const struct mr_tree_choice *choice = &ranking->choices[code];
        *slot = is_wide ? choice->wide : choice->narrow;
        *limit = 0;
        return;
    }
    uint32_t number = b->table_of[b->column_of[split->feature]][split->missing];
    const struct mr_tree_table *table = &ranking->tables[number];
    int direction = split->is_default_left ? 0 : 1;
    *slot = (is_wide ? table->wide : table->narrow)[direction] + code / n_ranks;
    *limit = code % n_ranks;
}

mr_status mr_tree_ranking_build(struct mr_tree_build *b) {
    struct builder c = {.b = b};
    struct mr_tree_ranking *out = &b->forest->ranking;
    struct mr_tree_choice *choices = NULL;
    MR_TRY(find_columns(b));
    MR_TRY(find_tables(&c));
    MR_TRY(fill_tables(&c));
    MR_TRY(make_choices(&c, &choices, &out->n_choices));
    out->n_tables = c.n_tables;
    out->tables = c.tables;
    out->choices = choices;
    return number_slots(&c, choices, out);
}
