# What several tests share is compiled once, not once a test.
#
# bl_kit(FILE [lib ...]): FILE becomes the object library kit_<its name>, compiled against those libraries.
# Wherever a test names FILE among its sources, bl_kits puts those objects in its place: an object, not an
# archive, so that it is linked whether or not somebody asks for a symbol of it, and `--wrap` holds as before.
function(bl_kit file)
  get_filename_component(name ${file} NAME_WE)
  add_library(kit_${name} OBJECT ${file})
  target_include_directories(kit_${name} PRIVATE unit contract)
  target_link_libraries(kit_${name} PRIVATE ${ARGN} test_folder PkgConfig::CMOCKA PkgConfig::SQLITE
    bl_options bl_sanitize)
endfunction()

# bl_kits(OUT file ...): the same files, kits as their objects.
function(bl_kits out)
  set(result)
  foreach(file IN LISTS ARGN)
    get_filename_component(name ${file} NAME_WE)
    if(TARGET kit_${name})
      list(APPEND result $<TARGET_OBJECTS:kit_${name}>)
    else()
      list(APPEND result ${file})
    endif()
  endforeach()
  set(${out} ${result} PARENT_SCOPE)
endfunction()

bl_kit(contract/store_fixture.c bl_codec)
bl_kit(contract/store_kit.c collector_store bl_log)
bl_kit(fuzz/replay.c)
bl_kit(unit/alloc_faults.c)
bl_kit(unit/cases_kit.c test_control_kit collector_cases collector_define collector_roster)
bl_kit(unit/chunk_kit.c collector_chunk)
bl_kit(unit/chunk_part.c collector_chunk)
bl_kit(unit/compact_kit.c collector_compact collector_store collector_parts collector_chunk)
bl_kit(unit/define_kit.c test_control_kit collector_define bl_json)
target_include_directories(kit_define_kit PRIVATE ${PROJECT_SOURCE_DIR}/collector/src/define)
bl_kit(unit/ingest_kit.c collector_ingest bl_log)
bl_kit(unit/ingest_work.c collector_ingest test_shim bl_log)
bl_kit(unit/inlet_host.c agent_inlet agent_intake)
bl_kit(unit/inlet_kit.c agent_inlet agent_spool bl_json)
bl_kit(unit/kpi_kit.c collector_kpi collector_control bl_expr bl_log)
bl_kit(unit/link_kit.c bl_link)
bl_kit(unit/nomem.c)
bl_kit(unit/rule_kit.c collector_notice collector_outbox collector_incident collector_rule collector_cases)
bl_kit(unit/spool_kit.c agent_spool)
bl_kit(unit/spool_work.c agent_spool test_shim bl_log)
bl_kit(unit/store_log_kit.c collector_store)
bl_kit(unit/uplink_kit.c uplink)
