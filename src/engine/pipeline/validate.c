#include "engine/pipeline/validate.h"

#include "engine/pipeline/stack.h"

mr_status mr_pipe_validate(const struct mr_sk_feature_spec *spec, const struct mr_pipe_x *x,
                           const uint32_t *columns, size_t n, struct mr_arena *arena,
                           struct mr_pipe_x *out, struct mr_error *err) {
    struct mr_sk_features features;
    MR_TRY(mr_sk_features_init(spec, &x->input, arena, &features, err));
    size_t n_rows = (size_t)features.n_rows;
    double *scratch = mr_arena_array(arena, n_rows, sizeof(*scratch));
    if (!scratch) return mr_arena_fail(arena, err);
    for (size_t i = 0; spec->finite != MR_SK_ANY && i < spec->n_features; i++) {
        mr_dtype dtype = features.columns ? features.columns[i].dtype : features.tensor->dtype;
        const double *values;
        if (mr_dtype_kind(dtype) != 'f') continue;
        MR_TRY(mr_sk_features_column(&features, i, 0, n_rows, scratch, &values, err));
    }
    return mr_pipe_gather(x, columns, n, arena, out, err);
}
