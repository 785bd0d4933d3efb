#include "kernel/x16_avx2.h"

#include "kernel/softcap_x16.h"
