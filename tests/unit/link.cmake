# The link and MQTT: unit tests, and the program that the system tests drive.
add_executable(link_probe ${CMAKE_CURRENT_SOURCE_DIR}/system/link_probe.c)
target_link_libraries(link_probe PRIVATE bl_mqtt bl_options bl_sanitize)
add_executable(link_pair ${CMAKE_CURRENT_SOURCE_DIR}/system/link_pair.c)
target_link_libraries(link_pair PRIVATE bl_mqtt Threads::Threads bl_options bl_sanitize)
