/* Where Python lies: the interpreter that runs workers, and the package `mlrace` they run. */
#ifndef MR_STORE_PYTHON_H
#define MR_STORE_PYTHON_H

#include <limits.h>

#include "base/status.h"

/* The interpreter: what MLRACE_PYTHON names, a path or a name in PATH; without it python3, else
 * python, in PATH. An environment's interpreter is often a symbolic link and knows its environment
 * by its own place, so links are not resolved.
 *
 * out      absolute path
 * returns  MR_OK; MR_E_NOT_FOUND with what was looked for; out is empty then */
MR_MUST_CHECK mr_status mr_python_find_interpreter(char out[PATH_MAX], struct mr_error *err);

/* The folder that holds the package, for PYTHONPATH: ../share/mlrace/python beside the program's
 * folder where it is installed, ../python where it was built.
 *
 * out      absolute path
 * returns  MR_OK; MR_E_NOT_FOUND with both places; out is empty then */
MR_MUST_CHECK mr_status mr_python_find_package(char out[PATH_MAX], struct mr_error *err);

#endif
