bl_unit_test(test_spool_upkeep SOURCES unit/spool_kit.c
  LINK agent_spool test_shim PkgConfig::SQLITE)
