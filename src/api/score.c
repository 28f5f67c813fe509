#include "api/score.h"

#include "schema/enforce.h"

static mr_status decode(mr_format format, char *body, size_t body_size, size_t body_capacity,
                        const struct mr_signature *signature, struct mr_arena *arena,
                        struct mr_decoded *decoded, struct mr_error *err) {
    switch (format) {
    case MR_FORMAT_JSON:
        return mr_json_decode(body, body_size, body_capacity, signature, arena, decoded, err);
    case MR_FORMAT_CSV:
        return mr_csv_decode((struct mr_str){body, body_size}, signature, arena, decoded, err);
    case MR_FORMAT_PARQUET:
        decoded->input.kind = MR_INPUT_RAW;
        decoded->input.raw_reason = "Parquet bodies are read by Python";
        return MR_OK;
    }
    return mr_fail(err, MR_E_INTERNAL, "unknown format %d", (int)format);
}

mr_status mr_score_decoded(const struct mr_model *model, struct mr_decoded *decoded,
                           struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    struct mr_input *input = &decoded->input;
    MR_TRY(mr_enforce_inputs(&model->signature, input, arena, err));
    MR_TRY(mr_enforce_params(&model->signature, decoded->params, arena, &input->params, err));
    MR_TRY(mr_engine_predict(&model->engine, input, arena, out, err));
    out->is_bare = decoded->is_llm;
    return MR_OK;
}

mr_status mr_score(const struct mr_model *model, mr_format format, char *body, size_t body_size,
                   size_t body_capacity, struct mr_arena *arena, struct mr_output *out,
                   struct mr_error *err) {
    struct mr_decoded decoded = {0};
    MR_TRY(decode(format, body, body_size, body_capacity, &model->signature, arena, &decoded, err));
    return mr_score_decoded(model, &decoded, arena, out, err);
}
