# Samplers and probes.  White-box tests of their pure parts see the folders' own headers.
add_library(sample_harness STATIC ${CMAKE_CURRENT_LIST_DIR}/sample_harness.c)
target_include_directories(sample_harness PUBLIC
  ${PROJECT_SOURCE_DIR}/agent/src/sample ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(sample_harness PUBLIC agent_sample PkgConfig::CMOCKA
  PRIVATE bl_catalogue bl_options bl_sanitize)

bl_unit_test(test_sample LINK sample_harness m)
bl_unit_test(test_sample_trees LINK sample_harness)

bl_unit_test(test_probe LINK agent_probe agent_sample)
target_include_directories(test_probe PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/probe)

add_library(probe_harness STATIC
  ${CMAKE_CURRENT_LIST_DIR}/probe_harness.c ${CMAKE_CURRENT_LIST_DIR}/probe_server.c)
target_include_directories(probe_harness PUBLIC
  ${PROJECT_SOURCE_DIR}/agent/src/probe ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(probe_harness PUBLIC agent_probe agent_sample Threads::Threads
  PkgConfig::CMOCKA bl_options bl_sanitize)

bl_unit_test(test_prober LINK probe_harness)
bl_unit_test(test_prober_tls LINK probe_harness)

# Not a test: prints what samplers and probes cost.
add_executable(cost_sample ${CMAKE_CURRENT_LIST_DIR}/cost_sample.c)
target_link_libraries(cost_sample PRIVATE probe_harness)
