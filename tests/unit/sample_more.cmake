# Samplers of pressure, TCP, time, sensors: what a tree of files cannot show.
bl_unit_test(test_sample_more LINK sample_harness)

# What systemd says over the bus, from a bus of the test's own.
bl_unit_test(test_sample_units LINK sample_harness)

# Not a test: prints what all samplers put on this machine, for whoever compares.
add_executable(sample_print ${CMAKE_CURRENT_LIST_DIR}/sample_print.c)
target_link_libraries(sample_print PRIVATE agent_sample bl_options bl_sanitize)
