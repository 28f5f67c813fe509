#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "arena_fixture.h"
#include "base/buf.h"
#include "engine/xgboost/booster.h"
#include "loader/json.h"

/* A booster of one tree with a split by number and one by categories, in parts that tests replace.
 *        0
 *      1   2       node 2: categories 1 and 3 go right
 *         3 4  */
static const struct {
    const char *name, *text;
} parts[] = {
    {"base_score", "\"5E-1\""},
    {"num_class", "\"0\""},
    {"num_target", "\"1\""},
    {"objective", "\"reg:squarederror\""},
    {"attributes", "{}"},
    {"names", "[\"a\", \"b\"]"},
    {"rounds", "\"iteration_indptr\": [0, 1],"},
    {"tree_info", "[0]"},
    {"id", "0"},
    {"left", "[1, -1, 3, -1, -1]"},
    {"right", "[2, -1, 4, -1, -1]"},
    {"indices", "[0, 0, 1, 0, 0]"},
    {"conditions", "[0.1, 2.5, 0, 3, 1E-1]"},
    {"default", "[true, false, false, false, false]"},
    {"leaf_vector", "\"1\""},
    {"categories", "[1, 3]"},
    {"segments", "[0]"},
};

static const char *part(const char *name, const char *changed, const char *text) {
    if (changed && strcmp(name, changed) == 0) return text;
    for (size_t i = 0;; i++) {
        if (strcmp(parts[i].name, name) == 0) return parts[i].text;
    }
}

/* The booster with one part replaced. */
static mr_status read_with(const char *changed, const char *text, struct mr_xgb_booster *out,
                           struct mr_error *err) {
    struct mr_buf json;
    const struct mr_object *root = NULL;
    mr_buf_init(&json, arena);
#define PART(name) part(name, changed, text)
    mr_buf_format(&json,
                  "{\"version\": [1, 7, 0], \"learner\": {\"learner_model_param\": "
                  "{\"num_feature\": \"2\", \"base_score\": %s, \"num_class\": %s, \"num_target\": "
                  "%s}, \"objective\": {\"name\": %s}, \"attributes\": %s, \"feature_names\": %s,",
                  PART("base_score"), PART("num_class"), PART("num_target"), PART("objective"),
                  PART("attributes"), PART("names"));
    mr_buf_format(&json,
                  "\"gradient_booster\": {\"name\": \"gbtree\", \"model\": {%s "
                  "\"gbtree_model_param\": {\"num_parallel_tree\": \"1\"}, \"tree_info\": %s,"
                  "\"trees\": [{\"id\": %s, \"tree_param\": {\"num_nodes\": \"5\", "
                  "\"size_leaf_vector\": %s}, \"left_children\": %s, \"right_children\": %s,",
                  PART("rounds"), PART("tree_info"), PART("id"), PART("leaf_vector"), PART("left"),
                  PART("right"));
    mr_buf_format(&json,
                  "\"split_indices\": %s, \"split_conditions\": %s, \"default_left\": %s, "
                  "\"split_type\": [0, 0, 1, 0, 0], \"categories_nodes\": [2], "
                  "\"categories_segments\": %s, \"categories_sizes\": [2], \"categories\": %s}]"
                  "}}}}",
                  PART("indices"), PART("conditions"), PART("default"), PART("segments"),
                  PART("categories"));
#undef PART
    mr_buf_char(&json, '\0');
    struct mr_str file = {json.data, json.size - 1};
    assert_int_equal(mr_json_object_parse(file, NULL, arena, &root, err), MR_OK);
    return mr_xgb_booster_read(root, arena, out, err);
}

static void expect(const char *changed, const char *text, mr_status status, const char *message) {
    struct mr_xgb_booster booster;
    struct mr_error err = {0};
    assert_int_equal(read_with(changed, text, &booster, &err), status);
    assert_string_equal(err.message, message);
}

static void test_sound(void **state) {
    (void)state;
    struct mr_xgb_booster booster;
    assert_int_equal(read_with(NULL, NULL, &booster, NULL), MR_OK);
    assert_string_equal(booster.version, "1.7.0");
    assert_string_equal(booster.objective->name, "reg:squarederror");
    assert_int_equal(booster.n_features, 2);
    assert_int_equal(booster.n_outputs, 1);
    assert_int_equal(booster.n_names, 2);
    assert_true(mr_str_is(booster.names[1], "b"));
    assert_int_equal(booster.best_iteration, -1);
    assert_true(booster.base[0] == 0.5F);
    assert_int_equal(booster.n_rounds, 1);
    const struct mr_tree_ensemble *ensemble = &booster.ensemble;
    assert_int_equal(mr_tree_ensemble_validate(ensemble, arena, NULL), MR_OK);
    const struct mr_tree_node *nodes = ensemble->trees[0].nodes;
    assert_int_equal(nodes[0].kind, MR_TREE_LESS);
    assert_true(nodes[0].threshold == (double)0.1F);
    assert_true(nodes[0].is_default_left);
    assert_true(ensemble->values[nodes[4].index] == (double)0.1F);
    assert_int_equal(nodes[2].kind, MR_TREE_CATEGORY);
    const struct mr_tree_set *set = &ensemble->sets[nodes[2].index];
    assert_int_equal(set->n_bits, 4);
    assert_int_equal(set->bits[0] & 15, 0x5);
}

static void test_bases(void **state) {
    (void)state;
    static const struct {
        const char *text;
        float base;
    } cases[] = {{"\"0\"", 0}, {"\"[2.5E-1]\"", 0.25F}, {"\" (0.1) \"", 0.1F}, {"\"-3\"", -3}};
    struct mr_xgb_booster booster;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(read_with("base_score", cases[i].text, &booster, NULL), MR_OK);
        assert_true(booster.base[0] == cases[i].base);
    }
    expect("base_score", "0.5", MR_E_FORMAT,
           "learner_model_param: there is no text \"base_score\"");
    expect("base_score", "\"half\"", MR_E_FORMAT, "\"base_score\" is \"half\", expected numbers");
    expect("base_score", "\"[1, 2]\"", MR_E_FORMAT, "\"base_score\" has 2 numbers for 1 outputs");
    assert_int_equal(read_with("objective", "\"binary:logistic\"", &booster, NULL), MR_OK);
    assert_true(fabsf(booster.base[0]) < 1e-7F);
}

/* Before 2.0 rounds were not written down. */
static void test_rounds(void **state) {
    (void)state;
    struct mr_xgb_booster booster;
    assert_int_equal(read_with("rounds", "", &booster, NULL), MR_OK);
    assert_int_equal(booster.n_rounds, 1);
    assert_int_equal(booster.round_starts[1], 1);
    expect("rounds", "\"iteration_indptr\": [0, 2],", MR_E_FORMAT,
           "\"iteration_indptr\": round 1 starts at no tree");
    expect("rounds", "\"iteration_indptr\": [0],", MR_E_FORMAT,
           "the rounds of boosting do not have all 1 trees");
}

static void test_learner(void **state) {
    (void)state;
    struct mr_xgb_booster booster;
    expect("objective", "\"reg:new\"", MR_E_UNSUPPORTED,
           "no native engine for the objective \"reg:new\" yet");
    expect("objective", "\"multi:softprob\"", MR_E_FORMAT, "\"multi:softprob\" of 0 classes");
    expect("num_class", "\"x\"", MR_E_FORMAT,
           "learner_model_param: \"num_class\" is \"x\", expected a count");
    expect("num_class", "\"-1\"", MR_E_FORMAT,
           "learner_model_param: \"num_class\" is \"-1\", expected a count");
    expect("names", "[\"a\"]", MR_E_FORMAT, "1 names for 2 features");
    expect("names", "[\"a\", true]", MR_E_FORMAT, "the name of feature 1 is no text");
    expect("attributes", "[]", MR_E_FORMAT, "learner: there is no object \"attributes\"");
    assert_int_equal(read_with("attributes",
                               "{\"best_iteration\": \"7\", \"scikit_learn\": "
                               "\"{\\\"_estimator_type\\\": \\\"ranker\\\"}\"}",
                               &booster, NULL),
                     MR_OK);
    assert_int_equal(booster.best_iteration, 7);
    assert_true(mr_str_is(booster.estimator_type, "ranker"));
}

static void test_trees(void **state) {
    (void)state;
    expect("id", "1", MR_E_FORMAT, "tree 0: its id is missing, or not the id of a tree");
    expect("tree_info", "[1]", MR_E_FORMAT, "tree 0 adds to output 1, but there are 1");
    expect("tree_info", "[]", MR_E_FORMAT, "\"tree_info\" should have 1 items, but has 0");
    expect("left", "[1, -1]", MR_E_FORMAT,
           "tree 0: \"left_children\" should have 5 items, but has 2");
    expect("left", "[1, -1, 9, -1, -1]", MR_E_FORMAT, "tree 0, node 2: a child is not in the tree");
    expect("right", "[2, -1, 3, -1, -1]", MR_E_FORMAT,
           "tree 0, node 2: its children are not neighbours");
    expect("indices", "[-1, 0, 1, 0, 0]", MR_E_FORMAT, "tree 0, node 0: splits on no feature");
    expect("indices", "[0.5, 0, 1, 0, 0]", MR_E_FORMAT, "tree 0, node 0: splits on no feature");
    expect("leaf_vector", "\"2\"", MR_E_FORMAT, "tree 0: its leaves have 2 values for 1 outputs");
    expect("categories", "[1, -3]", MR_E_FORMAT,
           "tree 0, node 2: splits by a number that is no category");
    expect("segments", "[1]", MR_E_FORMAT,
           "tree 0, node 2: its categories are not among those of the tree");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),   cmocka_unit_test(test_bases), cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_learner), cmocka_unit_test(test_trees),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
