# The step inlet: lines as a table, the socket with a scripted sink and a real spool.
foreach(name test_inlet test_inlet_share test_inlet_spool)
  bl_unit_test(${name} SOURCES unit/inlet_kit.c LINK agent_inlet agent_spool bl_json)
endforeach()
