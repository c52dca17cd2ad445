"""Runs modules of this package that came over SSH: `python3 -I -c <this file>`, everything else as JSON on stdin.

So the code on the node is always the caller's own, whatever an earlier version has left there.
stdin: {"modules": [[name, source], ...] in order of dependency, "entry": name, "payload": ...}.
"""

import json
import sys
import types

call = json.load(sys.stdin)
package = types.ModuleType("node")
package.__path__ = []
sys.modules["node"] = package
for name, source in call["modules"]:
    module = types.ModuleType("node." + name)
    module.__package__ = "node"
    sys.modules[module.__name__] = module
    setattr(package, name, module)
    exec(compile(source, "node/" + name + ".py", "exec"), module.__dict__)
sys.exit(sys.modules["node." + call["entry"]].main(call["payload"]))
