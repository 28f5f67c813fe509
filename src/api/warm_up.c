#include "api/warm_up.h"

#include "api/endpoints.h"
#include "api/score.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "schema/slice.h"

/* Larger examples would be no warm-up any more. */
#define MAX_EXAMPLE_BYTES ((size_t)16 << 20)
#define MAX_ANSWER_BYTES ((size_t)256 << 20)

/* Behind a body, for the parser (struct mr_http_request). */
#define PADDING ((size_t)16)

/* The body that MLflow would have sent of the example; size 0: there is none that can be read. */
static struct mr_str read_body(const struct mr_model *model, struct mr_arena *arena) {
    const struct mr_mlmodel *mlmodel = &model->mlmodel;
    bool is_body = mlmodel->serving_example.size > 0;
    const struct mr_str file = is_body ? mlmodel->serving_example : mlmodel->example;
    struct mr_str text, none = {NULL, 0};
    struct mr_buf path, body;
    if (file.size == 0) return none;
    mr_buf_init(&path, arena);
    mr_buf_init(&body, arena);
    mr_buf_format(&path, "%s/", model->path);
    mr_buf_append(&path, file.data, file.size);
    mr_buf_char(&path, '\0');
    bool is_read = !path.is_failed &&
                   mr_file_load(path.data, MAX_EXAMPLE_BYTES, arena, &text, NULL) == MR_OK;
    if (!is_read) return none;
    bool is_split = !is_body && mlmodel->is_example_split;
    if (is_split) mr_buf_text(&body, "{\"dataframe_split\": ");
    mr_buf_append(&body, text.data, text.size);
    if (is_split) mr_buf_char(&body, '}');
    if (!mr_buf_reserve(&body, PADDING)) return none;
    memset(body.data + body.size, 0, PADDING);
    return mr_buf_str(&body);
}

/* The message of an error that a Python model has raised: the beginning of its JSON. */
static mr_status fail_raised(const struct mr_output *output, struct mr_error *err) {
    mr_status status = output->http_status >= 500 ? MR_E_INTERNAL : MR_E_BAD_REQUEST;
    return mr_fail(err, status, "%.*s", MR_STR_ARGS(output->json));
}

static mr_status answer(const struct mr_served *served, struct mr_version *version,
                        struct mr_str body, struct mr_arena *arena, struct mr_error *err) {
    /* Nobody has asked yet for the Python beside a native engine, and so it is not started. */
    struct mr_model model = *version->model;
    model.fallback = NULL;
    struct mr_question question = {0};
    struct mr_output output = {0};
    struct mr_buf text;
    char *data = (char *)(uintptr_t)body.data; /* the buffer is ours */
    mr_buf_init(&text, arena);
    mr_status status = mr_score_decode(&model, MR_FORMAT_JSON, data, body.size, body.size + PADDING,
                                       arena, &question, err);
    bool is_for_fallback = version->model->fallback && mr_question_is_for_python(&question);
    if (status != MR_OK) return is_for_fallback ? MR_OK : status;
    uint64_t start_ns = mr_cost_now_ns();
    const atomic_bool *is_over = &served->endpoints->is_stopping;
    MR_TRY(mr_score_answer(&question, is_over, arena, &output, err));
    if (output.http_status >= 400) return fail_raised(&output, err);
    mr_json_encode(&output, &served->endpoints->encode, &text);
    int64_t n_rows = mr_input_n_rows(&question.input);
    if (mr_engine_is_native(question.engine)) {
        mr_cost_learn(&version->cost, n_rows, mr_cost_now_ns() - start_ns);
    }
    return mr_buf_status(&text, err);
}

/* took_ms  < 0: there is no example, or it was answered when the model was loaded */
static mr_status warm_up(const struct mr_served *served, struct mr_version *version,
                         double *took_ms, struct mr_error *err) {
    struct mr_arena *files = mr_arena_new(MAX_EXAMPLE_BYTES, NULL);
    struct mr_arena *arena = mr_arena_new(MAX_ANSWER_BYTES, NULL);
    mr_status status = MR_OK;
    struct mr_str body = {NULL, 0};
    uint64_t start_ns = mr_clock_ns();
    mr_warm_up end = mr_engine_warm_up_of(&version->model->engine, err);
    if (end == MR_WARM_UP_FAILED) status = MR_E_BAD_REQUEST;
    if (end == MR_WARM_UP_UNKNOWN && files && arena) body = read_body(version->model, files);
    if (body.size) status = answer(served, version, body, arena, err);
    *took_ms = body.size ? (double)(mr_clock_ns() - start_ns) * 1e-6 : -1;
    mr_arena_free(arena);
    mr_arena_free(files);
    return status;
}

mr_status mr_warm_up_first(const struct mr_served *served, struct mr_error *err) {
    struct mr_version *version = mr_live_take(served->live);
    struct mr_error detail = {0};
    double took_ms = -1;
    mr_status status = MR_OK;
    if (mr_engine_is_native(&version->model->engine)) {
        status = warm_up(served, version, &took_ms, &detail);
        atomic_store(&version->refuses_example, status != MR_OK);
    }
    mr_live_give(version);
    if (status == MR_OK) {
        if (took_ms >= 0) mr_log_info("input example answered in %.1f ms", took_ms);
        return MR_OK;
    }
    if (mr_status_http(status) >= 500) {
        return mr_fail(err, status, "the model does not answer its own input example: %s",
                       detail.message);
    }
    mr_log_info("the model refuses its own input example: %s", detail.message);
    return MR_OK;
}

/* Of Python's first version only the engine knows. */
static bool refuses_example(struct mr_version *version) {
    return atomic_load(&version->refuses_example) ||
           mr_engine_warm_up_of(&version->model->engine, NULL) == MR_WARM_UP_FAILED;
}

mr_status mr_warm_up_next(void *ctx, struct mr_version *version, struct mr_error *err) {
    const struct mr_served *served = ctx;
    struct mr_error detail = {0};
    double took_ms;
    mr_status status = warm_up(served, version, &took_ms, &detail);
    if (status == MR_OK) return MR_OK;
    struct mr_version *current = mr_live_take(served->live);
    bool is_usual = mr_status_http(status) < 500 && refuses_example(current);
    mr_live_give(current);
    if (is_usual) {
        atomic_store(&version->refuses_example, true);
        mr_log_info("model %s: the new version refuses its own input example, as the one before "
                    "did: %s",
                    served->name, detail.message);
        return MR_OK;
    }
    return mr_fail(err, status, "it does not answer its own input example: %s", detail.message);
}
