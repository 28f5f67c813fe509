#include "engine/pipeline/pipeline.h"

#include <stdio.h>

#include "engine/graph.h"
#include "engine/linear/linear.h"
#include "engine/pipeline/pipeline_int.h"
#include "engine/pipeline/requirements.h"
#include "schema/slice.h"

/* What is computed together stays in the caches. */
#define BLOCK_ROWS ((size_t)256)
#define BLOCK_VALUES ((size_t)32768)

/* Steps may share what a small file holds, and each has a copy of it. */
#define MAX_MODEL_BYTES ((size_t)8 << 30)

struct mr_engine_model {
    struct mr_arena *arena;          /* holds the model */
    const char *name;                /* class name, and of what is behind it */
    const char *version;             /* of scikit-learn that saved it */
    const struct mr_pipe_step *step; /* NULL: the estimator alone */
    struct mr_engine estimator;
    size_t block_rows;
};

/* Building ------------------------------------------------------------------------------------- */

/* Estimators of scikit-learn that take a sparse matrix, and for which its zeros are zeros. */
static bool takes_sparse(const struct mr_engine *engine, const struct mr_object *estimator,
                         size_t n_cols) {
    static const char *const modules[] = {
        "sklearn.ensemble._forest",
        "sklearn.ensemble._gb",
        "sklearn.tree._classes",
    };
    if (engine->ops == &mr_linear_engine) return mr_linear_takes_sparse(engine->model, n_cols);
    for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
        if (mr_str_is(estimator->module, modules[i])) return true;
    }
    return false;
}

/* Only linear models take a sparse matrix as it is. */
static bool is_made_dense(const struct mr_engine_model *model) {
    return model->step->gives == MR_PIPE_SPARSE && model->estimator.ops != &mr_linear_engine;
}

static mr_status check_estimator(const struct mr_engine_model *model,
                                 const struct mr_object *estimator, struct mr_error *err) {
    const struct mr_pipe_step *step = model->step;
    const struct mr_engine *engine = &model->estimator;
    bool is_taken = !step || step->gives == MR_PIPE_FRAME ||
                    (step->gives == MR_PIPE_SPARSE && takes_sparse(engine, estimator, step->n_out));
    if (is_taken) return MR_OK;
    char text[200];
    return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %s of what a %s gives yet",
                   mr_object_describe(estimator, text, sizeof(text)), step->name);
}

static bool is_pipeline(const struct mr_object *object) {
    return mr_object_is(object, "sklearn.pipeline", "Pipeline");
}

/* Searches over parameters answer with the best estimator (BaseSearchCV.predict and the other
 * methods of sklearn/model_selection/_search.py, version 1.9.1). */
static bool is_search(const struct mr_object *object) {
    static const char *const names[] = {"GridSearchCV", "RandomizedSearchCV"};
    static const char *const halving[] = {"HalvingGridSearchCV", "HalvingRandomSearchCV"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (mr_object_is(object, "sklearn.model_selection._search", names[i])) return true;
        if (mr_object_is(object, "sklearn.model_selection._search_successive_halving", halving[i]))
            return true;
    }
    return false;
}

/* The object that answers, and the step before it. */
static mr_status read_estimator(const struct mr_sk_estimator *estimator,
                                struct mr_pipe_builder *builder, struct mr_engine_model *model,
                                const struct mr_object **last) {
    struct mr_sk_estimator pipeline = *estimator;
    if (is_search(estimator->object)) {
        const struct mr_object *best = mr_object_attr(estimator->object, "best_estimator_");
        MR_TRY(mr_sk_inside(estimator, best, model->arena, &pipeline, builder->err));
        *last = best;
        if (!is_pipeline(best)) return MR_OK;
    }
    struct mr_pipe_step *step = NULL;
    MR_TRY(mr_pipe_build_chain(builder, &pipeline, MR_PIPE_FRAME, 0, &step, last));
    model->step = step;
    return MR_OK;
}

/* What reaches the last step: after others, an array of numbers whatever the request was. */
static mr_status describe_last(const struct mr_signature *outer,
                               const struct mr_engine_model *model, const struct mr_signature **out,
                               struct mr_error *err) {
    *out = outer;
    if (!model->step) return MR_OK;
    struct mr_signature *inner = mr_arena_zalloc(model->arena, sizeof(*inner));
    struct mr_tensor_spec *spec = mr_arena_zalloc(model->arena, sizeof(*spec));
    int64_t *shape = mr_arena_array(model->arena, 2, sizeof(*shape));
    if (!inner || !spec || !shape) return mr_arena_fail(model->arena, err);
    shape[0] = -1;
    shape[1] = (int64_t)model->step->n_out;
    *spec = (struct mr_tensor_spec){
        .dtype = MR_FLOAT64, .is_known = true, .n_dims = 2, .shape = shape};
    inner->kind = MR_SCHEMA_TENSORS;
    inner->n_inputs = 1;
    inner->tensors = spec;
    if (outer) {
        inner->has_params = outer->has_params;
        inner->n_params = outer->n_params;
        inner->params = outer->params;
    }
    *out = inner;
    return MR_OK;
}

/* widest: the most columns of an ndarray between the steps, at least 1. */
static size_t choose_block_rows(size_t widest) {
    size_t n = BLOCK_VALUES / widest / MR_SLICE_ROWS * MR_SLICE_ROWS;
    if (n > BLOCK_ROWS) return BLOCK_ROWS;
    return n < MR_SLICE_ROWS ? MR_SLICE_ROWS : n;
}

static mr_status read_pipeline(const struct mr_model_source *source, struct mr_arena *scratch,
                               struct mr_engine_model *model, struct mr_error *err) {
    struct mr_sk_estimator estimator;
    MR_TRY(mr_sk_open(source, model->arena, &estimator, err));
    if (!is_pipeline(estimator.object) && !is_search(estimator.object)) {
        char text[200];
        return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %s yet",
                       mr_object_describe(estimator.object, text, sizeof(text)));
    }
    MR_TRY(mr_engine_check_signature(source->signature, err));
    model->name = estimator.name;
    model->version = mr_arena_strdup(model->arena, mr_str_from(estimator.version.text));
    if (!model->version) return mr_arena_fail(model->arena, err);
    struct mr_pipe_builder builder = {
        .arena = model->arena, .scratch = scratch, .err = err, .widest = 1};
    /* Texts of pandas 3 have a dtype of their own, with NaN where one is missing; before, and in
     * JSON alone, that was None in a column of Python objects. */
    builder.is_missing_text_nan = mr_pipe_requires(source->path, "pandas", 3, scratch);
    builder.is_numpy_2 = mr_pipe_requires(source->path, "numpy", 2, scratch);
    const struct mr_object *last = NULL;
    MR_TRY(read_estimator(&estimator, &builder, model, &last));
    struct mr_model_source inside = *source;
    MR_TRY(describe_last(source->signature, model, &inside.signature, err));
    MR_TRY(mr_engine_find_inside(&inside, last, &model->estimator, err));
    if (model->step && is_made_dense(model) && model->step->n_out > builder.widest) {
        builder.widest = model->step->n_out;
    }
    model->block_rows = choose_block_rows(builder.widest);
    return check_estimator(model, last, err);
}

static void unload(struct mr_engine_model *model) {
    if (!model) return;
    mr_engine_unload(&model->estimator);
    mr_arena_free(model->arena);
}

static mr_status build(const struct mr_model_source *source, struct mr_engine_model **out,
                       struct mr_error *err) {
    struct mr_arena *arena = mr_arena_new(MAX_MODEL_BYTES, NULL);
    struct mr_arena *scratch = mr_arena_new(MAX_MODEL_BYTES, NULL);
    struct mr_engine_model *model = arena ? mr_arena_zalloc(arena, sizeof(*model)) : NULL;
    mr_status status = MR_E_NO_MEMORY;
    if (model && scratch) {
        model->arena = arena;
        status = read_pipeline(source, scratch, model, err);
    } else {
        mr_fail(err, status, "out of memory");
    }
    mr_arena_free(scratch);
    if (status != MR_OK) {
        if (model) mr_engine_unload(&model->estimator);
        mr_arena_free(arena);
        return status;
    }
    *out = model;
    return MR_OK;
}

static void probe(const struct mr_model_source *source, struct mr_probe *out) {
    struct mr_error err = {0};
    if (build(source, &out->model, &err) != MR_OK) {
        out->score = 0;
        snprintf(out->reason, sizeof(out->reason), "%.*s", (int)sizeof(out->reason) - 1,
                 err.message);
        return;
    }
    out->score = 100;
    snprintf(out->reason, sizeof(out->reason), "all steps of the %s are evaluated in C: %.400s",
             out->model->name, out->model->estimator.reason);
}

static void describe(const struct mr_engine_model *model, struct mr_buf *buf) {
    mr_buf_format(buf, "  %s of scikit-learn %s", model->name, model->version);
    if (model->step) mr_buf_format(buf, "; %zu columns reach the last step", model->step->n_out);
    mr_buf_format(buf, ", the engine %s:\n", model->estimator.ops->name);
    mr_engine_describe(&model->estimator, buf);
}

/* Prediction ----------------------------------------------------------------------------------- */

/* A Pipeline behind the steps may not take whatever they give. */
static bool can_estimator_take(const struct mr_engine_model *model, const struct mr_pipe_x *x,
                               struct mr_arena *arena, const char **reason) {
    struct mr_pipe_x row, last;
    struct mr_error err;
    if (mr_engine_takes_decoded(&model->estimator) ||
        mr_pipe_first_row(x, arena, &row, &err) != MR_OK ||
        mr_pipe_transform(model->step, &row, arena, &last, &err) != MR_OK) {
        return true; /* prediction says what is wrong */
    }
    return mr_engine_can_take(&model->estimator, &last.input, arena, reason);
}

static bool can_take(const struct mr_engine_model *model, const struct mr_input *input,
                     struct mr_arena *arena, const char **reason) {
    *reason = "a pipeline takes one table or one array";
    if (!model->step) return mr_engine_can_take(&model->estimator, input, arena, reason);
    if (input->kind != MR_INPUT_TABLE && input->kind != MR_INPUT_TENSOR) return false;
    *reason = "no rows";
    if (mr_input_n_rows(input) < 1) return false;
    struct mr_pipe_x x = {.kind = MR_PIPE_FRAME, .input = *input};
    return mr_pipe_can_take(model->step, &x, arena, reason) &&
           can_estimator_take(model, &x, arena, reason);
}

/* A NaN in a sparse matrix stops the estimators that take one, trees too. */
static mr_status check_sparse(const struct mr_csr *csr, struct mr_error *err) {
    size_t n = csr->starts[csr->n_rows];
    for (size_t i = 0; i < n; i++) {
        if (csr->values[i] - csr->values[i] == 0) continue;
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "a sparse matrix of the pipeline has NaN or infinity in column %u",
                       csr->columns[i]);
    }
    return MR_OK;
}

static mr_status predict_rows(const struct mr_engine_model *model, const struct mr_input *input,
                              struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    struct mr_pipe_x x = {.kind = MR_PIPE_FRAME, .input = *input}, last;
    if (!model->step) return mr_engine_predict(&model->estimator, input, arena, out, err);
    MR_TRY(mr_pipe_transform(model->step, &x, arena, &last, err));
    if (last.kind == MR_PIPE_SPARSE) {
        MR_TRY(check_sparse(last.csr, err));
        if (!is_made_dense(model)) {
            return mr_linear_predict_sparse(model->estimator.model, last.csr, arena, out, err);
        }
        const struct mr_csr *csr = last.csr;
        MR_TRY(mr_pipe_toarray(csr, arena, &last, err));
    }
    return mr_engine_predict(&model->estimator, &last.input, arena, out, err);
}

/* Rows first .. end, with all that is between the steps in `scratch`, into their place in *out. */
static mr_status predict_block(const struct mr_engine_model *model, const struct mr_input *input,
                               int64_t first, int64_t end, struct mr_arena *scratch,
                               struct mr_arena *arena, struct mr_output *out,
                               struct mr_error *err) {
    struct mr_input slice;
    struct mr_output answer = {0};
    MR_TRY(mr_input_slice(input, first, end, scratch, &slice, err));
    MR_TRY(predict_rows(model, &slice, scratch, &answer, err));
    if (first == 0) MR_TRY(mr_output_like(&answer, mr_input_n_rows(input), arena, out, err));
    if (mr_output_put(&answer, first, end - first, out)) return MR_OK;
    return mr_fail(err, MR_E_INTERNAL, "%s: blocks of rows are not answered alike", model->name);
}

static mr_status predict_blocks(const struct mr_engine_model *model, const struct mr_input *input,
                                struct mr_arena *arena, struct mr_output *out,
                                struct mr_error *err) {
    int64_t n_rows = mr_input_n_rows(input), n_each = (int64_t)model->block_rows;
    struct mr_arena *scratch = mr_arena_new(mr_arena_room(arena), NULL);
    if (!scratch) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    mr_status status = MR_OK;
    for (int64_t first = 0; status == MR_OK && first < n_rows; first += n_each) {
        int64_t end = n_rows - first < n_each ? n_rows : first + n_each;
        status = predict_block(model, input, first, end, scratch, arena, out, err);
        mr_arena_reset(scratch);
    }
    mr_arena_free(scratch);
    return status;
}

static mr_status predict(const struct mr_engine_model *model, const struct mr_input *input,
                         struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    if (!model->step || mr_input_n_rows(input) <= (int64_t)model->block_rows) {
        return predict_rows(model, input, arena, out, err);
    }
    struct mr_error whole;
    mr_status status = predict_blocks(model, input, arena, out, err);
    if (status == MR_E_UNSUPPORTED) { /* no list of rows */
        return predict_rows(model, input, arena, out, err);
    }
    /* An error of a block counts rows from its first one. */
    if (status == MR_E_BAD_REQUEST && err &&
        predict_rows(model, input, arena, out, &whole) == MR_E_BAD_REQUEST) {
        *err = whole;
    }
    return status;
}

const struct mr_engine_ops mr_pipeline_engine = {
    .name = "pipeline",
    .is_native = true,
    .probe = probe,
    .describe = describe,
    .can_take = can_take,
    .predict = predict,
    .unload = unload,
};
