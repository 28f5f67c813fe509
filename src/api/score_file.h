/* Scoring a file: the same way as a request's, in blocks of rows, on all processors, in memory that
 * does not grow with the file.
 *
 * Answers are written in the order of the rows. Where the signature gives the columns' types, or
 * pandas' inference over the whole CSV file does, a block is read as the whole would be. These
 * differ, since a block is decoded on its own: a column of dataframe_records must occur in each
 * block; instances and inputs without a signature get their dtype from the rows of a block; a
 * column of booleans, integers or floats may be written in another way in another block (True in
 * one, 1 in the next), which pandas allows for its own chunks too. */
#ifndef MR_API_SCORE_FILE_H
#define MR_API_SCORE_FILE_H

#include "base/progress.h"
#include "codec/decode.h"
#include "codec/encode.h"
#include "model/model.h"

/* How predictions are written. */
typedef enum mr_file_format {
    MR_FILE_JSON,  /* {"predictions": [...]}, as MLflow */
    MR_FILE_JSONL, /* a JSON value a line */
    MR_FILE_CSV    /* a header, and a line a row, as pandas' to_csv(index=False) */
} mr_file_format;

#define MR_FILE_BLOCK_BYTES ((size_t)1 << 20)

struct mr_score_file {
    const struct mr_model *model;
    int input; /* read from its current offset; what cannot be read twice may be copied to a
                  temporary file first */
    mr_format input_format; /* MR_FORMAT_JSON or MR_FORMAT_CSV */
    int output;
    mr_file_format output_format;
    struct mr_encode_options encode;
    unsigned n_threads;
    size_t block_bytes;           /* of input; 0: MR_FILE_BLOCK_BYTES */
    struct mr_progress *progress; /* NULL: none */
};

/* Score all rows of input to output.
 * n_rows   how many there were; may be NULL
 * returns  MR_OK; the statuses of mr_score_decode and mr_score_answer with the place in the file;
 *          MR_E_IO when reading or writing fails. On error some answers may have been written */
MR_MUST_CHECK mr_status mr_score_file_run(const struct mr_score_file *options, int64_t *n_rows,
                                          struct mr_error *err);

#endif
