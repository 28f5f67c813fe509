/* Model files of XGBoost, as UBJSON and as JSON: read, brought into trees, packed and evaluated. */
#include <stdint.h>

#include "engine/tree/forest.h"
#include "engine/xgboost/booster.h"
#include "loader/json.h"
#include "loader/ubjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void evaluate(const struct mr_xgb_booster *booster, struct mr_arena *arena) {
    const struct mr_tree_forest *forest = NULL;
    struct mr_tree_scratch scratch;
    if (mr_tree_forest_build(&booster->ensemble, false, arena, arena, &forest, NULL) != MR_OK) {
        return;
    }
    const size_t n_rows[] = {1, MR_TREE_BLOCK_ROWS};
    for (size_t i = 0; i < 2; i++) {
        if (mr_tree_scratch_new(forest, n_rows[i], arena, &scratch, NULL) != MR_OK) return;
        size_t n = mr_tree_forest_shape(forest)->n_columns * scratch.stride;
        for (size_t k = 0; k < n; k++) ((float *)scratch.x)[k] = (float)k - 20;
        mr_tree_forest_sum(forest, &scratch, n_rows[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_str file = {(const char *)data, size};
    for (int is_json = 0; is_json < 2; is_json++) {
        struct mr_arena *arena = mr_arena_new((size_t)64 << 20, NULL);
        const struct mr_object *root = NULL;
        struct mr_xgb_booster booster;
        if (!arena) return 0;
        mr_status status = is_json ? mr_json_object_parse(file, arena, &root, NULL)
                                   : mr_ubjson_parse(file, arena, &root, NULL);
        if (status == MR_OK && mr_xgb_booster_read(root, arena, &booster, NULL) == MR_OK &&
            booster.kind != MR_XGB_LINEAR) {
            evaluate(&booster, arena);
        }
        mr_arena_free(arena);
    }
    return 0;
}
