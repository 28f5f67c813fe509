/* Inside of reading a booster: access to the values of its file, and its trees. */
#ifndef MR_ENGINE_XGBOOST_BOOSTER_INT_H
#define MR_ENGINE_XGBOOST_BOOSTER_INT_H

#include "engine/xgboost/booster.h"

/* An array of numbers under a key, whatever type the file gives them. */
struct mr_xgb_array {
    size_t n;
    const struct mr_ndarray *numbers;   /* NULL: a list */
    const struct mr_object_list *items; /* of booleans, or empty */
};

/* What a value is read from, for messages: "learner", "tree 3". */
struct mr_xgb_place {
    const struct mr_object *object;
    char name[40];
    struct mr_error *err;
};

/* The array under a key. MR_E_FORMAT when there is none, or it has something else in it. */
MR_MUST_CHECK mr_status mr_xgb_read_array(const struct mr_xgb_place *place, const char *key,
                                          struct mr_xgb_array *out);

/* Item i < n. What is no integer becomes INT64_MIN. */
int64_t mr_xgb_integer_at(const struct mr_xgb_array *array, size_t i);
float mr_xgb_float_at(const struct mr_xgb_array *array, size_t i);

/* A dict under a key. */
MR_MUST_CHECK mr_status mr_xgb_read_dict(const struct mr_xgb_place *place, const char *key,
                                         const struct mr_object **out);

/* A number that the file writes as a text: "num_class": "3".
 * fallback  what an absent key means; negative: it must be there */
MR_MUST_CHECK mr_status mr_xgb_read_count(const struct mr_xgb_place *place, const char *key,
                                          int64_t fallback, uint32_t *out);

/* Read "model" of a tree booster into out->ensemble, n_rounds and round_starts. out->n_features,
 * n_outputs and base are set already. */
MR_MUST_CHECK mr_status mr_xgb_trees_read(const struct mr_object *model, struct mr_arena *arena,
                                          struct mr_xgb_booster *out, struct mr_error *err);

#endif
