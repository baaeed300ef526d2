bl_unit_test(test_conf LINK bl_conf)
bl_unit_test(test_uplink SOURCES unit/uplink_kit.c LINK uplink)
bl_unit_test(test_uplink_model SOURCES unit/uplink_kit.c LINK uplink)
bl_unit_test(test_clockmap LINK agent_core)
bl_unit_test(test_config LINK agent_core)

# The centre that the agent's system tests talk to.
add_executable(fake_centre ${CMAKE_CURRENT_SOURCE_DIR}/system/fake_centre.c)
target_link_libraries(fake_centre PRIVATE bl_mqtt bl_codec bl_topic bl_options bl_sanitize)
