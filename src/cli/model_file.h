/* --models: a folder whose folders are models, or a YAML file that names them:
 *
 *     models:
 *       - name: champion
 *         uri: models:/iris@champion
 *         workers: 4
 *         max-queue: 100
 *         env: {OMP_NUM_THREADS: 1}
 *
 * Beside name, uri and env a model may have engine, workers, env-manager, batch (true or false),
 * the three max-batch and the three max-queue: options of `mlrace serve`, here also with
 * underscores. */
#ifndef MR_CLI_MODEL_FILE_H
#define MR_CLI_MODEL_FILE_H

#include "cli/model_list.h"

/* Add the models of a folder, by their names, or of a file, in its order.
 * returns  MR_OK; MR_E_NOT_FOUND, MR_E_IO; MR_E_FORMAT with the line; MR_E_INVALID_PARAMETER: there
 *          is none, or there are too many; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_model_file_read(const char *path, struct mr_model_list *list,
                                           struct mr_error *err);

#endif
