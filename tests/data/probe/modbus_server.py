"""A Modbus/TCP server of somebody else's (python3-pymodbus), for test_probe_modbus.

    modbus_server.py

Prints one line "port PORT" and ends with its standard input.  Unit 7 has registers 0 to 99 of each table
and no others; what is in them stands below.
"""
import asyncio
import logging
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server.async_io import ModbusTcpServer


def block(values):
    # The context counts from 1, addresses in requests from 0.
    return ModbusSequentialDataBlock(1, [values.get(i, 0) for i in range(100)])


COILS = block({0: 1, 9: 1, 17: 1})
DISCRETE = block({3: 1})
# 21.5 as float32 is 0x41ac0000; -2 as int32 0xfffffffe; 70000 as uint32 0x00011170, its words swapped
HOLDING = block({0: 215, 1: 65535, 2: 0x41AC, 3: 0x0000, 4: 0xFFFF, 5: 0xFFFE, 6: 0x1170, 7: 0x0001})
INPUT = block({50: 1234})


async def main():
    logging.disable(logging.CRITICAL)  # it calls every refusal an error
    slave = ModbusSlaveContext(di=DISCRETE, co=COILS, hr=HOLDING, ir=INPUT)
    server = ModbusTcpServer(ModbusServerContext(slaves={7: slave}, single=False), address=("127.0.0.1", 0))
    task = asyncio.ensure_future(server.serve_forever())
    await server.serving
    print("port", server.server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    task.cancel()


asyncio.run(main())
