# Rules, incidents, notices.  What devices cover is said by the test: two of the store's calls are wrapped.
function(bl_rule_test name)
  bl_unit_test(${name} SOURCES unit/rule_kit.c
    LINK collector_notice collector_incident collector_outbox collector_rule collector_cases
      collector_kpi collector_define collector_roster collector_store collector_control bl_clock
      PkgConfig::SQLITE ${ARGN})
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/unit)
  target_link_options(${name} PRIVATE
    -Wl,--wrap=store_read_device -Wl,--wrap=store_log_coverage)
endfunction()

foreach(name test_rule_engine test_rule_cases)
  bl_rule_test(${name})
  target_sources(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/unit/rule_engine_kit.c)
endforeach()
bl_rule_test(test_incident)
bl_rule_test(test_notice)
