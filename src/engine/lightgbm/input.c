/* lightgbm/basic.py (_InnerPredictor.predict, _data_from_pandas, _np2d_to_np1d),
 * lightgbm/sklearn.py (LGBMModel.predict), src/c_api.cpp (RowPairFunctionFromDenseMatrix). */
#include <math.h>

#include "engine/cell.h"
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
    *out = (struct mr_lgb_input){
        .n_rows = table->n_rows, .n_cols = (uint32_t)table->n_cols, .columns = table->columns};
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
    *out = (struct mr_lgb_input){.n_rows = tensor->shape[0],
                                 .n_cols = (uint32_t)tensor->shape[1],
                                 .tensor = tensor,
                                 .is_rounded = dtype != MR_FLOAT32 && dtype != MR_FLOAT64 &&
                                               !(is_checked && dtype == MR_OBJECT)};
    return check_width(model, tensor->shape[1], err);
}

/* Values ------------------------------------------------------------------------------------ */

#define CONVERT(type, wanted)                                                                      \
    do {                                                                                           \
        const type *from = (const type *)values + start;                                           \
        for (size_t i = 0; i < n; i++) out[i] = (double)(wanted)from[i * stride];                  \
        return true;                                                                               \
    } while (0)

/* Strided numbers, rounded once; false for dtypes that are read one by one. */
static bool convert(mr_dtype dtype, const void *values, size_t start, size_t stride, size_t n,
                    double *out) {
    switch (dtype) {
    case MR_FLOAT64: CONVERT(double, double);
    case MR_FLOAT32: CONVERT(float, double);
    case MR_INT64: CONVERT(int64_t, double);
    case MR_INT32: CONVERT(int32_t, double);
    case MR_BOOL:
    case MR_UINT8: CONVERT(uint8_t, double);
    default: return false;
    }
}

/* The same for those whose float32 is not that of their double. */
static bool convert_rounded(mr_dtype dtype, const void *values, size_t start, size_t stride,
                            size_t n, double *out) {
    switch (dtype) {
    case MR_INT64:
    case MR_DATETIME: CONVERT(int64_t, float);
    case MR_UINT64: CONVERT(uint64_t, float);
    default: return false;
    }
}

static mr_status fail_cell(uint32_t feature, int64_t row, struct mr_error *err) {
    return mr_fail(err, MR_E_BAD_REQUEST, "row %lld, column %u: LightGBM takes numbers only",
                   (long long)row, feature);
}

static mr_status read_column(const struct mr_column *column, uint32_t feature, int64_t row,
                             size_t n, double *out, struct mr_error *err) {
    if (!column->validity && convert(column->dtype, column->values, (size_t)row, 1, n, out)) {
        return MR_OK;
    }
    for (size_t i = 0; i < n; i++) {
        if (!mr_cell_of_column(column, row + (int64_t)i, &out[i])) {
            return fail_cell(feature, row + (int64_t)i, err);
        }
    }
    return MR_OK;
}

static mr_status read_matrix(const struct mr_lgb_input *input, uint32_t feature, int64_t row,
                             size_t n, double *out, struct mr_error *err) {
    const struct mr_tensor *tensor = input->tensor;
    size_t start = (size_t)row * input->n_cols + feature, stride = input->n_cols;
    if (input->is_rounded ? convert_rounded(tensor->dtype, tensor->values, start, stride, n, out)
                          : convert(tensor->dtype, tensor->values, start, stride, n, out)) {
        return MR_OK;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t at = (int64_t)(start + i * stride);
        if (!mr_cell_of_array(tensor->dtype, tensor->values, at, &out[i])) {
            return fail_cell(feature, row + (int64_t)i, err);
        }
        if (input->is_rounded) out[i] = (double)(float)out[i];
    }
    return MR_OK;
}

mr_status mr_lgb_input_read(const struct mr_lgb_input *input, uint32_t feature, int64_t row,
                            size_t n, double *out, struct mr_error *err) {
    MR_TRY(input->columns ? read_column(&input->columns[feature], feature, row, n, out, err)
                          : read_matrix(input, feature, row, n, out, err));
    /* A row is made of what is not zero. */
    for (size_t i = 0; i < n; i++) {
        if (fabs(out[i]) <= (double)ZERO_THRESHOLD) out[i] = 0;
    }
    return MR_OK;
}

/* Objects and texts that are no numbers make LightGBM raise in features that no tree asks for, too.
 */
static mr_status check_cells(const struct mr_lgb_input *input, struct mr_error *err) {
    const struct mr_tensor *tensor = input->tensor;
    for (int64_t i = 0; !is_number(tensor->dtype) && i < tensor->n_values; i++) {
        double value;
        if (mr_cell_of_array(tensor->dtype, tensor->values, i, &value)) continue;
        return fail_cell((uint32_t)(i % input->n_cols), i / input->n_cols, err);
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
