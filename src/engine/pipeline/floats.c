#include "engine/pipeline/floats.h"

#include <math.h>

mr_status mr_pipe_begin_floats(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               mr_sk_finite finite, struct mr_pipe_floats *floats) {
    bool is_copied = false;
    MR_TRY(mr_pipe_flag(b, estimator, "copy", &is_copied));
    if (!is_copied) return mr_sk_refuse(estimator, "with copy=False", b->err);
    size_t n = 0;
    MR_TRY(mr_pipe_count_features(b, estimator, floats->step.n_in, &n));
    MR_TRY(mr_sk_read_features(estimator, n, b->arena, &floats->features, b->err));
    floats->features.dtype = MR_SK_FLOATS;
    floats->features.finite = finite;
    floats->step.n_in = floats->step.n_out = n;
    floats->step.gives = floats->step.takes;
    return MR_OK;
}

static mr_status check_value(const struct mr_sk_feature_spec *spec, double value, size_t row,
                             uint32_t column, struct mr_error *err) {
    if (isfinite(value) || (isnan(value) && spec->finite == MR_SK_FINITE_OR_NAN)) return MR_OK;
    return mr_fail(err, MR_E_BAD_REQUEST,
                   "row %zu, feature %u: %s expects a finite number, received %s", row, column,
                   spec->estimator, isnan(value) ? "NaN or a missing value" : "infinity");
}

mr_status mr_pipe_copy_floats(const struct mr_sk_feature_spec *spec, const struct mr_csr *csr,
                              struct mr_arena *arena, struct mr_csr **out, double **values,
                              struct mr_error *err) {
    size_t n = csr->starts[csr->n_rows];
    struct mr_csr *copy = mr_arena_alloc(arena, sizeof(*copy));
    double *numbers = mr_arena_array(arena, n, sizeof(*numbers));
    if (!copy || !numbers) return mr_arena_fail(arena, err);
    for (size_t r = 0; r < csr->n_rows; r++) {
        for (size_t i = csr->starts[r]; i < csr->starts[r + 1]; i++) {
            MR_TRY(check_value(spec, csr->values[i], r, csr->columns[i], err));
            numbers[i] = csr->values[i];
        }
    }
    *copy = *csr;
    copy->dtype = csr->dtype == MR_FLOAT32 ? MR_FLOAT32 : MR_FLOAT64;
    copy->values = numbers;
    *values = numbers;
    *out = copy;
    return MR_OK;
}
