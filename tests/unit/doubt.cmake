bl_unit_test(test_spool_doubt SOURCES unit/spool_kit.c
  LINK agent_spool bl_codec test_shim PkgConfig::SQLITE)
