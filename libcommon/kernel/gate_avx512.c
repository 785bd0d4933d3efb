#include "kernel/x16_avx512.h"

#include "kernel/gate_x16.h"
