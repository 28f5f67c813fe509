#include "loader/lightgbm.h"

#include <math.h>
#include <yyjson.h>

#include "base/number.h"

#define MAX_TREE_LINES 22 /* Tree::Tree reads no more */

/* Lines ------------------------------------------------------------------------------------- */

struct reader {
    struct mr_str text;
    size_t at;   /* where the next line begins */
    size_t line; /* number of the line that was read last */
    struct mr_arena *arena;
    struct mr_error *err;
};

/* A line "key=value". */
struct entry {
    struct mr_str key, value;
    bool is_given;
    size_t line;
};

static mr_status fail(const struct reader *r, size_t line, const char *what) {
    return mr_fail(r->err, MR_E_FORMAT, "line %zu of the LightGBM model %s", line, what);
}

/* The next line without its end; false: there is none. */
static bool next_line(struct reader *r, struct mr_str *out) {
    if (r->at >= r->text.size) return false;
    const char *start = r->text.data + r->at;
    size_t rest = r->text.size - r->at;
    const char *end = memchr(start, '\n', rest);
    *out = (struct mr_str){start, end ? (size_t)(end - start) : rest};
    r->at += end ? out->size + 1 : out->size;
    r->line++;
    return true;
}

static bool starts_with(struct mr_str text, const char *prefix) {
    size_t n = strlen(prefix);
    return text.size >= n && memcmp(text.data, prefix, n) == 0;
}

/* Without a = the whole line is the key, and its value is empty. */
static struct entry split_entry(struct mr_str line, size_t number) {
    const char *equals = memchr(line.data, '=', line.size);
    struct entry entry = {.key = line, .is_given = true, .line = number};
    entry.value.data = line.data + line.size;
    if (equals) {
        entry.key.size = (size_t)(equals - line.data);
        entry.value = (struct mr_str){equals + 1, line.size - entry.key.size - 1};
    }
    return entry;
}

/* Numbers ----------------------------------------------------------------------------------- */

bool mr_lgb_next_word(struct mr_str *rest, struct mr_str *out) {
    *out = (struct mr_str){0};
    if (rest->size == 0) return false; /* its data may be NULL, to which not even 0 is added */
    const char *at = rest->data, *end = rest->data + rest->size;
    while (at < end && *at == ' ') at++;
    const char *start = at;
    while (at < end && *at != ' ') at++;
    *out = (struct mr_str){start, (size_t)(at - start)};
    *rest = (struct mr_str){at, (size_t)(end - at)};
    return out->size > 0;
}

static size_t count_words(struct mr_str text) {
    struct mr_str word;
    size_t n = 0;
    while (mr_lgb_next_word(&text, &word)) n++;
    return n;
}

/* Digits, maybe with a minus before them. */
static bool parse_integer(struct mr_str word, int64_t least, int64_t most, int64_t *out) {
    bool is_negative = word.size > 0 && word.data[0] == '-';
    size_t i = is_negative;
    int64_t value = 0;
    if (word.size == i || word.size - i > 18) return false;
    for (; i < word.size; i++) {
        if (word.data[i] < '0' || word.data[i] > '9') return false;
        value = value * 10 + (word.data[i] - '0');
    }
    *out = is_negative ? -value : value;
    return *out >= least && *out <= most;
}

/* Any character after the word ends a number. Correctly rounded, as fast_double_parser and strtod
 * are, by which LightGBM reads thresholds and leaves (Common::AtofPrecise). */
static bool parse_double(struct mr_str word, double *out) {
    yyjson_val value;
    const char *end = yyjson_read_number(word.data, &value, YYJSON_READ_NOFLAG, NULL, NULL);
    if (end == word.data + word.size && !(yyjson_is_int(&value) && word.data[0] == '-')) {
        *out = yyjson_get_num(&value);
        return true;
    }
    for (size_t i = 0; i < word.size; i++) { /* mr_float_parse takes more than strtod */
        if (!strchr("0123456789+-.einfaEINFA", word.data[i])) return false;
    }
    return mr_float_parse(word, out);
}

static bool store_double(void *values, size_t i, struct mr_str word) {
    return parse_double(word, &((double *)values)[i]);
}

/* Terms of linear trees are read by std::stod, which throws out of range (Common::StringToArray).
 */
static bool store_normal_double(void *values, size_t i, struct mr_str word) {
    double *out = &((double *)values)[i];
    if (!parse_double(word, out)) return false;
    return *out == 0 || isnormal(*out);
}

static bool store_int32(void *values, size_t i, struct mr_str word) {
    int64_t value;
    if (!parse_integer(word, INT32_MIN, INT32_MAX, &value)) return false;
    ((int32_t *)values)[i] = (int32_t)value;
    return true;
}

static bool store_uint32(void *values, size_t i, struct mr_str word) {
    int64_t value;
    if (!parse_integer(word, 0, UINT32_MAX, &value)) return false;
    ((uint32_t *)values)[i] = (uint32_t)value;
    return true;
}

/* LightGBM keeps eight bits of them. */
static bool store_decision(void *values, size_t i, struct mr_str word) {
    int64_t value;
    if (!parse_integer(word, 0, INT8_MAX, &value)) return false;
    ((int32_t *)values)[i] = (int32_t)value;
    return true;
}

static mr_status read_integer(const struct reader *r, const struct entry *entry, const char *key,
                              int64_t least, int64_t most, int64_t *out) {
    if (!entry->is_given) {
        return mr_fail(r->err, MR_E_FORMAT, "the LightGBM model has no %s up to line %zu", key,
                       r->line);
    }
    if (parse_integer(entry->value, least, most, out)) return MR_OK;
    return mr_fail(r->err, MR_E_FORMAT,
                   "line %zu of the LightGBM model: %s should be a number from %lld to %lld, but "
                   "is \"%.*s\"",
                   entry->line, key, (long long)least, (long long)most, MR_STR_ARGS(entry->value));
}

/* Trees ------------------------------------------------------------------------------------- */

enum tree_key {
    NUM_LEAVES,
    NUM_CAT,
    SPLIT_FEATURE,
    THRESHOLD,
    DECISION_TYPE,
    LEFT_CHILD,
    RIGHT_CHILD,
    LEAF_VALUE,
    CAT_BOUNDARIES,
    CAT_THRESHOLD,
    IS_LINEAR,
    LEAF_CONST,
    NUM_FEATURES,
    LEAF_FEATURES,
    LEAF_COEFF,
    N_TREE_KEYS
};

/* item_bytes: 0 for a single number. */
static const struct {
    const char *name;
    size_t item_bytes;
    bool (*store)(void *values, size_t i, struct mr_str word);
} tree_keys[] = {
    [NUM_LEAVES] = {"num_leaves", 0, NULL},
    [NUM_CAT] = {"num_cat", 0, NULL},
    [SPLIT_FEATURE] = {"split_feature", sizeof(int32_t), store_int32},
    [THRESHOLD] = {"threshold", sizeof(double), store_double},
    [DECISION_TYPE] = {"decision_type", sizeof(int32_t), store_decision},
    [LEFT_CHILD] = {"left_child", sizeof(int32_t), store_int32},
    [RIGHT_CHILD] = {"right_child", sizeof(int32_t), store_int32},
    [LEAF_VALUE] = {"leaf_value", sizeof(double), store_double},
    [CAT_BOUNDARIES] = {"cat_boundaries", sizeof(int32_t), store_int32},
    [CAT_THRESHOLD] = {"cat_threshold", sizeof(uint32_t), store_uint32},
    [IS_LINEAR] = {"is_linear", 0, NULL},
    [LEAF_CONST] = {"leaf_const", sizeof(double), store_normal_double},
    [NUM_FEATURES] = {"num_features", sizeof(uint32_t), store_uint32},
    [LEAF_FEATURES] = {"leaf_features", sizeof(int32_t), store_int32},
    [LEAF_COEFF] = {"leaf_coeff", sizeof(double), store_normal_double},
};

/* A tree's lines, up to an empty one. Other keys than the known ones are for training. */
static mr_status read_tree_lines(struct reader *r, struct entry entries[N_TREE_KEYS]) {
    struct mr_str line;
    for (size_t n = 0;; n++) {
        if (!next_line(r, &line))
            return fail(r, r->line, "is its last, but a tree is not at its end");
        if (line.size == 0) return MR_OK;
        struct entry entry = split_entry(line, r->line);
        if (entry.key.size == line.size) return fail(r, r->line, "has no = in it");
        if (n == MAX_TREE_LINES) return fail(r, r->line, "is one more than a tree may have");
        for (size_t k = 0; k < N_TREE_KEYS; k++) {
            if (mr_str_is(entry.key, tree_keys[k].name)) entries[k] = entry;
        }
    }
}

/* The array under a key, of exactly n numbers. */
static mr_status read_array(const struct reader *r, const struct entry *entries, enum tree_key key,
                            size_t n, const void **out) {
    const struct entry *entry = &entries[key];
    const char *name = tree_keys[key].name;
    if (!entry->is_given) {
        return mr_fail(r->err, MR_E_FORMAT, "the tree that ends at line %zu has no %s", r->line,
                       name);
    }
    struct mr_str rest = entry->value, word;
    if (n > rest.size / 2 + 1) { /* a number takes a digit and a space */
        return mr_fail(r->err, MR_E_FORMAT,
                       "line %zu of the LightGBM model: %s should have %zu numbers, but the line "
                       "is too short for them",
                       entry->line, name, n);
    }
    void *values = mr_arena_array(r->arena, n, tree_keys[key].item_bytes);
    if (!values) return mr_arena_fail(r->arena, r->err);
    for (size_t i = 0; i < n; i++) {
        if (mr_lgb_next_word(&rest, &word) && tree_keys[key].store(values, i, word)) continue;
        return mr_fail(r->err, MR_E_FORMAT,
                       "line %zu of the LightGBM model: number %zu of %zu in %s is \"%.*s\"",
                       entry->line, i, n, name, MR_STR_ARGS(word));
    }
    *out = values;
    if (!mr_lgb_next_word(&rest, &word)) return MR_OK;
    return mr_fail(r->err, MR_E_FORMAT,
                   "line %zu of the LightGBM model: %s should have %zu numbers, but has more",
                   entry->line, name, n);
}

static mr_status read_splits(const struct reader *r, const struct entry *entries,
                             struct mr_lgb_tree *out) {
    size_t n = out->n_leaves - 1;
    MR_TRY(read_array(r, entries, SPLIT_FEATURE, n, (const void **)&out->features));
    MR_TRY(read_array(r, entries, LEFT_CHILD, n, (const void **)&out->left));
    MR_TRY(read_array(r, entries, RIGHT_CHILD, n, (const void **)&out->right));
    MR_TRY(read_array(r, entries, THRESHOLD, n, (const void **)&out->thresholds));
    if (entries[DECISION_TYPE].is_given) {
        return read_array(r, entries, DECISION_TYPE, n, (const void **)&out->decisions);
    }
    out->decisions = mr_arena_zalloc(r->arena, n * sizeof(*out->decisions));
    return out->decisions ? MR_OK : mr_arena_fail(r->arena, r->err);
}

static mr_status read_sets(const struct reader *r, const struct entry *entries,
                           struct mr_lgb_tree *out) {
    size_t n_starts = (size_t)out->n_sets + 1;
    MR_TRY(read_array(r, entries, CAT_BOUNDARIES, n_starts, (const void **)&out->set_starts));
    for (size_t i = 0; i < n_starts; i++) {
        int32_t least = i ? out->set_starts[i - 1] : 0;
        if (out->set_starts[i] >= least && (i || out->set_starts[i] == 0)) continue;
        return fail(r, entries[CAT_BOUNDARIES].line,
                    "has bounds of categories that do not begin with 0 or do not ascend");
    }
    return read_array(r, entries, CAT_THRESHOLD, (size_t)out->set_starts[out->n_sets],
                      (const void **)&out->set_words);
}

static mr_status read_linear(const struct reader *r, const struct entry *entries,
                             struct mr_lgb_tree *out) {
    size_t n_terms = 0;
    MR_TRY(read_array(r, entries, LEAF_CONST, out->n_leaves, (const void **)&out->constants));
    MR_TRY(read_array(r, entries, NUM_FEATURES, out->n_leaves, (const void **)&out->n_terms));
    for (size_t i = 0; i < out->n_leaves; i++) n_terms += out->n_terms[i];
    MR_TRY(read_array(r, entries, LEAF_FEATURES, n_terms, (const void **)&out->term_features));
    return read_array(r, entries, LEAF_COEFF, n_terms, (const void **)&out->coefficients);
}

static mr_status read_tree(struct reader *r, struct mr_lgb_tree *out) {
    struct entry entries[N_TREE_KEYS] = {0};
    int64_t n_leaves = 0, n_sets = 0, is_linear = 0;
    MR_TRY(read_tree_lines(r, entries));
    MR_TRY(read_integer(r, &entries[NUM_LEAVES], "num_leaves", 1, INT32_MAX, &n_leaves));
    MR_TRY(read_integer(r, &entries[NUM_CAT], "num_cat", 0, INT32_MAX - 1, &n_sets));
    if (entries[IS_LINEAR].is_given) {
        MR_TRY(read_integer(r, &entries[IS_LINEAR], "is_linear", 0, 1, &is_linear));
    }
    *out = (struct mr_lgb_tree){.n_leaves = (uint32_t)n_leaves, .is_linear = is_linear};
    MR_TRY(read_array(r, entries, LEAF_VALUE, out->n_leaves, (const void **)&out->leaves));
    if (out->n_leaves > 1) {
        MR_TRY(read_splits(r, entries, out));
        out->n_sets = (uint32_t)n_sets;
        if (n_sets > 0) MR_TRY(read_sets(r, entries, out));
    }
    return is_linear ? read_linear(r, entries, out) : MR_OK;
}

/* Header ------------------------------------------------------------------------------------ */

enum header_key {
    VERSION,
    NUM_CLASS,
    NUM_TREE_PER_ITERATION,
    LABEL_INDEX,
    MAX_FEATURE_IDX,
    OBJECTIVE,
    AVERAGE_OUTPUT,
    FEATURE_NAMES,
    MONOTONE_CONSTRAINTS,
    FEATURE_INFOS,
    TREE_SIZES,
    N_HEADER_KEYS
};

static const char *const header_keys[] = {
    "version",        "num_class",       "num_tree_per_iteration",
    "label_index",    "max_feature_idx", "objective",
    "average_output", "feature_names",   "monotone_constraints",
    "feature_infos",  "tree_sizes",
};

/* The lines up to the first tree, before which the reader stands then. */
static mr_status read_header_lines(struct reader *r, struct entry entries[N_HEADER_KEYS]) {
    struct mr_str line = {0};
    if (!next_line(r, &line) || !mr_str_is(line, "tree")) {
        return fail(r, 1, "should be \"tree\": it is no model of trees");
    }
    for (size_t at = r->at; next_line(r, &line); at = r->at) {
        if (starts_with(line, "Tree=")) {
            r->at = at;
            r->line--;
            return MR_OK;
        }
        struct entry entry = split_entry(line, r->line);
        for (size_t k = 0; k < N_HEADER_KEYS; k++) {
            if (mr_str_is(entry.key, header_keys[k])) entries[k] = entry;
        }
        if (entry.key.size == 0 && line.size > 0) return fail(r, r->line, "begins with =");
        bool is_free = mr_str_is(entry.key, "feature_names") ||
                       mr_str_is(entry.key, "monotone_constraints");
        if (!is_free && memchr(entry.value.data, '=', entry.value.size)) {
            return fail(r, r->line, "has two = in it");
        }
    }
    return fail(r, r->line, "is its last, and there was no tree");
}

/* A list with an item for each feature. */
static mr_status check_list(const struct reader *r, const struct entry *entries,
                            enum header_key key, size_t n, bool is_needed) {
    if (!entries[key].is_given && !is_needed) return MR_OK;
    size_t n_words = count_words(entries[key].value);
    if (entries[key].is_given && n_words == n) return MR_OK;
    return mr_fail(r->err, MR_E_FORMAT, "the LightGBM model has %zu %s for %zu features", n_words,
                   header_keys[key], n);
}

static mr_status read_header(struct reader *r, struct entry *entries, struct mr_lgb_file *out) {
    int64_t n_classes = 0, n_trees = 0, last_feature = 0, label = 0;
    MR_TRY(read_header_lines(r, entries));
    MR_TRY(read_integer(r, &entries[NUM_CLASS], "num_class", 1, INT32_MAX, &n_classes));
    n_trees = n_classes;
    if (entries[NUM_TREE_PER_ITERATION].is_given) {
        MR_TRY(read_integer(r, &entries[NUM_TREE_PER_ITERATION], "num_tree_per_iteration", 1,
                            INT32_MAX, &n_trees));
    }
    MR_TRY(read_integer(r, &entries[LABEL_INDEX], "label_index", INT32_MIN, INT32_MAX, &label));
    MR_TRY(read_integer(r, &entries[MAX_FEATURE_IDX], "max_feature_idx", 0, INT32_MAX - 1,
                        &last_feature));
    size_t n_features = (size_t)last_feature + 1;
    MR_TRY(check_list(r, entries, FEATURE_NAMES, n_features, true));
    MR_TRY(check_list(r, entries, FEATURE_INFOS, n_features, true));
    MR_TRY(check_list(r, entries, MONOTONE_CONSTRAINTS, n_features, false));
    out->version = entries[VERSION].value;
    out->n_classes = (uint32_t)n_classes;
    out->n_trees_per_round = (uint32_t)n_trees;
    out->n_features = (uint32_t)n_features;
    out->is_average = entries[AVERAGE_OUTPUT].is_given;
    out->objective = entries[OBJECTIVE].value;
    if (entries[OBJECTIVE].is_given && count_words(out->objective) == 0) {
        return fail(r, entries[OBJECTIVE].line, "names no objective");
    }
    return MR_OK;
}

/* File -------------------------------------------------------------------------------------- */

static mr_status add_tree(const struct reader *r, struct mr_lgb_tree **trees, size_t n,
                          size_t *capacity) {
    if (n < *capacity) return MR_OK;
    size_t grown = *capacity ? *capacity * 2 : 64;
    struct mr_lgb_tree *larger = mr_arena_realloc(r->arena, *trees, *capacity * sizeof(**trees),
                                                  grown * sizeof(**trees));
    if (!larger) return mr_arena_fail(r->arena, r->err);
    *trees = larger;
    *capacity = grown;
    return MR_OK;
}

/* LightGBM goes from tree to tree by the sizes in tree_sizes: they must lead to the trees. */
static mr_status check_size(const struct reader *r, struct mr_str *sizes, size_t size,
                            size_t tree) {
    struct mr_str word;
    int64_t expected = -1;
    if (mr_lgb_next_word(sizes, &word) && parse_integer(word, 0, INT64_MAX, &expected) &&
        (size_t)expected == size) {
        return MR_OK;
    }
    return mr_fail(
        r->err, MR_E_FORMAT,
        "tree %zu of the LightGBM model, up to line %zu, takes %zu bytes, but tree_sizes "
        "says \"%.*s\"",
        tree, r->line, size, MR_STR_ARGS(word));
}

static mr_status read_trees(struct reader *r, const struct entry *tree_sizes,
                            struct mr_lgb_file *out) {
    struct mr_lgb_tree *trees = NULL;
    size_t capacity = 0, n = 0;
    struct mr_str line, word, sizes = tree_sizes->value;
    for (size_t start = r->at; next_line(r, &line) && starts_with(line, "Tree="); start = r->at) {
        MR_TRY(add_tree(r, &trees, n, &capacity));
        MR_TRY(read_tree(r, &trees[n]));
        while (r->text.data[r->at] == '\n') next_line(r, &line);
        if (tree_sizes->is_given) MR_TRY(check_size(r, &sizes, r->at - start, n));
        n++;
    }
    if (tree_sizes->is_given && mr_lgb_next_word(&sizes, &word)) {
        return mr_fail(r->err, MR_E_FORMAT,
                       "the LightGBM model ends after %zu trees, but tree_sizes has more", n);
    }
    out->n_trees = n;
    out->trees = trees;
    return MR_OK;
}

/* The value of the last line or the one before (_load_pandas_categorical in lightgbm/basic.py). */
struct mr_str mr_lgb_find_pandas_categories(struct mr_str text) {
    static const char key[] = "pandas_categorical:";
    struct mr_str line = {0};
    for (int i = 0; i < 2; i++) {
        if (text.size && text.data[text.size - 1] == '\n') text.size--;
        const char *newline = text.size ? memrchr(text.data, '\n', text.size) : NULL;
        size_t start = newline ? (size_t)(newline - text.data) + 1 : 0;
        line = (struct mr_str){text.data + start, text.size - start};
        if (starts_with(line, key)) {
            return (struct mr_str){line.data + sizeof(key) - 1, line.size - (sizeof(key) - 1)};
        }
        text.size = start;
    }
    return (struct mr_str){0};
}

mr_status mr_lgb_parse(struct mr_str text, struct mr_arena *arena, struct mr_lgb_file *out,
                       struct mr_error *err) {
    struct reader r = {.text = text, .arena = arena, .err = err};
    struct entry entries[N_HEADER_KEYS] = {0};
    if (memchr(text.data, '\0', text.size) || memchr(text.data, '\r', text.size)) {
        return mr_fail(err, MR_E_FORMAT,
                       "a LightGBM model is a text whose lines end with a newline alone");
    }
    *out = (struct mr_lgb_file){0};
    MR_TRY(read_header(&r, entries, out));
    return read_trees(&r, &entries[TREE_SIZES], out);
}
