#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena_fixture.h"
#include "base/buf.h"
#include "loader/lightgbm.h"

/* A model of two trees: one with a split by number and one by categories, and a linear leaf. */
static const char *const header[] = {
    "tree",
    "version=v4",
    "num_class=1",
    "num_tree_per_iteration=1",
    "label_index=0",
    "max_feature_idx=1",
    "objective=binary sigmoid:1",
    "feature_names=a b=c",
    "monotone_constraints=0 1",
    "feature_infos=[0:1] 3:4",
    "tree_sizes=@0 @1", /* the trees' sizes are put there */
    "",
};
static const char *const trees[2][24] = {
    {"Tree=0", "num_leaves=3", "num_cat=1", "split_feature=0 1", "split_gain=1 1",
     "threshold=0.10000000000000001 0", "decision_type=10 1", "left_child=-1 -2",
     "right_child=1 -3", "leaf_value=-0.5 1e+300 5e-324", "cat_boundaries=0 2",
     "cat_threshold=5 4294967295", "is_linear=0", "shrinkage=1", "", ""},
    {"Tree=1", "num_leaves=1", "num_cat=0", "leaf_value=2", "is_linear=1",
     "split_feature=", "threshold=", "left_child=", "right_child=", "leaf_const=-3",
     "num_features=2", "leaf_features=1 0  ", "leaf_coeff=0.5 -0.25  ", "", ""},
};

/* Appends the line, or what replaces the line that begins so. NULL: the line is left out. */
static void add_line(struct mr_buf *buf, const char *line, const char *start, const char *new) {
    bool is_changed = start && strncmp(line, start, strlen(start)) == 0;
    if (is_changed && !new) return;
    mr_buf_format(buf, "%s\n", is_changed ? new : line);
}

/* The model's text with one line changed; sizes of trees fit unless they are what is changed. */
static struct mr_str make_text(const char *start, const char *new) {
    struct mr_buf bodies[2], text;
    for (int t = 0; t < 2; t++) {
        mr_buf_init(&bodies[t], arena);
        for (size_t i = 0; trees[t][i]; i++) add_line(&bodies[t], trees[t][i], start, new);
    }
    mr_buf_init(&text, arena);
    for (size_t i = 0; i < sizeof(header) / sizeof(*header); i++) {
        char sizes[100];
        snprintf(sizes, sizeof(sizes), "tree_sizes=%zu %zu", bodies[0].size, bodies[1].size);
        bool is_sizes = strncmp(header[i], "tree_sizes", 10) == 0;
        add_line(&text, is_sizes ? sizes : header[i], start, new);
    }
    for (int t = 0; t < 2; t++) mr_buf_format(&text, "%.*s", (int)bodies[t].size, bodies[t].data);
    mr_buf_format(
        &text, "end of trees\n\nparameters:\nend of parameters\n\npandas_categorical:%s\n", "null");
    mr_buf_char(&text, '\0');
    return (struct mr_str){text.data, text.size - 1};
}

static void test_sound(void **state) {
    (void)state;
    struct mr_lgb_file file;
    struct mr_error err = {0};
    struct mr_str text = make_text(NULL, NULL);
    assert_int_equal(mr_lgb_parse(text, arena, &file, &err), MR_OK);
    assert_true(mr_str_is(file.version, "v4"));
    assert_true(mr_str_is(file.objective, "binary sigmoid:1"));
    assert_int_equal(file.n_classes, 1);
    assert_int_equal(file.n_features, 2);
    assert_false(file.is_average);
    assert_int_equal(file.n_trees, 2);
    const struct mr_lgb_tree *tree = &file.trees[0];
    assert_int_equal(tree->n_leaves, 3);
    assert_true(tree->thresholds[0] == 0.1);
    assert_true(tree->leaves[1] == 1e300 && tree->leaves[2] == 5e-324);
    assert_int_equal(tree->left[1], -2);
    assert_int_equal(tree->decisions[0], 10);
    assert_int_equal(tree->n_sets, 1);
    assert_int_equal(tree->set_starts[1], 2);
    assert_int_equal(tree->set_words[1], UINT32_MAX);
    assert_false(tree->is_linear);
    tree = &file.trees[1];
    assert_true(tree->is_linear);
    assert_int_equal(tree->n_terms[0], 2);
    assert_int_equal(tree->term_features[0], 1);
    assert_true(tree->constants[0] == -3 && tree->coefficients[1] == -0.25);
}

/* Older versions wrote less. */
static void test_optional(void **state) {
    (void)state;
    static const char *const optional[] = {
        "version=",    "num_tree_per_iteration=", "objective=",  "monotone_constraints=",
        "tree_sizes=", "decision_type=",          "is_linear=0", "shrinkage=",
        "split_gain="};
    struct mr_lgb_file file;
    for (size_t i = 0; i < sizeof(optional) / sizeof(*optional); i++) {
        struct mr_str text = make_text(optional[i], NULL);
        assert_int_equal(mr_lgb_parse(text, arena, &file, NULL), MR_OK);
        assert_int_equal(file.n_trees, 2);
    }
    assert_int_equal(mr_lgb_parse(make_text("decision_type", NULL), arena, &file, NULL), MR_OK);
    assert_int_equal(file.trees[0].decisions[0], 0);
    assert_int_equal(mr_lgb_parse(make_text("version=", "average_output"), arena, &file, NULL),
                     MR_OK);
    assert_true(file.is_average);
}

static void test_numbers(void **state) {
    (void)state;
    struct mr_lgb_file file;
    struct mr_str text = make_text("leaf_value=-0.5", "leaf_value=-0 1e400  -inf ");
    assert_int_equal(mr_lgb_parse(text, arena, &file, NULL), MR_OK);
    const double *leaves = file.trees[0].leaves;
    assert_true(leaves[0] == 0 && signbit(leaves[0]));
    assert_true(isinf(leaves[1]) && leaves[2] == -INFINITY);
    text = make_text("leaf_value=-0.5", "leaf_value=nan -17 0.30000000000000004");
    assert_int_equal(mr_lgb_parse(text, arena, &file, NULL), MR_OK);
    leaves = file.trees[0].leaves;
    assert_true(isnan(leaves[0]) && leaves[1] == -17 && leaves[2] == 0.1 + 0.2);
}

static void test_damaged(void **state) {
    (void)state;
    static const struct {
        const char *start, *new, *message;
    } cases[] = {
        {"tree", NULL, "should be \"tree\""},
        {"num_class=", NULL, "has no num_class"},
        {"num_class=", "num_class=0", "num_class should be a number from 1"},
        {"num_class=", "num_class=1_0", "is \"1_0\""},
        {"max_feature_idx=", "max_feature_idx=99999999999999999999", "max_feature_idx should"},
        {"feature_names=", "feature_names=a", "1 feature_names for 2 features"},
        {"monotone_constraints=", "monotone_constraints=", "0 monotone_constraints"},
        {"objective=", "objective=", "names no objective"},
        {"objective=", "objective=a=b", "line 7 of the LightGBM model has two ="},
        {"label_index=", "=label_index", "begins with ="},
        {"tree_sizes=", "tree_sizes=1 2", "tree_sizes says \"1\""},
        {"tree_sizes=", "tree_sizes=", "tree_sizes says \"\""},
        {"num_leaves=3", "num_leaves=4", "number 3 of 4 in leaf_value is \"\""},
        {"num_leaves=3", "num_leaves=2147483647", "too short"},
        {"num_leaves=3", "num_leaves=2", "should have 2 numbers, but has more"},
        {"num_leaves=3", "num_leaves=0", "num_leaves should be a number from 1"},
        {"num_leaves=3", "num_leaves", "line 14 of the LightGBM model has no ="},
        {"num_cat=1", NULL, "has no num_cat"},
        {"leaf_value=-0.5", NULL, "has no leaf_value"},
        {"leaf_value=-0.5", "leaf_value=1_0 0x1 1", "number 0 of 3 in leaf_value is \"1_0\""},
        {"leaf_value=-0.5", "leaf_value=1 0x1 1", "number 1 of 3 in leaf_value is \"0x1\""},
        {"left_child=-1", "left_child=-1 -2147483649", "number 1 of 2 in left_child"},
        {"decision_type=10", "decision_type=10 -1", "number 1 of 2 in decision_type"},
        {"cat_boundaries=", "cat_boundaries=0 -2", "do not ascend"},
        {"cat_boundaries=", "cat_boundaries=1 2", "do not begin with 0"},
        {"cat_boundaries=", "cat_boundaries=0 3", "cat_threshold"},
        {"num_features=", "num_features=3", "number 2 of 3 in leaf_features"},
        {"num_features=", "num_features=4294967295", "too short"},
        {"leaf_coeff=", "leaf_coeff=5e-324 1", "number 0 of 2 in leaf_coeff"},
        {"is_linear=0", "is_linear=2", "is_linear should be a number from 0 to 1"},
        {"shrinkage=", "a=\r", "lines end with a newline alone"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct mr_lgb_file file;
        struct mr_error err = {0};
        struct mr_str text = make_text(cases[i].start, cases[i].new);
        assert_int_equal(mr_lgb_parse(text, arena, &file, &err), MR_E_FORMAT);
        if (!strstr(err.message, cases[i].message)) {
            fail_msg("\"%s\" does not say \"%s\"", err.message, cases[i].message);
        }
    }
}

/* Every beginning of the text is refused or has whole trees. */
static void test_cut(void **state) {
    (void)state;
    struct mr_str text = make_text("tree_sizes", NULL);
    for (size_t size = 0; size < text.size; size++) {
        struct mr_lgb_file file;
        char *copy = malloc(size + 1);
        assert_non_null(copy);
        memcpy(copy, text.data, size);
        copy[size] = '\0';
        mr_status status = mr_lgb_parse((struct mr_str){copy, size}, arena, &file, NULL);
        assert_true(status == MR_E_FORMAT || (status == MR_OK && file.n_trees > 0));
        free(copy);
    }
}

static void test_pandas_categories(void **state) {
    (void)state;
    static const struct {
        const char *text, *categories;
    } cases[] = {
        {"", ""},
        {"pandas_categorical:[[1]]", "[[1]]"},
        {"a\npandas_categorical:null\n", "null"},
        {"a\npandas_categorical:[]\nlast\n", "[]"},
        {"pandas_categorical:[]\na\nb\n", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct mr_str found = mr_lgb_find_pandas_categories(mr_str_from(cases[i].text));
        assert_true(mr_str_is(found, cases[i].categories));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),   cmocka_unit_test(test_optional),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_cut),     cmocka_unit_test(test_pandas_categories),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
