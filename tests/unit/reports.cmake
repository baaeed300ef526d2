# What programs report, beyond lines: values in the spool, rules of reports.
bl_unit_test(test_spool_report SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool test_shim bl_log PkgConfig::SQLITE)
bl_unit_test(test_inlet_report LINK agent_inlet)
bl_unit_test(test_inlet_datagram SOURCES unit/inlet_kit.c LINK agent_inlet agent_spool bl_json)
