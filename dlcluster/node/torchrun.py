"""torchrun, as `python -m torch.distributed.run` starts it, with less of what Python does besides.

Loading torch makes hundreds of thousands of objects, all of which stay. To search them for garbage is a tenth of the
load, and to take them down one by one at the end is half a second in which nobody works any more.
"""

import atexit
import gc
import importlib
import os
import sys

if __name__ == "__main__":
    # Nothing here may stand in for a module of the same name.
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    gc.disable()
    atexit.register(gc.freeze)
    torchrun = importlib.import_module("torch.distributed.run")
    gc.enable()
    torchrun.main()
