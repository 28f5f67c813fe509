/* Params that are objects: _enforce_object and what it calls, in mlflow/models/utils.py. */
#ifndef MR_SCHEMA_PARAM_OBJECT_H
#define MR_SCHEMA_PARAM_OBJECT_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/status.h"

/* Whether a value has the properties that a type asks for, and no others. The value itself is not
 * changed: the model gets it as it came.
 * type     JSON of an Object type: {"type": "object", "properties": {name: {"type": ...}}}
 * arena    for scratch
 * returns  MR_OK; MR_E_INVALID_PARAMETER with the place, expected and received; MR_E_TOO_LARGE,
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_param_object_check(yyjson_val *value, yyjson_val *type,
                                              struct mr_arena *arena, struct mr_error *err);

#endif
