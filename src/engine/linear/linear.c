#include "engine/linear/linear.h"

#include <stdio.h>

#include "engine/linear/linear_int.h"

static void probe(const struct mr_model_source *source, struct mr_probe *out) {
    struct mr_error err = {0};
    if (mr_linear_build(source, &out->model, &err) != MR_OK) {
        out->score = 0;
        snprintf(out->reason, sizeof(out->reason), "%.*s", (int)sizeof(out->reason) - 1,
                 err.message);
        return;
    }
    out->score = 100;
    snprintf(out->reason, sizeof(out->reason), "%s is a linear model that C evaluates itself",
             out->model->rule->name);
}

static void describe(const struct mr_engine_model *model, struct mr_buf *buf) {
    mr_buf_format(buf, "  %s of scikit-learn %s, %zu features", model->rule->name, model->version,
                  model->features.n_features);
    if (model->labels.n) {
        mr_buf_format(buf, ", %zu classes of type %s", model->labels.n,
                      mr_dtype_name(model->labels.dtype));
    } else if (!model->is_vector) {
        mr_buf_format(buf, ", %zu outputs", model->n_outputs);
    }
    mr_buf_format(buf, "; %s coefficients\n", model->is_coef_float32 ? "float32" : "float64");
}

static mr_status new_block(const struct mr_engine_model *model, size_t n_rows,
                           struct mr_arena *arena, struct mr_linear_block *out,
                           struct mr_error *err) {
    size_t n_columns = model->n_outputs < 2 ? 2 : model->n_outputs;
    size_t n_scratch = n_rows * 4;
    if (n_rows == 1) n_scratch = model->features.n_features;
    out->n_rows = n_rows;
    out->scores = mr_arena_array(arena, n_columns * n_rows, sizeof(*out->scores));
    out->scratch = mr_arena_array(arena, n_scratch, sizeof(*out->scratch));
    out->indexes = mr_arena_array(arena, n_rows, sizeof(*out->indexes));
    return out->scores && out->scratch && out->indexes ? MR_OK : mr_arena_fail(arena, err);
}

/* Fewer rows for very many outputs, so that a block's scores stay small. */
static size_t choose_block_rows(const struct mr_engine_model *model) {
    size_t n = MR_LINEAR_BLOCK_VALUES / model->n_outputs;
    if (n > MR_LINEAR_BLOCK_ROWS) return MR_LINEAR_BLOCK_ROWS;
    return n < 8 ? 8 : n;
}

static mr_status predict(const struct mr_engine_model *model, const struct mr_input *input,
                         struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    struct mr_sk_features x;
    struct mr_linear_block block = {0};
    MR_TRY(mr_sk_features_init(&model->features, input, arena, &x, err));
    MR_TRY(mr_linear_new_answer(model, x.n_rows, mr_linear_is_float32(model, &x), arena, out, err));
    size_t block_rows = choose_block_rows(model);
    for (int64_t row = 0; row < x.n_rows;) {
        size_t n = (size_t)(x.n_rows - row);
        if (n > block_rows) n = block_rows;
        if (!block.scores || (n == 1) != (block.n_rows == 1)) {
            MR_TRY(new_block(model, n, arena, &block, err));
        }
        block.n_rows = n;
        MR_TRY(mr_linear_score(model, &x, row, &block, err));
        mr_linear_answer(model, &block, row, out);
        row += (int64_t)n;
    }
    return MR_OK;
}

bool mr_linear_takes_sparse(const struct mr_engine_model *model, size_t n_cols) {
    return !model->is_coef_float32 && model->features.n_features == n_cols;
}

mr_status mr_linear_predict_sparse(const struct mr_engine_model *model, const struct mr_csr *x,
                                   struct mr_arena *arena, struct mr_output *out,
                                   struct mr_error *err) {
    struct mr_linear_block block = {0};
    size_t block_rows = choose_block_rows(model);
    *out = (struct mr_output){0};
    MR_TRY(mr_linear_new_answer(model, (int64_t)x->n_rows, false, arena, out, err));
    for (size_t row = 0; row < x->n_rows; row += block.n_rows) {
        size_t n = x->n_rows - row < block_rows ? x->n_rows - row : block_rows;
        if (!block.scores) MR_TRY(new_block(model, n, arena, &block, err));
        block.n_rows = n;
        mr_linear_score_sparse(model, x, row, &block);
        mr_linear_answer(model, &block, (int64_t)row, out);
    }
    return MR_OK;
}

const struct mr_engine_ops mr_linear_engine = {
    .name = "linear",
    .is_native = true,
    .probe = probe,
    .describe = describe,
    .predict = predict,
    .unload = mr_linear_free,
};
