#!/bin/bash
# Prints stubs.txt anew: every CUDA runtime, driver and cuBLAS function that the C files here don't define and that the
# installed libraries import or cuda.h declares. Needed only after a change of package versions.
# usage: list_stubs.sh VENV > stubs.txt.new
set -uo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
packages="$(echo "$1"/lib/python3.*/site-packages)"
{
  find "$packages" -name '*.so*' -type f -path '*/torch/*' -o -name '*.so*' -type f -path '*/bitsandbytes/*' \
      -o -name '*.so*' -type f -path '*/torchao/*' -o -name '*.so*' -type f -path '*/nvidia/*' -not -path '*/cupti*' \
    | xargs nm -D --undefined-only 2>/dev/null | awk '$1 == "U" {sub(/@.*/, "", $2); print $2}'
  grep -ohE '\bcu[A-Z][A-Za-z0-9_]+ *\(' "$packages/triton/backends/nvidia/include/cuda.h" | tr -d ' ('
} | grep -E '^(_*cuda[A-Z]|cublas|cu[A-Z])' | grep -vE '^cu(File|dnn|dss)' | LC_ALL=C sort -u \
  | LC_ALL=C comm -13 <(grep -ohE '^EXPORT [^(]+\(' "$here"/*.c | sed -E 's/.*[ *]([A-Za-z_0-9]+)\(/\1/' | LC_ALL=C sort -u) -
