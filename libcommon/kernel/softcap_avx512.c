#include "kernel/x16_avx512.h"

#include "kernel/softcap_x16.h"
