/* The values under "params": ParamSpec of mlflow/types/schema.py and _enforce_param_datatype of
 * mlflow/models/utils.py. mr_enforce_params (enforce.h) applies them to a request. */
#ifndef MR_SCHEMA_PARAMS_H
#define MR_SCHEMA_PARAMS_H

#include <yyjson.h>

#include "schema/signature.h"

/* ParamSpec.validate_type_and_shape: a value as the model gets it, as JSON text. Integers become
 * floats where the type says so, nothing else is converted; dates become ISO 8601 texts; NaN and
 * infinities are written as Python's json does.
 * spec     its name, type and is_list are read
 * returns  MR_OK; MR_E_INVALID_PARAMETER with the param, expected and received; MR_E_BAD_REQUEST
 *          where MLflow fails with another exception than its own: lists of unequal lengths;
 *          MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_param_convert(const struct mr_param_spec *spec, yyjson_val *value,
                                         struct mr_arena *arena, struct mr_str *json,
                                         struct mr_error *err);

#endif
