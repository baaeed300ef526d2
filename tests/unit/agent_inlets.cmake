# The table of inlets in the agent, and what holds for every report.
bl_unit_test(test_agent_inlets LINK agent_core)
target_include_directories(test_agent_inlets PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/run)
