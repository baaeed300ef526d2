# Probes of the kinds other than http.
add_library(probe_play STATIC ${CMAKE_CURRENT_LIST_DIR}/probe_play.c)
target_link_libraries(probe_play PUBLIC probe_harness)

bl_unit_test(test_probe_kinds LINK agent_probe agent_sample)
target_include_directories(test_probe_kinds PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/probe)
bl_unit_test(test_probe_tcp LINK probe_play)
bl_unit_test(test_probe_dns SOURCES unit/dns_kit.c LINK probe_play)
bl_unit_test(test_dns_message SOURCES unit/dns_kit.c LINK probe_play)
bl_unit_test(test_probe_ping LINK probe_play)
bl_unit_test(test_probe_chain LINK probe_play)
bl_unit_test(test_probe_modbus LINK probe_play m)

bl_unit_test(test_agent_results LINK agent_core)
target_include_directories(test_agent_results PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/run)
