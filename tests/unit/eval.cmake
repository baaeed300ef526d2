# The evaluator over a real telemetry store and a real control database.
foreach(name test_eval test_eval_waiting)
  bl_unit_test(${name} SOURCES unit/eval_kit.c contract/store_fixture.c
    LINK collector_eval collector_incident collector_define collector_store collector_control collector_fleet bl_codec
      PkgConfig::SQLITE)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
endforeach()
