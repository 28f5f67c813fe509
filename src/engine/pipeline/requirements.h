/* What a model's requirements.txt says about the packages that Python would serve it with. */
#ifndef MR_ENGINE_PIPELINE_REQUIREMENTS_H
#define MR_ENGINE_PIPELINE_REQUIREMENTS_H

#include "base/arena.h"

/* Whether they ask for pandas 3 or later, whose texts have a dtype of their own with NaN where one
 * is missing; before, and in JSON alone, that was None in a column of Python objects.
 * folder   of the model; NULL: none
 * scratch  holds the file's text
 * returns  false also when that cannot be told: no file, no such line, only under a condition */
bool mr_pipe_requires_pandas_3(const char *folder, struct mr_arena *scratch);

#endif
