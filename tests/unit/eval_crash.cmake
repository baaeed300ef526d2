# The evaluator, killed at every commit; its history is that of the simulation.
bl_unit_test(test_eval_crash
  SOURCES sim/late_history.c sim/late_deliver.c contract/store_fixture.c
  LINK collector_eval collector_define collector_ingest collector_store collector_control
    collector_fleet bl_codec bl_fault PkgConfig::SQLITE m)
target_include_directories(test_eval_crash PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/sim
  ${CMAKE_CURRENT_SOURCE_DIR}/contract)
