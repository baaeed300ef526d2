"""For every part: what is started here sees the signals of a terminal, whoever started the tests.

A shell without job control starts background commands with SIGINT ignored, and what is ignored stays so in
every child: programs that must end with Ctrl-C would not, and no `trap` of a script could change that.
"""

import signal

for number in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
