# The link and MQTT: unit tests, and the program that the system tests drive.
add_executable(link_probe ${CMAKE_CURRENT_SOURCE_DIR}/system/link_probe.c)
target_link_libraries(link_probe PRIVATE bl_mqtt bl_options bl_sanitize)
add_executable(link_pair ${CMAKE_CURRENT_SOURCE_DIR}/system/link_pair.c)
target_link_libraries(link_pair PRIVATE bl_mqtt Threads::Threads bl_options bl_sanitize)

bl_unit_test(test_link SOURCES unit/link_kit.c LINK bl_link)
bl_unit_test(test_link_fault SOURCES unit/link_kit.c LINK bl_link test_folder Threads::Threads)
target_compile_definitions(test_link_fault PRIVATE LINK_PEER="${CMAKE_CURRENT_SOURCE_DIR}/unit/link_peer.py")
foreach(call send recv connect socket socketpair dup3 eventfd epoll_create1 epoll_ctl)
  target_link_options(test_link_fault PRIVATE -Wl,--wrap=${call})
endforeach()
bl_unit_test(test_mqtt LINK bl_mqtt)
# Back-off and mailbox are pure or nearly so, and seen from outside only by their effects.
target_include_directories(test_mqtt PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../shared/mqtt)

# The guard on Paho's copy: a rename that did not happen must stop the build.
add_test(NAME paho_guard_refuses_an_unrenamed_archive
  COMMAND ${CMAKE_COMMAND} -DFROM=${PAHO_ARCHIVE} -DTO=${CMAKE_CURRENT_BINARY_DIR}/unrenamed.a
    -DOBJCOPY=/bin/true -DNM=${BL_NM}
    -P ${CMAKE_CURRENT_SOURCE_DIR}/../shared/mqtt/paho_link.cmake)
set_tests_properties(paho_guard_refuses_an_unrenamed_archive PROPERTIES
  PASS_REGULAR_EXPRESSION "found 0 led[ \n]+and[ \n]+1[ \n]+left")
