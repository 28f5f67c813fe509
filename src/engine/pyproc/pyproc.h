/* The engine that has Python processes answer: whatever mlflow.pyfunc can load. */
#ifndef MR_ENGINE_PYPROC_PYPROC_H
#define MR_ENGINE_PYPROC_PYPROC_H

#include "engine/engine.h"

extern const struct mr_engine_ops mr_python_engine;

#endif
