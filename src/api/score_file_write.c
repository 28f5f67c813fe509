/* Writing the answers of all blocks as one output. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "api/score_file_int.h"

static mr_status write_text(const struct mr_file_job *job, struct mr_str text,
                            struct mr_error *err) {
    while (text.size) {
        ssize_t n = write(job->options->output, text.data, text.size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return mr_fail(err, MR_E_IO, "cannot write the output: %s", strerror(errno));
        text.data += n;
        text.size -= (size_t)n;
    }
    return MR_OK;
}

/* All blocks' lists become one. */
static mr_status write_json(struct mr_file_job *job, const struct mr_answers *answers,
                            struct mr_error *err) {
    struct mr_str text = mr_buf_str(&answers->text);
    bool is_list = answers->is_list && !answers->is_bare;
    if (job->has_output && (job->is_unlisted || !is_list)) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "the model's answer is no list with an entry for each row: it cannot be put "
                       "together from blocks of rows");
    }
    if (!job->has_output) {
        job->is_unlisted = !is_list;
        job->is_bare = answers->is_bare;
        if (!answers->is_bare) MR_TRY(write_text(job, mr_str_from("{\"predictions\": "), err));
        if (is_list) MR_TRY(write_text(job, mr_str_from("["), err));
    }
    if (is_list) text = (struct mr_str){text.data + 1, text.size - 2}; /* no brackets */
    if (job->has_entries && text.size) MR_TRY(write_text(job, mr_str_from(", "), err));
    job->has_entries |= text.size > 0;
    return write_text(job, text, err);
}

static mr_status write_csv(struct mr_file_job *job, const struct mr_answers *answers,
                           struct mr_error *err) {
    struct mr_str header = mr_buf_str(&answers->header);
    if (!job->has_output) {
        job->header = (struct mr_str){mr_arena_strdup(job->arena, header), header.size};
        if (!job->header.data) return mr_arena_fail(job->arena, err);
        MR_TRY(write_text(job, header, err));
    } else if (!mr_str_equal(job->header, header)) {
        return mr_fail(err, MR_E_INTERNAL,
                       "the model answers with the columns %.*s, then with %.*s",
                       MR_STR_ARGS(job->header), MR_STR_ARGS(header));
    }
    return write_text(job, mr_buf_str(&answers->text), err);
}

mr_status mr_file_write(struct mr_file_job *job, struct mr_block *block, struct mr_error *err) {
    const struct mr_answers *answers = block->result;
    mr_status status = MR_OK;
    switch (job->options->output_format) {
    case MR_FILE_JSON: status = write_json(job, answers, err); break;
    case MR_FILE_JSONL: status = write_text(job, mr_buf_str(&answers->text), err); break;
    case MR_FILE_CSV: status = write_csv(job, answers, err); break;
    }
    job->has_output = true;
    return status;
}

mr_status mr_file_write_end(struct mr_file_job *job, struct mr_error *err) {
    if (job->options->output_format != MR_FILE_JSON) return MR_OK;
    if (!job->is_unlisted) MR_TRY(write_text(job, mr_str_from("]"), err));
    return job->is_bare ? MR_OK : write_text(job, mr_str_from("}"), err);
}
