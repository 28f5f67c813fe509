#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "engine/tree/ensemble.h"

/*      0
 *    1   2      leaves: 1, 3, 4
 *       3 4  */
static struct mr_tree_node nodes[5];
static struct mr_tree tree;
static double values[3];
static struct mr_tree_set set;
static struct mr_tree_ensemble ensemble;

static int reset(void **state) {
    (void)state;
    static const double base[1];
    nodes[0] = (struct mr_tree_node){.kind = MR_TREE_LESS, .feature = 1, .left = 1, .right = 2};
    nodes[1] = (struct mr_tree_node){.kind = MR_TREE_LEAF, .index = 0};
    nodes[2] = (struct mr_tree_node){.kind = MR_TREE_CATEGORY, .left = 3, .right = 4};
    nodes[3] = (struct mr_tree_node){.kind = MR_TREE_LEAF, .index = 1};
    nodes[4] = (struct mr_tree_node){.kind = MR_TREE_LEAF, .index = 2};
    tree = (struct mr_tree){.nodes = nodes, .n_nodes = 5};
    ensemble = (struct mr_tree_ensemble){.n_features = 2,
                                         .n_outputs = 1,
                                         .base = base,
                                         .n_trees = 1,
                                         .trees = &tree,
                                         .n_sets = 1,
                                         .sets = &set,
                                         .n_values = 3,
                                         .values = values};
    return 0;
}

static void expect(mr_status status, const char *message) {
    struct mr_error err = {0};
    assert_int_equal(mr_tree_ensemble_validate(&ensemble, arena, &err), status);
    assert_string_equal(err.message, message);
}

static void test_sound(void **state) {
    (void)state;
    expect(MR_OK, "");
    ensemble.n_trees = 0;
    expect(MR_OK, "");
}

static void test_children(void **state) {
    (void)state;
    nodes[2].right = 5;
    expect(MR_E_FORMAT, "tree 0, node 2: its child is node 5, but there are 5");
    nodes[2].right = -1;
    expect(MR_E_FORMAT, "tree 0, node 2: its child is node -1, but there are 5");
    nodes[2].right = 0;
    expect(MR_E_FORMAT, "tree 0: node 0 is the child of two nodes, 2 among them");
    nodes[2].right = 3;
    expect(MR_E_FORMAT, "tree 0: node 3 is the child of two nodes, 2 among them");
    nodes[2].right = 1;
    expect(MR_E_FORMAT, "tree 0: node 1 is the child of two nodes, 2 among them");
}

static void test_indexes(void **state) {
    (void)state;
    nodes[0].feature = 2;
    expect(MR_E_FORMAT, "tree 0, node 0: splits on feature 2, but there are 2");
    nodes[0].feature = 0;
    nodes[2].index = 1;
    expect(MR_E_FORMAT, "tree 0, node 2: its set of categories is 1, but there are 1");
    nodes[2].index = 0;
    nodes[2].kind = 9;
    expect(MR_E_FORMAT, "tree 0, node 2: of no known kind");
    nodes[2].kind = MR_TREE_CATEGORY;
    nodes[4].index = 3;
    expect(MR_E_FORMAT, "tree 0, node 4: 1 values of the leaf start at 3, but there are 3");
}

static void test_vector_leaves(void **state) {
    (void)state;
    ensemble.has_vector_leaves = true;
    ensemble.n_outputs = 2;
    tree.output = 7; /* means nothing here */
    expect(MR_E_FORMAT, "tree 0, node 4: 2 values of the leaf start at 2, but there are 3");
    nodes[4].index = 1;
    expect(MR_OK, "");
}

static void test_sizes(void **state) {
    (void)state;
    tree.output = 1;
    expect(MR_E_FORMAT, "tree 0 adds to output 1, but there are 1");
    tree.n_nodes = 0;
    expect(MR_E_FORMAT, "tree 0 has 0 nodes");
    ensemble.n_outputs = 0;
    expect(MR_E_UNSUPPORTED, "trees with 0 outputs are not evaluated, at most 1048576");
    ensemble.n_outputs = 1;
    ensemble.n_features = UINT32_MAX;
    expect(MR_E_UNSUPPORTED, "trees of 4294967295 features are not evaluated, at most 16777216");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sound, reset),
        cmocka_unit_test_setup(test_children, reset),
        cmocka_unit_test_setup(test_indexes, reset),
        cmocka_unit_test_setup(test_vector_leaves, reset),
        cmocka_unit_test_setup(test_sizes, reset),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
