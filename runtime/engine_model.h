/* engine_model.h: what the engine's own files see of an engine_model. Private to runtime/. */
#pragma once
#include "runtime/engine.h"
#include "runtime/model.h"

const struct model *engine_model_get(const struct engine_model *model);
