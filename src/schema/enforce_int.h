/* Inside schema enforcement: the steps of mr_enforce_inputs (enforce.c), which follows
 * _enforce_schema in mlflow/models/utils.py. Each rewrites *input in place; every failure is
 * MR_E_INVALID_PARAMETER, MR_E_TOO_LARGE or MR_E_NO_MEMORY. None is called for MR_INPUT_RAW. */
#ifndef MR_SCHEMA_ENFORCE_INT_H
#define MR_SCHEMA_ENFORCE_INT_H

#include "schema/enforce.h"

/* A DataFrame against a signature of columns (enforce.c): _enforce_named_col_schema and
 * _enforce_unnamed_col_schema. input->kind is MR_INPUT_TABLE. */
MR_MUST_CHECK mr_status mr_enforce_columns(const struct mr_signature *signature,
                                           struct mr_input *input, struct mr_arena *arena,
                                           struct mr_error *err);

/* An array or a dict of arrays for a signature of columns becomes the DataFrame that
 * _enforce_schema makes of it before it looks at the columns (enforce_tensor.c). input->kind is
 * MR_INPUT_TENSOR or MR_INPUT_TENSORS; afterwards MR_INPUT_TABLE or MR_INPUT_RAW. */
MR_MUST_CHECK mr_status mr_enforce_tensors_as_table(const struct mr_signature *signature,
                                                    struct mr_input *input, struct mr_arena *arena,
                                                    struct mr_error *err);

/* Anything against a signature of tensors (enforce_tensor.c): _enforce_tensor_schema. input->kind
 * is any but MR_INPUT_RAW. */
MR_MUST_CHECK mr_status mr_enforce_tensors(const struct mr_signature *signature,
                                           struct mr_input *input, struct mr_arena *arena,
                                           struct mr_error *err);

#endif
