# The agent's ceiling of memory.  The real agent at it: a test of the whole system, which needs a build without sanitizers,
# as ctest of clang's is.
bl_unit_test(test_memory LINK agent_core)
if(NOT BL_SANITIZE AND NOT CMAKE_CROSSCOMPILING)
  add_test(NAME test_memory_ceiling
    COMMAND /usr/bin/python3 -m pytest -q -p no:cacheprovider ${PROJECT_SOURCE_DIR}/tests/system/test_memory.py)
  set_tests_properties(test_memory_ceiling PROPERTIES ENVIRONMENT "BL_BUILD=${CMAKE_BINARY_DIR}" TIMEOUT 600)
endif()
