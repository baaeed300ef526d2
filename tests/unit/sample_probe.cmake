# Samplers and probes.  White-box tests of their pure parts see the folder's own headers.
bl_unit_test(test_sample LINK agent_sample)
target_include_directories(test_sample PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/sample)

bl_unit_test(test_probe LINK agent_probe agent_sample)
target_include_directories(test_probe PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/probe)

bl_unit_test(test_prober LINK agent_probe agent_sample Threads::Threads)
target_include_directories(test_prober PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/probe)
