# What monitoring plug-ins print, and what becomes of it.
bl_unit_test(test_plugins LINK agent_plugins agent_inlet)
# A real process, and a kernel that does not let it go.
bl_unit_test(test_plugins_run LINK agent_plugins)
target_link_options(test_plugins_run PRIVATE -Wl,--wrap=kill)
