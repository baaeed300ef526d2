# Build options, and the two interface targets that every module links.
include(FeatureSummary)
include(GNUInstallDirs)
include(CheckCCompilerFlag)

option(BL_TESTS "Build the unit and contract tests" ON)
option(BL_WERROR "Treat warnings as errors (on in CI)" OFF)
set(BL_SANITIZE "" CACHE STRING
  "Sanitizers, separated by commas: address,undefined or thread; empty for none")
option(BL_FUZZ "Build the fuzz targets with libFuzzer (clang; tests/fuzz/run does it)" OFF)
option(BL_COVERAGE "Instrument for line and branch coverage" OFF)

# Wrong on purpose, for the tests of the tests: tests/README.md says what each breaks.
set(BL_BROKEN_NAMES receipt-before-commit sync-off dedupe-by-time dedupe-without-checksum
  delete-on-puback)
set(BL_BROKEN "" CACHE STRING "Break a promise on purpose; one of: ${BL_BROKEN_NAMES}; empty: none")
set_property(CACHE BL_BROKEN PROPERTY STRINGS "" ${BL_BROKEN_NAMES})
if(BL_BROKEN AND NOT BL_BROKEN IN_LIST BL_BROKEN_NAMES)
  message(FATAL_ERROR "BL_BROKEN=${BL_BROKEN}: one of ${BL_BROKEN_NAMES}")
endif()
if(BL_BROKEN AND (NOT BL_TESTS OR CMAKE_BUILD_TYPE MATCHES "Rel"))
  message(FATAL_ERROR "BL_BROKEN is for tests, never for a release")
endif()

add_feature_info(broken-on-purpose BL_BROKEN "it will lose data: ${BL_BROKEN}")
add_feature_info(tests BL_TESTS "unit and contract tests")
add_feature_info(warnings-as-errors BL_WERROR "any warning stops the build")
add_feature_info(fuzzing BL_FUZZ "fuzz targets (libFuzzer)")
add_feature_info(sanitizers BL_SANITIZE "run-time checks: ${BL_SANITIZE}")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(bl_options INTERFACE)
# BL_BROKEN: its name, or ""; BL_BROKEN_<NAME>: what the sources look at.
set(bl_version_long "${PROJECT_VERSION}")
if(BL_BROKEN)
  string(APPEND bl_version_long ", BUILT BROKEN ON PURPOSE: ${BL_BROKEN}")
  string(MAKE_C_IDENTIFIER "BL_BROKEN_${BL_BROKEN}" bl_broken_id)
  string(TOUPPER "${bl_broken_id}" bl_broken_id)
endif()
target_compile_definitions(bl_options INTERFACE
  _GNU_SOURCE BL_VERSION="${PROJECT_VERSION}" BL_VERSION_LONG="${bl_version_long}"
  BL_BROKEN="${BL_BROKEN}" ${bl_broken_id})
# Also where a long has 32 bits: times after 2038 and files over 2 GiB.
if(CMAKE_SIZEOF_VOID_P EQUAL 4)
  target_compile_definitions(bl_options INTERFACE _FILE_OFFSET_BITS=64 _TIME_BITS=64)
endif()
target_compile_options(bl_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes
  -Wmissing-prototypes -Wformat=2 -Wvla
  $<$<BOOL:${BL_WERROR}>:-Werror>
  # Messages for people are cut at their buffer on purpose, everywhere.
  $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>)

# Hardening needs optimisation, and FORTIFY hides errors from the sanitizers.
if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT BL_SANITIZE)
  target_compile_options(bl_options INTERFACE
    -fstack-protector-strong -fstack-clash-protection
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  target_link_options(bl_options INTERFACE -Wl,-z,relro -Wl,-z,now -pie)
endif()

add_library(bl_sanitize INTERFACE)
if(BL_SANITIZE)
  target_compile_options(bl_sanitize INTERFACE
    -fsanitize=${BL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  target_link_options(bl_sanitize INTERFACE -fsanitize=${BL_SANITIZE})
endif()
if(BL_COVERAGE)
  target_compile_options(bl_sanitize INTERFACE --coverage -O0 -g)
  target_link_options(bl_sanitize INTERFACE --coverage)
endif()
if(BL_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "BL_FUZZ needs clang: cmake --preset fuzz")
  endif()
  # Every module tells the fuzzer which of its branches were taken.
  target_compile_options(bl_sanitize INTERFACE -fsanitize=fuzzer-no-link)
endif()
