# Reports by HTTP: the inlet with a scripted host, its reports as a table.
foreach(name test_inlet_http test_inlet_http_limits test_inlet_http_batch)
  set(kit)
  if(NOT name STREQUAL test_inlet_http_batch)
    set(kit unit/inlet_http_kit.c)
  endif()
  bl_unit_test(${name} SOURCES ${kit} unit/inlet_host.c LINK agent_inlet_http agent_http bl_json bl_codec bl_buf
    PkgConfig::JANSSON)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/inlet_http)
endforeach()
bl_unit_test(test_inlet_http_nomem NOMEM LINK agent_inlet_http agent_http bl_clock)
