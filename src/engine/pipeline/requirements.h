/* What a model's requirements.txt says about the packages that Python would serve it with. */
#ifndef MR_ENGINE_PIPELINE_REQUIREMENTS_H
#define MR_ENGINE_PIPELINE_REQUIREMENTS_H

#include "base/arena.h"

/* Whether they ask for that major version of a package, or a later one.
 * folder   of the model; NULL: none
 * scratch  holds the file's text
 * returns  false also when that cannot be told: no file, no such line, only under a condition */
bool mr_pipe_requires(const char *folder, const char *package, unsigned major,
                      struct mr_arena *scratch);

#endif
