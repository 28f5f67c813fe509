/* A file as one request: all of it is read, decoded and asked at once. */
#include "api/score_file_int.h"

#define PADDING 64 /* which the parser may write to */

struct whole_input {
    struct mr_file_job *job;
    struct mr_source source;
    bool is_read;
};

static mr_status read_all(void *ctx, struct mr_block *block, bool *is_end, struct mr_error *err) {
    struct whole_input *input = ctx;
    *is_end = input->is_read;
    if (*is_end) return MR_OK;
    input->is_read = true;
    size_t size = (size_t)input->source.size;
    MR_TRY(mr_block_reserve(block, size + PADDING, err));
    MR_TRY(mr_file_read_at(&input->source, 0, block->data, size, &block->size, err));
    memset(block->data + block->size, 0, PADDING);
    return MR_OK;
}

static mr_status score_all(void *ctx, struct mr_block *block, struct mr_error *err) {
    struct mr_file_job *job = ((struct whole_input *)ctx)->job;
    struct mr_question question;
    size_t n_bytes = block->size;
    MR_TRY(mr_score_decode(job->options->model, job->options->input_format, block->data, n_bytes,
                           n_bytes + PADDING, block->arena, &question, err));
    return mr_file_answer(job, block, &question, n_bytes, err);
}

static mr_status write_all(void *ctx, struct mr_block *block, struct mr_error *err) {
    return mr_file_write(((struct whole_input *)ctx)->job, block, err);
}

mr_status mr_file_score_whole(struct mr_file_job *job, struct mr_error *err) {
    struct whole_input input = {.job = job};
    MR_TRY(mr_source_open(job->options->input, (struct mr_str){0}, &input.source, err));
    job->total_bytes = input.source.size;
    const struct mr_pipeline pipeline = {
        .read = read_all, .work = score_all, .finish = write_all, .ctx = &input};
    mr_status status = mr_file_run(job, &pipeline, err);
    mr_source_close(&input.source);
    return status;
}
