/* lightgbm/basic.py (_InnerPredictor.predict, _data_from_pandas, _np2d_to_np1d),
 * lightgbm/sklearn.py (LGBMModel.predict), src/c_api.cpp (RowPairFunctionFromDenseMatrix). */
#include <math.h>

#include "engine/lightgbm/lightgbm_int.h"

#define ZERO_THRESHOLD 1e-35F /* kZeroThreshold in include/LightGBM/meta.h */

/* Shape and dtypes -------------------------------------------------------------------------- */

static mr_status check_width(const struct mr_lgb_model *model, int64_t n_cols,
                             struct mr_error *err) {
    if (n_cols == (int64_t)model->n_features) return MR_OK;
    return mr_fail(err, MR_E_BAD_REQUEST,
                   "The number of features in data (%lld) is not the same as it was in training "
                   "data (%u)",
                   (long long)n_cols, model->n_features);
}

static bool is_number(mr_dtype dtype) {
    return dtype != MR_STRING && dtype != MR_BINARY && dtype != MR_DATETIME && dtype != MR_OBJECT;
}

static mr_status init_table(const struct mr_lgb_model *model, const struct mr_table *table,
                            struct mr_lgb_input *out, struct mr_error *err) {
    if (table->n_rows < 1) {
        return mr_fail(err, MR_E_BAD_REQUEST, "%s expects at least one row, received none",
                       model->class_name);
    }
    if (model->has_pandas_categories) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "%s was trained with categorical columns of a DataFrame, received a table "
                       "that has none",
                       model->class_name);
    }
    for (size_t i = 0; i < table->n_cols; i++) {
        const struct mr_column *column = &table->columns[i];
        if (is_number(column->dtype)) continue;
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "column \"%.*s\": LightGBM takes numbers and booleans, received %s",
                       MR_STR_ARGS(column->name), mr_dtype_name(column->dtype));
    }
    *out = (struct mr_lgb_input){.matrix = {.n_rows = table->n_rows,
                                            .n_cols = (uint32_t)table->n_cols,
                                            .columns = table->columns,
                                            .library = "LightGBM"}};
    return check_width(model, (int64_t)table->n_cols, err);
}

/* The wrappers have scikit-learn's check_array look at arrays: it wants a row, takes no texts, and
 * makes doubles of Python objects. What is not of floats then becomes float32. */
static mr_status init_tensor(const struct mr_lgb_model *model, const struct mr_tensor *tensor,
                             struct mr_lgb_input *out, struct mr_error *err) {
    bool is_checked = model->kind != MR_LGB_BOOSTER;
    mr_dtype dtype = tensor->dtype;
    if (tensor->n_dims != 2) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "%s expects an array of 2 dimensions, received one of %zu",
                       model->class_name, tensor->n_dims);
    }
    if (is_checked && tensor->shape[0] < 1) {
        return mr_fail(err, MR_E_BAD_REQUEST, "%s expects at least one row, received none",
                       model->class_name);
    }
    if (is_checked && (dtype == MR_STRING || dtype == MR_BINARY)) {
        return mr_fail(err, MR_E_BAD_REQUEST, "%s expects numbers, received an array of dtype %s",
                       model->class_name, mr_dtype_name(dtype));
    }
    *out = (struct mr_lgb_input){.matrix = {.n_rows = tensor->shape[0],
                                            .n_cols = (uint32_t)tensor->shape[1],
                                            .tensor = tensor,
                                            .library = "LightGBM"},
                                 .is_rounded = dtype != MR_FLOAT32 && dtype != MR_FLOAT64 &&
                                               !(is_checked && dtype == MR_OBJECT)};
    return check_width(model, tensor->shape[1], err);
}

/* Values ------------------------------------------------------------------------------------ */

/* A row is made of what is not zero. */
static void drop_zeros(size_t n, double *values) {
    for (size_t i = 0; i < n; i++) {
        if (fabs(values[i]) <= (double)ZERO_THRESHOLD) values[i] = 0;
    }
}

static mr_status read_rounded(const struct mr_lgb_input *input, uint32_t feature, int64_t row,
                              size_t n, double *out, struct mr_error *err) {
    for (size_t i = 0; i < n; i++) {
        float value;
        MR_TRY(mr_matrix_floats(&input->matrix, feature, row + (int64_t)i, 1, &value, err));
        out[i] = (double)value;
    }
    return MR_OK;
}

mr_status mr_lgb_input_read(const struct mr_lgb_input *input, uint32_t feature, int64_t row,
                            size_t n, double *out, struct mr_error *err) {
    MR_TRY(input->is_rounded ? read_rounded(input, feature, row, n, out, err)
                             : mr_matrix_doubles(&input->matrix, feature, row, n, out, err));
    drop_zeros(n, out);
    return MR_OK;
}

mr_status mr_lgb_input_read_row(const struct mr_lgb_input *input, const uint32_t *features,
                                size_t n, int64_t row, double *out, struct mr_error *err) {
    if (!input->is_rounded) {
        MR_TRY(mr_matrix_double_row(&input->matrix, features, n, row, out, err));
    }
    for (size_t i = 0; input->is_rounded && i < n; i++) {
        MR_TRY(read_rounded(input, features[i], row, 1, &out[i], err));
    }
    drop_zeros(n, out);
    return MR_OK;
}

/* Objects and texts that are no numbers make LightGBM raise in features that no tree asks for, too.
 */
static mr_status check_cells(const struct mr_lgb_input *input, struct mr_error *err) {
    const struct mr_matrix *matrix = &input->matrix;
    if (is_number(matrix->tensor->dtype)) return MR_OK;
    for (int64_t row = 0; row < matrix->n_rows; row++) {
        for (uint32_t i = 0; i < matrix->n_cols; i++) {
            double value;
            MR_TRY(mr_matrix_doubles(matrix, i, row, 1, &value, err));
        }
    }
    return MR_OK;
}

mr_status mr_lgb_input_init(const struct mr_lgb_model *model, const struct mr_input *input,
                            struct mr_lgb_input *out, struct mr_error *err) {
    switch (input->kind) {
    case MR_INPUT_TABLE: return init_table(model, &input->table, out, err);
    case MR_INPUT_TENSOR:
        MR_TRY(init_tensor(model, &input->tensors[0], out, err));
        return check_cells(out, err);
    case MR_INPUT_TENSORS:
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "%s expects a table or one array, received %zu named arrays",
                       model->class_name, input->n_tensors);
    default:
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "%s expects a table or an array of numbers, received %s", model->class_name,
                       input->raw_reason ? input->raw_reason : "something else");
    }
}
