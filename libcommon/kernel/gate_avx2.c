#include "kernel/x16_avx2.h"

#include "kernel/gate_x16.h"
