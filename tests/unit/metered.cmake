# Metered links: what was counted, and what may go.
bl_unit_test(test_spool_usage SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool PkgConfig::SQLITE)
bl_unit_test(test_budget LINK agent_budget bl_tz)
bl_unit_test(test_uplink_metered SOURCES unit/uplink_kit.c LINK uplink)
bl_unit_test(test_spool_metered SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool)
bl_unit_test(test_config_metered LINK agent_core)
bl_unit_test(test_spool_usage_fault SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c
  LINK agent_spool test_shim bl_log PkgConfig::SQLITE)
bl_unit_test(test_metered_day SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c
  LINK agent_delivery agent_budget agent_spool bl_tz)
