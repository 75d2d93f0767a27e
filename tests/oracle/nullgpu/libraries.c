// cuBLAS and the driver.
#include "nullgpu.h"

// ---- cuBLAS ------------------------------------------------------------------------------------------------------

EXPORT int cublasCreate_v2(void **handle) { *handle = new_handle(); return 0; }
EXPORT int cublasGetMathMode(void *handle, int *mode) { *mode = 0; return 0; }
EXPORT int cublasGetPointerMode_v2(void *handle, int *mode) { *mode = 0; return 0; }
EXPORT int cublasSetWorkspace_v2(void *handle, void *workspace, size_t bytes) { return 0; }
EXPORT int cublasGemmEx(void *handle) { return 0; }
EXPORT int cublasSgemm_v2(void *handle) { return 0; }
EXPORT int cublasGemmStridedBatchedEx(void *handle) { return 0; }
EXPORT int cublasSgemmStridedBatched(void *handle) { return 0; }
EXPORT size_t cublasLtGetVersion(void) { return 130400; }
EXPORT int cublasLtMatmul(void *handle) { return 0; }
EXPORT int cublasLtMatmulDescCreate(void **description, int compute, int scale) { *description = new_handle(); return 0; }
EXPORT int cublasLtMatrixLayoutCreate(void **layout, int type, uint64_t rows, uint64_t columns, int64_t stride) { *layout = new_handle(); return 0; }
EXPORT int cublasLtMatmulPreferenceCreate(void **preference) { *preference = new_handle(); return 0; }
EXPORT int cublasLtMatmulAlgoGetHeuristic(void *handle, void *op, void *a, void *b, void *c, void *d, void *preference, int wanted, void *results, int *found) {
  memset(results, 0, 96);
  *found = 1;
  return 0;
}

// ---- driver ------------------------------------------------------------------------------------------------------

EXPORT int cuInit(unsigned flags) { return 0; }
EXPORT int cuDriverGetVersion(int *version) { *version = 13020; return 0; }
EXPORT int cuDeviceGetCount(int *count) { *count = 1; return 0; }
EXPORT int cuDeviceGet(int *device, int ordinal) { *device = 0; return 0; }
EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device) { return cudaDeviceGetAttribute(value, attribute, device); }
EXPORT int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
  if (flags) *flags = 0;
  if (active) *active = 1;
  return 0;
}
EXPORT int cuDevicePrimaryCtxRetain(void **context, int device) { *context = (void *)0x1000; return 0; }
EXPORT int cuCtxGetCurrent(void **context) { *context = (void *)0x1000; return 0; }
EXPORT int cuCtxGetDevice(int *device) { *device = 0; return 0; }
EXPORT int cuCtxGetLimit(size_t *value, int limit) { *value = 1024; return 0; }
EXPORT int cuGetErrorString(int error, const char **text) { *text = "null GPU error"; return 0; }
EXPORT int cuGetProcAddress_v2(const char *symbol, void **function, int version, uint64_t flags, void *status) { *function = (void *)do_nothing; return 0; }
EXPORT int cuPointerGetAttribute(void *value, int attribute, uint64_t p) { memset(value, 0, 4); return 0; }
EXPORT int cuStreamIsCapturing(void *stream, int *capturing) { *capturing = 0; return 0; }
EXPORT int cuModuleLoad(void **module, const char *path) { *module = (void *)0x6000; return 0; }
EXPORT int cuModuleLoadData(void **module, const void *image) { *module = (void *)0x6000; return 0; }
EXPORT int cuModuleLoadDataEx(void **module, const void *image, unsigned n, void *options, void *values) { *module = (void *)0x6000; return 0; }
EXPORT int cuModuleGetFunction(void **function, void *module, const char *name) { *function = (void *)0x7000; return 0; }
EXPORT int cuModuleGetGlobal_v2(uint64_t *p, size_t *bytes, void *module, const char *name) {
  if (p) *p = DEVICE_BASE - 0x200000;
  if (bytes) *bytes = 8;
  return 0;
}
EXPORT int cuFuncGetAttribute(int *value, int attribute, void *function) {
  *value = attribute == 0 ? 1024 : attribute == 4 ? 32 : 0;  // threads per block, registers per thread
  return 0;
}
EXPORT int cuOccupancyMaxActiveClusters(int *clusters, void *function, void *config) { *clusters = 1; return 0; }
