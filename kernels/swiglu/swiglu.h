/* swiglu.h: fields and variants of the family. */
#pragma once
#include "kernels/quant_act/rows.h"

enum { F_K, F_N, F_O, F_G };

/* The rows that a problem writes: format o, width k, groups of g where they are i8 blocks. */
struct rows swiglu_rows(const struct problem *problem);
extern const struct variant swiglu_part;
