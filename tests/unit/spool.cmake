bl_unit_test(test_spool_cut SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool)
bl_unit_test(test_spool_handshake SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool)
bl_unit_test(test_spool_thread SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool)
