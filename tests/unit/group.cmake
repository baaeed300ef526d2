bl_unit_test(test_spool_group SOURCES unit/spool_kit.c
  LINK agent_spool bl_codec bl_log test_shim PkgConfig::SQLITE)
