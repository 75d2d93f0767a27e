// Null GPU: stands in for the CUDA runtime, the driver and cuBLAS, so that PyTorch's real CUDA build runs all of its
// host code (dispatcher, autograd, kernel launch code, caching allocator) on a machine without a GPU.
//
// Device memory is a range of addresses that nothing maps. Kernels do nothing. Copies to the device do nothing,
// copies from it give zeros. Functions not written here come from stubs.txt: each returns 0 (success).
//
// Environment: NULLGPU_ARCH     compute capability, 80 (A100, default) or 90 (H100)
//              NULLGPU_MEM_GIB  size of the device, default 8192 so that no case runs out
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "cuda_runtime_api.h"

#define EXPORT __attribute__((visibility("default")))
#define DEVICE_BASE  0x100000000000ULL
#define DEVICE_LIMIT 0x700000000000ULL

int arch(void);
size_t total_memory(void);
int shared_per_block_optin(void);
int on_device(const void *p);
void *new_handle(void);
long do_nothing(void);
