# Time asked of the service manager while a spool is opened.
bl_unit_test(test_opening LINK agent_core)
