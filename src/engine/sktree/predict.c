#include "engine/sktree/sktree_int.h"

/* What one prediction uses. */
struct work {
    const struct mr_skt_model *model;
    const struct mr_tree_shape *shape;
    struct mr_sk_features x;
    struct mr_tree_scratch scratch;
    double *values;  /* a row of all features, or a block of one */
    double *answers; /* for mr_skt_answer */
};

static mr_status new_work(const struct mr_skt_model *model, struct mr_arena *arena,
                          struct work *work, struct mr_error *err) {
    size_t n_rows = (size_t)work->x.n_rows;
    MR_TRY(mr_tree_scratch_new(model->forest, n_rows, arena, &work->scratch, err));
    size_t stride = work->scratch.stride;
    size_t n_values = stride == 1 ? model->features.n_features : stride;
    work->values = mr_arena_array(arena, n_values, sizeof(*work->values));
    work->answers = mr_arena_array(arena, mr_skt_scratch_size(model, stride), sizeof(double));
    return work->values && work->answers ? MR_OK : mr_arena_fail(arena, err);
}

/* Writes n values of a feature where the forest reads column i. */
static void put_column(const struct work *work, size_t i, const double *values, size_t n) {
    size_t first = i * work->scratch.stride;
    if (work->shape->has_double_inputs) {
        memcpy((double *)work->scratch.x + first, values, n * sizeof(*values));
        return;
    }
    float *out = (float *)work->scratch.x + first;
    for (size_t r = 0; r < n; r++) out[r] = (float)values[r];
}

static mr_status read_row(struct work *work, int64_t row, struct mr_error *err) {
    const struct mr_skt_model *model = work->model;
    MR_TRY(mr_sk_features_row(&work->x, row, work->values, err));
    for (size_t f = 0; f < model->features.n_features; f++) {
        double *value = &work->values[f];
        if (model->encodings) MR_TRY(mr_skt_encode(model, &work->x, f, row, 1, value, err));
        if (model->column_of[f] != MR_SKT_NO_COLUMN) {
            put_column(work, model->column_of[f], value, 1);
        }
    }
    return MR_OK;
}

static mr_status read_encoded(struct work *work, size_t f, int64_t row, size_t n,
                              struct mr_error *err) {
    const struct mr_skt_model *model = work->model;
    const double *values = work->values;
    if (model->encodings[f].kind != MR_SKT_TEXTS) {
        MR_TRY(mr_sk_features_column(&work->x, f, row, n, work->values, &values, err));
        if (values != work->values) memcpy(work->values, values, n * sizeof(*values));
    }
    MR_TRY(mr_skt_encode(model, &work->x, f, row, n, work->values, err));
    if (model->column_of[f] != MR_SKT_NO_COLUMN) {
        put_column(work, model->column_of[f], work->values, n);
    }
    return MR_OK;
}

/* All features are read, as all are checked; those that no tree asks for go nowhere. */
static mr_status read_block(struct work *work, int64_t row, size_t n, struct mr_error *err) {
    const struct mr_skt_model *model = work->model;
    const struct mr_sk_feature_spec *spec = &model->features;
    for (size_t f = 0; f < spec->n_features; f++) {
        if (model->encodings) {
            MR_TRY(read_encoded(work, f, row, n, err));
            continue;
        }
        if (spec->is_unused && spec->is_unused[f]) continue;
        const double *values;
        MR_TRY(mr_sk_features_column(&work->x, f, row, n, work->values, &values, err));
        if (model->column_of[f] != MR_SKT_NO_COLUMN) {
            put_column(work, model->column_of[f], values, n);
        }
    }
    return MR_OK;
}

mr_status mr_skt_predict(const struct mr_tree_model *base, const struct mr_input *input,
                         struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    const struct mr_skt_model *model = (const struct mr_skt_model *)base;
    struct work work = {.model = model, .shape = mr_tree_forest_shape(model->forest)};
    struct mr_input selected = *input;
    MR_TRY(mr_skt_select_columns(model, &selected, arena, err));
    MR_TRY(mr_sk_features_init(&model->features, &selected, arena, &work.x, err));
    MR_TRY(new_work(model, arena, &work, err));
    MR_TRY(mr_skt_new_answer(model, work.x.n_rows, arena, out, err));
    size_t stride = work.scratch.stride;
    for (int64_t row = 0; row < work.x.n_rows;) {
        size_t n = (size_t)(work.x.n_rows - row);
        if (n > stride) n = stride;
        MR_TRY(stride == 1 ? read_row(&work, row, err) : read_block(&work, row, n, err));
        mr_tree_forest_sum(model->forest, &work.scratch, n);
        struct mr_skt_block block = {
            .sums = work.scratch.sums, .stride = stride, .n_rows = n, .scratch = work.answers};
        mr_skt_answer(model, &block, row, out);
        row += (int64_t)n;
    }
    return MR_OK;
}
