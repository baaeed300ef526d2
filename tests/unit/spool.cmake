bl_unit_test(test_spool_cut SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool PkgConfig::SQLITE)
foreach(name test_spool_handshake test_spool_former)
  bl_unit_test(${name}
    SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_handshake_kit.c
    LINK agent_spool)
endforeach()
bl_unit_test(test_spool_chain
  SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_handshake_kit.c
  LINK agent_spool PkgConfig::SQLITE)
foreach(name test_spool_thread test_spool_pressed)
  bl_unit_test(${name}
    SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_thread_kit.c
    LINK agent_spool)
endforeach()
bl_unit_test(test_spool_trim SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool PkgConfig::SQLITE)
bl_unit_test(test_spool_damage SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool PkgConfig::SQLITE)
bl_unit_test(test_spool_crash SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool)
bl_unit_test(test_spool_fault
  SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_work.c
  LINK agent_spool test_shim bl_log PkgConfig::SQLITE)
bl_unit_test(test_spool_nomem NOMEM
  SOURCES unit/alloc_faults.c unit/spool_kit.c unit/spool_work.c
  LINK agent_spool test_shim bl_log PkgConfig::SQLITE)
# What they do with BL_LONG=1 takes up to two hours.
set_tests_properties(test_spool_crash test_spool_fault test_spool_nomem PROPERTIES TIMEOUT 7200)
bl_caught(sync-off test_spool_fault "unsynced writes lost:.* doubled 0 lost [1-9]"
  ARGS every_power_cut*)
