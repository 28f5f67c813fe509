/* Names of files that come from outside. */
#ifndef MR_BASE_PATH_H
#define MR_BASE_PATH_H

#include <stdbool.h>

#include "base/str.h"

/* Whether a path names something inside a folder: it is relative, has no ".." and no NUL. The empty
 * path is the folder itself. Links are not looked at. */
bool mr_path_is_inside(struct mr_str path);

#endif
