#!/bin/bash
# Compiles libcuda.so.1 from the C files beside it and one "do nothing, return 0" function for each name in stubs.txt.
# usage: build.sh VENV      (the CUDA headers come from the triton wheel of that environment)
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
include="$(echo "$1"/lib/python3.*/site-packages/triton/backends/nvidia/include)"
stubs="$(mktemp --suffix=.c)"
trap 'rm -f "$stubs"' EXIT
awk '{print "__attribute__((visibility(\"default\"))) long " $1 "(void) { return 0; }"}' "$here/stubs.txt" > "$stubs"
gcc -O1 -fPIC -shared -fvisibility=hidden -fno-builtin -w -I "$include" -D_GNU_SOURCE -Wl,-soname,libcuda.so.1 \
    -o "$here/libcuda.so.1" "$here"/*.c "$stubs" -lpthread
