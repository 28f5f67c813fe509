/* The command lines and environments of Python processes. */
#ifndef MR_ENGINE_PYPROC_COMMAND_H
#define MR_ENGINE_PYPROC_COMMAND_H

#include "engine/engine.h"

/* All of it lies in an arena, or is borrowed from the options and the process's environment. */
struct mr_command {
    char **argv; /* NULL-terminated, the interpreter first; so is envp */
    char **envp;
    unsigned n_threads; /* for OpenMP and BLAS in each worker, where the user has not said */
};

/* Of a host. Its socket is MR_PROCESS_SOCKET.
 * n_workers  over which the CPU limit is shared out
 * returns    MR_OK, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_command_init(const struct mr_python_options *options,
                                        const char *model_path, unsigned n_workers,
                                        struct mr_arena *arena, struct mr_command *out,
                                        struct mr_error *err);

/* Of the process that builds a model's environment ahead (python/mlrace/environment.py).
 * returns  MR_OK, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_command_init_prepare(const struct mr_python_options *options,
                                                const char *model_path, struct mr_arena *arena,
                                                struct mr_command *out, struct mr_error *err);

#endif
