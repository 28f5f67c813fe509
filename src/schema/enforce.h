/* What MLflow's predict does before it calls a model: _validate_prediction_input in
 * mlflow/pyfunc/__init__.py, that is _enforce_schema and _enforce_params_schema in
 * mlflow/models/utils.py. The same rules serve every format. Every failure here is
 * MR_E_INVALID_PARAMETER, as there. */
#ifndef MR_SCHEMA_ENFORCE_H
#define MR_SCHEMA_ENFORCE_H

#include <yyjson.h>

#include "schema/signature.h"
#include "schema/table.h"

/* Check a decoded request against the signature and bring it into the form the model gets: columns
 * in the signature's order, missing optional ones left out, extra ones dropped, safe upcasts done
 * (int -> long, float -> double, ...), tensors of the right shape and dtype. A signature without
 * inputs lets everything pass.
 * input    rewritten in place; new values live in the arena
 * returns  MR_OK; MR_E_INVALID_PARAMETER with the column or input, what was expected and what was
 *          received; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_enforce_inputs(const struct mr_signature *signature,
                                          struct mr_input *input, struct mr_arena *arena,
                                          struct mr_error *err);

/* Check the "params" of a request and fill in the defaults (_enforce_params_schema).
 * params   the JSON value under "params"; NULL when there is none
 * out      all params of the signature, in MLflow's order: those given first, then the defaults
 * returns  as above */
MR_MUST_CHECK mr_status mr_enforce_params(const struct mr_signature *signature, yyjson_val *params,
                                          struct mr_arena *arena, struct mr_params *out,
                                          struct mr_error *err);

#endif
