# Every decoder has a target here; tests/fuzz/README.md says which.
#
# bl_fuzz_target(NAME [LINK lib ...] [INCLUDE dir ...] [SOURCES file ...] [OPTIONS linker option ...]
#   [MAX_LEN n] [DICT file of tests/data] [ALSO folder]): fuzz_NAME.c.  Always built: replay_NAME, which
# feeds it tests/data/NAME/corpus (and ALSO) as the test fuzz_NAME_corpus.  With BL_FUZZ: fuzz_NAME
# for tests/fuzz/run.
if(BL_FUZZ)
  add_custom_target(fuzzers)
endif()
set(fuzz_lines)
function(bl_fuzz_target name)
  cmake_parse_arguments(F "" "MAX_LEN;DICT;ALSO" "LINK;INCLUDE;SOURCES;OPTIONS" ${ARGN})
  set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/data/${name}/corpus)
  if(NOT F_MAX_LEN)
    set(F_MAX_LEN 4096)
  endif()
  bl_kits(sources fuzz/replay.c ${F_SOURCES})
  add_executable(replay_${name} fuzz/fuzz_${name}.c ${sources})
  set(programs replay_${name})
  add_test(NAME fuzz_${name}_corpus COMMAND replay_${name} ${corpus} ${F_ALSO})
  set_tests_properties(fuzz_${name}_corpus PROPERTIES TIMEOUT 120)
  if(BL_FUZZ)
    bl_kits(sources ${F_SOURCES})
    add_executable(fuzz_${name} fuzz/fuzz_${name}.c ${sources})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers fuzz_${name})
    list(APPEND programs fuzz_${name})
    set(fuzz_lines ${fuzz_lines} "${name} ${F_MAX_LEN} ${F_DICT}" PARENT_SCOPE)
  endif()
  foreach(program IN LISTS programs)
    target_include_directories(${program} PRIVATE ${F_INCLUDE})
    target_compile_definitions(${program} PRIVATE BL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_link_libraries(${program} PRIVATE ${F_LINK} bl_options bl_sanitize)
    target_link_options(${program} PRIVATE ${F_OPTIONS})
  endforeach()
endfunction()

set(root ${PROJECT_SOURCE_DIR})
bl_fuzz_target(codec LINK bl_codec bl_buf bl_err ZLIB::ZLIB m INCLUDE ${root}/shared/codec)
bl_fuzz_target(seq LINK bl_codec bl_buf bl_err m)
bl_fuzz_target(expr LINK bl_expr MAX_LEN 600 DICT expr/expr.dict)
bl_fuzz_target(inlet LINK agent_inlet bl_codec bl_buf MAX_LEN 4200)
bl_fuzz_target(intake LINK agent_intake bl_catalogue bl_log bl_codec bl_buf MAX_LEN 2000)
bl_fuzz_target(statsd LINK agent_statsd agent_intake bl_sketch bl_codec bl_buf bl_log m
  INCLUDE ${root}/agent/src/statsd MAX_LEN 2000 DICT statsd/statsd.dict)
bl_fuzz_target(part LINK bl_window bl_buf)
bl_fuzz_target(tz LINK bl_tz INCLUDE ${root}/shared/tz ALSO /usr/share/zoneinfo/Europe)

bl_fuzz_target(sketch LINK bl_sketch bl_buf)
bl_fuzz_target(topic LINK bl_topic MAX_LEN 200)
bl_fuzz_target(json LINK bl_json)
bl_fuzz_target(link_way LINK bl_link INCLUDE ${root}/shared/link)

# The agent's.
bl_fuzz_target(agent_config LINK agent_core DICT conf/yaml.dict)
bl_fuzz_target(conf_include LINK bl_conf DICT conf/yaml.dict MAX_LEN 800)
bl_fuzz_target(setup LINK agent_core bl_pki MAX_LEN 8192 DICT conf/yaml.dict INCLUDE ${root}/agent/src/command)
bl_fuzz_target(status LINK agent_core)
bl_fuzz_target(control LINK agent_core INCLUDE ${root}/agent/src/run MAX_LEN 200
  OPTIONS -Wl,--wrap=spool_thread_status)
bl_fuzz_target(plugins LINK agent_plugins agent_inlet)
bl_fuzz_target(http_head LINK agent_local)
bl_fuzz_target(inlet_http LINK agent_inlet_http agent_http bl_codec bl_buf bl_json PkgConfig::JANSSON m
  INCLUDE ${root}/agent/src/inlet_http)
bl_fuzz_target(inlet_http_wire LINK agent_inlet_http bl_clock)
bl_fuzz_target(rowmap LINK bl_rowmap bl_codec m MAX_LEN 1500)
bl_fuzz_target(charset LINK bl_charset bl_codec MAX_LEN 300)
bl_fuzz_target(drop LINK agent_drop agent_inlet agent_sample bl_rowmap bl_codec bl_json
  INCLUDE ${root}/agent/src/drop MAX_LEN 2000)
bl_fuzz_target(top LINK agent_local PkgConfig::JANSSON)
bl_fuzz_target(probe LINK agent_probe INCLUDE ${root}/agent/src/probe)
bl_fuzz_target(scrape LINK agent_scrape agent_intake agent_probe bl_codec bl_buf bl_log INCLUDE ${root}/agent/src/scrape
  DICT scrape/scrape.dict ALSO ${root}/tests/data/scrape/pages)
bl_fuzz_target(regex LINK bl_regex MAX_LEN 1024)
bl_fuzz_target(loglines LINK agent_loglines agent_inlet agent_sample bl_rowmap bl_codec MAX_LEN 1024)
bl_fuzz_target(dns LINK agent_probe INCLUDE ${root}/agent/src/probe MAX_LEN 1024)
bl_fuzz_target(modbus LINK agent_probe m INCLUDE ${root}/agent/src/probe MAX_LEN 400)
bl_fuzz_target(proc LINK agent_sample test_folder m INCLUDE ${root}/agent/src/sample)
bl_fuzz_target(units LINK agent_sample INCLUDE ${root}/agent/src/sample MAX_LEN 2048)
bl_fuzz_target(spool_row LINK agent_spool bl_codec INCLUDE ${root}/agent/src/spool)
bl_fuzz_target(downlink SOURCES unit/spool_kit.c
  LINK agent_spool uplink bl_codec test_folder PkgConfig::CMOCKA)
bl_fuzz_target(pki LINK bl_pki bl_mbedtls)

# The collector's.
bl_fuzz_target(ingest SOURCES contract/store_fixture.c
  LINK collector_ingest collector_store bl_codec test_folder ZLIB::ZLIB m
  INCLUDE ${root}/shared/codec ${root}/tests/contract MAX_LEN 8192)
bl_fuzz_target(centre_config LINK collector_core DICT conf/yaml.dict)
set(centre_link collector_api collector_auth collector_define collector_fleet collector_store
  collector_control bl_codec bl_json test_folder PkgConfig::JANSSON)
bl_fuzz_target(api_input LINK ${centre_link} INCLUDE ${root}/collector/src/api)
bl_fuzz_target(api SOURCES fuzz/fuzz_centre.c LINK ${centre_link} INCLUDE ${root}/collector/src/api
  OPTIONS -Wl,--wrap=http_header)
bl_fuzz_target(store SOURCES fuzz/fuzz_centre.c LINK ${centre_link} bl_log PkgConfig::SQLITE ZLIB::ZLIB
  INCLUDE ${root}/shared/codec)
bl_fuzz_target(chunk SOURCES unit/chunk_kit.c LINK collector_chunk PkgConfig::CMOCKA ZLIB::ZLIB m MAX_LEN 8192
  OPTIONS -Wl,--wrap=chunk_span_ok)
bl_fuzz_target(define LINK collector_define collector_control bl_json INCLUDE ${root}/collector/src/define)
bl_fuzz_target(stored LINK ${centre_link} collector_cases collector_render
  INCLUDE ${root}/collector/src/api)
bl_fuzz_target(answers LINK collector_deliver collector_define collector_control bl_secret PkgConfig::CURL
    PkgConfig::JANSSON bl_mbedtls
  INCLUDE ${root}/collector/src/deliver OPTIONS -Wl,--wrap=getaddrinfo)
bl_fuzz_target(files LINK collector_ingest collector_store bl_log bl_buf test_folder PkgConfig::JANSSON
    PkgConfig::SQLITE
  INCLUDE ${root}/provisioning/src ${root}/collector/src/ingest ${root}/collector/src/store)

# What tests/fuzz/run reads: one target a line, its longest input, its dictionary.
if(BL_FUZZ)
  list(JOIN fuzz_lines "\n" text)
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/fuzz_targets.txt CONTENT "@text@\n" @ONLY)
endif()
