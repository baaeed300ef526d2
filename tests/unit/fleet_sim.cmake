# The fleet simulator: run by tests/perf/run and tests/system/test_fleet.py.
add_subdirectory(${CMAKE_CURRENT_SOURCE_DIR}/perf/fleet ${CMAKE_CURRENT_BINARY_DIR}/fleet)
bl_unit_test(test_fleet_parts LINK fleet_parts)
