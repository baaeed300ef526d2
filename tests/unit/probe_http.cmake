bl_unit_test(test_probe_http LINK probe_harness)
bl_unit_test(test_probe_pure LINK agent_probe)
target_include_directories(test_probe_pure PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/probe)
