#include "kernel/x16_avx512.h"

#include "kernel/norm_x16.h"
