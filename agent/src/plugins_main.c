/* The program branchline-plugins. */
#include "plugins.h"

int
main(int argc, char **argv)
{
	return plugins_command(argc, argv);
}
