#include "kernel/x16_avx2.h"

#include "kernel/norm_x16.h"
